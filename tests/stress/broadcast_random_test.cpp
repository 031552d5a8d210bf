// Eight threads that join, leave, close and broadcast at random, on three loops: in the end every
// stream is exactly what it should be. TCPKIT_BROADCAST_SECONDS says for how long (1).
#include <fcntl.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <random>
#include <thread>

#include "integration/broadcast_support.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kThreads = 8;
constexpr size_t kConnsEach = 4;

std::chrono::milliseconds duration() {
  const char* seconds = std::getenv("TCPKIT_BROADCAST_SECONDS");
  return std::chrono::milliseconds(seconds == nullptr ? 1000 : 1000 * std::atoi(seconds));
}

// Frames of one thread that a connection of it has to get.
struct Interval {
  uint64_t first;
  uint64_t end;  // one past the last
};

struct Target {
  RawClient client;
  KeptConn conn;
  std::string received;       // by the reader
  bool is_member = false;     // the rest is its owner's
  bool was_closed = false;    // before the end: it has a beginning of what it should have
  std::vector<Interval> own;  // of its owner
  size_t memberships = 0;
};

// One frame of a thread: a line with its number, of a length that depends on it.
std::string frame_of(size_t thread, uint64_t number) {
  std::string text = std::to_string(thread) + ":" + std::to_string(number) + ":";
  return text.append(number * 7919 % 300, 'x') + "\n";
}

// The numbers in a stream, by thread; fails the test at the first byte that is in no whole frame.
// A stream that was cut off may end inside a frame.
std::vector<std::vector<uint64_t>> numbers_in(const std::string& stream, bool was_cut_off) {
  std::vector<std::vector<uint64_t>> numbers(kThreads);
  size_t begin = 0;
  while (begin < stream.size()) {
    const size_t end = stream.find('\n', begin);
    if (end == std::string::npos) {
      EXPECT_TRUE(was_cut_off) << "a frame without its end";
      break;
    }
    size_t thread = kThreads;
    uint64_t number = 0;
    const char* at = stream.data() + begin;
    at = std::from_chars(at, stream.data() + end, thread).ptr + 1;
    std::from_chars(at, stream.data() + end, number);
    const std::string frame = stream.substr(begin, end + 1 - begin);
    if (thread >= kThreads || frame != frame_of(thread, number)) {
      ADD_FAILURE() << "not a frame: " << frame;
      break;
    }
    numbers[thread].push_back(number);
    begin = end + 1;
  }
  return numbers;
}

// Those of the owner are known exactly.
void expect_exact(const Target& target, const std::vector<uint64_t>& numbers) {
  std::vector<uint64_t> expected;
  for (const Interval& interval : target.own) {
    for (uint64_t i = interval.first; i < interval.end; ++i) expected.push_back(i);
  }
  if (target.was_closed) expected.resize(std::min(expected.size(), numbers.size()));
  const auto at = std::mismatch(expected.begin(), expected.end(), numbers.begin(), numbers.end());
  EXPECT_TRUE(expected == numbers) << "other frames from number " << at.first - expected.begin()
                                   << " on, of " << expected.size() << " and " << numbers.size();
}

// Those of other threads come in their order, and without a gap but where it had left.
void expect_contiguous(const Target& target, const std::vector<uint64_t>& numbers) {
  size_t gaps = 0;
  for (size_t i = 1; i < numbers.size(); ++i) {
    ASSERT_GT(numbers[i], numbers[i - 1]);
    if (numbers[i] != numbers[i - 1] + 1) ++gaps;
  }
  EXPECT_LT(gaps, std::max<size_t>(target.memberships, 1));
}

class Crowd {
 public:
  explicit Crowd(TestServer& server, const GroupOwner& group)
      : server_(server), group_(group), targets_(kThreads * kConnsEach) {
    for (Target& target : targets_) {
      target.conn = server_.accepted(target.client);
      fcntl(target.client.fd(), F_SETFL, O_NONBLOCK);
    }
  }

