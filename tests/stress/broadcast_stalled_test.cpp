// Many targets, some of which never read: the others get every frame, whole and in order, and what
// is kept for the stalled ones is bounded. The clients' ends live in child processes, since one
// process may not have descriptors enough for both.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/resource.h>

#include <array>
#include <cstdlib>

#include "integration/broadcast_support.h"
#include "integration/child_process.h"

using namespace testkit;

namespace {

constexpr size_t kChildren = 2;
constexpr size_t kFrameBytes = 256;
constexpr size_t kFrames = 400;
constexpr size_t kFramesPerBatch = 16;
constexpr uint64_t kMostBehind = 128;
constexpr int kTinyBuffer = 4096;

std::string frame_of(size_t number) {
  std::string frame = "frame " + std::to_string(number) + " ";
  frame.resize(kFrameBytes, static_cast<char>('a' + number % 26));
  return frame;
}

std::string whole_stream() {
  std::string stream;
  for (size_t i = 0; i < kFrames; ++i) stream += frame_of(i);
  return stream;
}

struct Count {
  size_t targets;
  size_t stalled;
};

bool is_spared() {
  return std::getenv("TCPKIT_TEST_SLOW") != nullptr || kThreadSanitizer || kAddressSanitizer;
}

size_t allowed_descriptors() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

// Reads all streams until each is whole.
class Readers {
 public:
  explicit Readers(const std::vector<RawClient>& clients)
      : clients_(clients), taken_(clients.size()) {
    for (size_t i = 0; i < clients.size(); ++i) {
      fcntl(clients[i].fd(), F_SETFL, O_NONBLOCK);
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.u64 = i;
      epoll_ctl(poller_, EPOLL_CTL_ADD, clients[i].fd(), &event);
    }
  }
  Readers(const Readers&) = delete;
  Readers& operator=(const Readers&) = delete;
  ~Readers() { close(poller_); }

  void read_all() {
    size_t whole = 0;
    std::array<epoll_event, 256> events;
    while (whole < clients_.size()) {
      const int count = epoll_wait(poller_, events.data(), events.size(), 30'000);
      ASSERT_GT(count, 0) << clients_.size() - whole << " streams are not whole";
      for (int i = 0; i < count; ++i) {
        const size_t index = events[static_cast<size_t>(i)].data.u64;
        ASSERT_TRUE(read_one(index)) << "client " << index << " at byte " << taken_[index];
        if (taken_[index] == expected_.size()) ++whole;
      }
    }
  }

 private:
  // False: the bytes are other ones.
  bool read_one(size_t index) {
    std::array<char, 16384> chunk;
    const ssize_t size = recv(clients_[index].fd(), chunk.data(), chunk.size(), 0);
    if (size <= 0) return size < 0 && errno == EAGAIN;
    const std::string_view bytes(chunk.data(), static_cast<size_t>(size));
    if (expected_.compare(taken_[index], bytes.size(), bytes) != 0) return false;
    taken_[index] += bytes.size();
    return true;
  }

  const std::vector<RawClient>& clients_;
  std::vector<size_t> taken_;
  const std::string expected_ = whole_stream();
  const int poller_ = epoll_create1(EPOLL_CLOEXEC);
};

class Pipe {
 public:
  Pipe() { EXPECT_EQ(0, pipe2(ends_.data(), O_CLOEXEC)); }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    for (const int end : ends_) close(end);
  }
  void write_text(std::string_view text) const {
    ASSERT_EQ(static_cast<ssize_t>(text.size()), write(ends_[1], text.data(), text.size()));
  }
  std::string read_text() const {
    std::array<char, 200> text;
    const ssize_t size = read(ends_[0], text.data(), text.size());
    return {text.data(), static_cast<size_t>(std::max<ssize_t>(size, 0))};
  }

 private:
  std::array<int, 2> ends_{-1, -1};
};

// A child: connects, reads with those that read, and keeps the others until it is told to go.
void be_clients(const Count& count, const Pipe& address_pipe, const Pipe& end_pipe) {
  const std::string address = address_pipe.read_text();
  std::vector<RawClient> stalled;
  std::vector<RawClient> reading;
  for (size_t i = 0; i < count.stalled; ++i) stalled.emplace_back(address, kTinyBuffer);
  while (reading.size() + count.stalled < count.targets) reading.emplace_back(address);
  Readers(reading).read_all();
  EXPECT_EQ("end", end_pipe.read_text());
}

struct Child {
  Pipe address;
  Pipe end;
  pid_t id = -1;

  void start(const Count& count) {
    std::fflush(nullptr);
    id = fork();
    if (id != 0) return;
    alarm(2 * kChildSeconds);
    be_clients(count, address, end);
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  void expect_success() const {
    int status = -1;
    ASSERT_EQ(id, waitpid(id, &status, 0));
    EXPECT_EQ(0, status);
  }
};

// In batches, each after the healthy ones have about got the one before.
void broadcast_all(const TestServer& server, const GroupOwner& group, const Count& count) {
  for (size_t i = 0; i < kFrames; ++i) {
    ASSERT_EQ(TCPKIT_OK, broadcast(group, frame_of(i)));
    if ((i + 1) % kFramesPerBatch != 0) continue;
    const uint64_t wanted = (count.targets - count.stalled) * (i + 1) * kFrameBytes;
    ASSERT_TRUE(server.wait_until([&] { return server.metrics().total_written >= wanted; }));
  }
}

void expect_that_stalled_ones_harm_nobody(Count count) {
  if (is_spared()) count = {count.targets / 10, std::min(count.stalled, count.targets / 20)};
  count.targets = std::min(count.targets, allowed_descriptors() - 200);
  std::array<Child, kChildren> children;
  count.targets -= count.targets % kChildren;
  for (size_t i = 0; i < kChildren; ++i) {
    children[i].start({count.targets / kChildren, (count.stalled + i) / kChildren});
  }
  tcpkit_group_options rules = TCPKIT_GROUP_OPTIONS_INIT;
  rules.slow_policy = TCPKIT_SLOW_DROP_OLDEST;
  rules.max_behind_frames = kMostBehind;
  const GroupOwner group = make_group(rules);
  Behaviour behaviour;
  behaviour.on_open = [&](tcpkit_conn* conn) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conn));
  };
  tcpkit_server_options options = with_loops(2);
  options.send_buffer_size = 4 * kTinyBuffer;
  TestServer server(options, behaviour);
  for (const Child& child : children) child.address.write_text(server.address());
  ASSERT_TRUE(server.wait_until([&] { return tcpkit_group_size(group.get()) == count.targets; }));
  broadcast_all(server, group, count);
  const uint64_t most_waiting = count.stalled * kMostBehind * kFrameBytes;
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes <= most_waiting; }));
  for (const Child& child : children) child.end.write_text("end");
  for (const Child& child : children) child.expect_success();
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_GE(metrics.frames_dropped, count.stalled * (kFrames - kMostBehind) / 2);
  EXPECT_LE(metrics.frames_dropped, count.stalled * (kFrames - kMostBehind));
}

TEST(StalledTargets, ThirtyThreeOfAThousandHarmNobody) {
  expect_that_stalled_ones_harm_nobody({1000, 33});
}

TEST(StalledTargets, AThousandOfTenThousandHarmNobody) {
  expect_that_stalled_ones_harm_nobody({10'000, 1000});
}

}  // namespace