  void run_for(std::chrono::milliseconds time) {
    std::thread reader([this] { read_all(); });
    std::vector<std::thread> threads;
    const auto end = Clock::now() + time;
    for (size_t i = 0; i < kThreads; ++i) {
      threads.emplace_back([this, i, end] { act(i, end); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Target& target : targets_) (void)tcpkit_conn_close(target.conn.get());
    reader.join();
  }
  void expect_exact_streams() const {
    for (size_t i = 0; i < targets_.size(); ++i) {
      const Target& target = targets_[i];
      const auto numbers = numbers_in(target.received, target.was_closed);
      for (size_t thread = 0; thread < kThreads; ++thread) {
        if (thread == i / kConnsEach) {
          expect_exact(target, numbers[thread]);
        } else {
          expect_contiguous(target, numbers[thread]);
        }
      }
    }
  }
  uint64_t broadcasts() const { return broadcasts_; }
  uint64_t done() const { return done_; }

 private:
  void act(size_t thread, Clock::time_point end) {
    std::mt19937 random(static_cast<unsigned>(thread + 1));
    uint64_t number = 0;
    while (Clock::now() < end) {
      const size_t chosen = random() % kConnsEach;
      Target& target = targets_[thread * kConnsEach + chosen];
      const unsigned action = random() % 64;
      if (action < 4) join(target, number);
      if (action == 4) leave(target, number);
      if (action == 5 && chosen == 0 && random() % 200 == 0) close(target, number);
      if (action > 5) send(frame_of(thread, number++));
      if (backlog() > kMostUnread) std::this_thread::yield();
    }
    for (size_t i = 0; i < kConnsEach; ++i) leave(targets_[thread * kConnsEach + i], number);
  }
  void join(Target& target, uint64_t number) {
    if (target.is_member || target.was_closed) return;
    ASSERT_EQ(TCPKIT_OK, tcpkit_group_join(group_.get(), target.conn.get()));
    target.is_member = true;
    target.own.push_back({number, number});
    ++target.memberships;
  }
  void leave(Target& target, uint64_t number) {
    if (!target.is_member) return;
    ASSERT_EQ(TCPKIT_OK, tcpkit_group_leave(group_.get(), target.conn.get()));
    target.is_member = false;
    target.own.back().end = number;
  }
  void close(Target& target, uint64_t number) {
    if (target.was_closed) return;
    target.was_closed = true;
    if (target.is_member) target.own.back().end = number;
    target.is_member = false;
    (void)tcpkit_conn_abort(target.conn.get());
  }
  void send(const std::string& frame) {
    tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
    options.on_done = [](const tcpkit_receipt* receipt, void* self) {
      EXPECT_EQ(0u, receipt->queued);
      EXPECT_EQ(0u, receipt->dropped);
      ++static_cast<Crowd*>(self)->done_;
    };
    options.user_data = this;
    while (broadcasts_ - done_ > kMostUnderWay) std::this_thread::yield();
    ++broadcasts_;
    ASSERT_EQ(TCPKIT_OK, broadcast(group_, frame, &options));
  }
  uint64_t backlog() const { return metrics_of(server_.get()).buffered_bytes; }

  void read_all() {
    size_t open = targets_.size();
    std::vector<pollfd> entries;
    for (const Target& target : targets_) entries.push_back({target.client.fd(), POLLIN, 0});
    std::string chunk(1u << 16, '\0');
    while (open > 0 && poll(entries.data(), entries.size(), 20'000) > 0) {
      for (size_t i = 0; i < entries.size(); ++i) {
        if (entries[i].revents == 0) continue;
        const ssize_t size = recv(entries[i].fd, chunk.data(), chunk.size(), 0);
        if (size > 0) targets_[i].received.append(chunk, 0, static_cast<size_t>(size));
        if (size > 0 || (size < 0 && errno == EAGAIN)) continue;
        shutdown(entries[i].fd, SHUT_RDWR);
        entries[i].fd = -1;
        --open;
      }
    }
    EXPECT_EQ(0u, open) << "streams without an end";
  }

  static constexpr uint64_t kMostUnread = 8u << 20;
  static constexpr uint64_t kMostUnderWay = 4000;

  TestServer& server_;
  const GroupOwner& group_;
  std::vector<Target> targets_;
  std::atomic<uint64_t> broadcasts_{0};
  std::atomic<uint64_t> done_{0};
};

TEST(BroadcastRandom, EveryStreamIsExactlyTheFramesThatItShouldHave) {
  TestServer server(with_loops(3));
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.max_behind_bytes = TCPKIT_UNLIMITED_SIZE;
  options.max_behind_frames = TCPKIT_UNLIMITED;
  options.pool_size = 5;
  const GroupOwner group = make_group(options);
  Crowd crowd(server, group);
  crowd.run_for(duration());
  crowd.expect_exact_streams();
  EXPECT_TRUE(Monitor().wait([&] { return crowd.done() == crowd.broadcasts(); }));
  EXPECT_EQ(0u, tcpkit_group_size(group.get()));
  EXPECT_EQ(0u, server.metrics().frames_dropped);
  std::printf("%llu broadcasts, %llu frames\n", static_cast<unsigned long long>(crowd.broadcasts()),
              static_cast<unsigned long long>(server.metrics().frames_queued));
}

}  // namespace
