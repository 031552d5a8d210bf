// A hundred clients that send and never read, a GiB in all: what the server keeps for them is
// bounded, and well-behaved clients beside them notice nothing.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "integration/child_process.h"
#include "integration/server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kKiB = 1024;
constexpr size_t kMiB = 1024 * kKiB;
constexpr size_t kBytesEach = 21 * kMiB / 2;
constexpr size_t kNeighbours = 4;
constexpr auto kStall = milliseconds(300);

// What the kernel takes from the server for a client that does not read: a send buffer of twice
// kSmallBuffer, the first window of the client, and the little that it allows beyond them.
constexpr size_t kMostInKernel = 512 * kKiB;

// Defaults of the options, in bytes.
constexpr size_t kHigh = kMiB;
constexpr size_t kReadBuffer = 512 * kKiB;

size_t hostile_count() {
  const bool spared = std::getenv("TCPKIT_TEST_SLOW") != nullptr || kThreadSanitizer;
  return spared ? 20 : 100;
}

// Lines of 1 KiB, each with another number.
std::string numbered_lines(size_t size) {
  constexpr size_t kLine = kKiB;
  std::string bytes;
  bytes.reserve(size);
  for (size_t i = 0; bytes.size() < size; ++i) {
    std::string line = std::to_string(i);
    line.resize(kLine - 1, '.');
    bytes += line + "\n";
  }
  return bytes;
}

size_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  size_t whole_pages = 0;
  size_t resident_pages = 0;
  statm >> whole_pages >> resident_pages;
  return resident_pages * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

// True when the condition holds, false after the deadline.
template <typename Condition>
bool eventually(Condition condition) {
  return Monitor().wait(condition);
}

// What the echo does with a send that is refused.
enum class WhenFull { kDrop, kAbort };

// An echo that keeps nothing of what it sees, unlike TestServer, so that the memory of the process
// is that of the library.
class LeanEcho {
 public:
  explicit LeanEcho(const tcpkit_server_options& options, WhenFull when_full = WhenFull::kDrop)
      : when_full_(when_full) {
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.on_data = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void* self) {
      static_cast<LeanEcho*>(self)->sent(conn, tcpkit_conn_send(conn, data, size));
    };
    handlers.on_packet = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void* self) {
      static_cast<LeanEcho*>(self)->sent(conn, tcpkit_conn_send_packet(conn, data, size));
    };
    handlers.on_close = [](tcpkit_conn*, const tcpkit_close_info* info, void* self) {
      static_cast<LeanEcho*>(self)->closed(*info);
    };
    handlers.user_data = this;
    tcpkit_server* server = nullptr;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server));
    server_.reset(server);
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, "tcp://127.0.0.1:0", nullptr));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server));
  }
  LeanEcho(const LeanEcho&) = delete;
  LeanEcho& operator=(const LeanEcho&) = delete;
  ~LeanEcho() { server_.reset(); }

  std::string address() const { return listener_address(server_.get()); }
  tcpkit_metrics metrics() const { return metrics_of(server_.get()); }
  uint64_t refused_full() const { return refused_full_; }
  uint64_t failed_otherwise() const { return failed_otherwise_; }
  size_t closed_for(tcpkit_close_reason reason) const {
    return monitor_.look([&] {
      const auto found = closes_.find(reason);
      return found == closes_.end() ? 0 : found->second;
    });
  }

 private:
  void sent(tcpkit_conn* conn, tcpkit_status status) {
    if (status >= 0) return;
    ++(status == TCPKIT_E_QUEUE_FULL ? refused_full_ : failed_otherwise_);
    if (when_full_ == WhenFull::kAbort) (void)tcpkit_conn_abort(conn);
  }
  void closed(const tcpkit_close_info& info) {
    monitor_.change([&] { ++closes_[info.reason]; });
  }

  const WhenFull when_full_;
  std::atomic<uint64_t> refused_full_{0};
  std::atomic<uint64_t> failed_otherwise_{0};
  Monitor monitor_;
  std::map<tcpkit_close_reason, size_t> closes_;
  ServerOwner server_;
};

// Sends a message, reads it back and compares, again and again until it is left.
class Neighbour {
 public:
  Neighbour(const std::string& address, size_t number)
      : client_(address), name_("neighbour " + std::to_string(number)) {
    thread_ = std::thread([this] { exchange(); });
  }
  Neighbour(const Neighbour&) = delete;
  Neighbour& operator=(const Neighbour&) = delete;
  ~Neighbour() {
    if (thread_.joinable()) leave();
  }

  size_t rounds() const { return rounds_; }
  size_t bytes_sent() const { return bytes_sent_; }
  void leave() {
    left_ = true;
    thread_.join();
  }

 private:
  void exchange() {
    const std::string body = numbered_lines(16 * kKiB);
    while (!left_) {
      const std::string message = name_ + ", round " + std::to_string(rounds_) + "\n" + body;
      if (client_.try_send(message) != message.size() ||
          client_.receive(message.size()) != message) {
        ADD_FAILURE() << name_ << " lost bytes in round " << rounds_;
        return;
      }
      bytes_sent_ += message.size();
      ++rounds_;
    }
  }

  RawClient client_;
  const std::string name_;
  std::atomic<bool> left_{false};
  std::atomic<size_t> rounds_{0};
  std::atomic<size_t> bytes_sent_{0};
  std::thread thread_;
};

// All neighbours of one server, each in a thread.
class Neighbours {
 public:
  explicit Neighbours(const std::string& address) {
    for (size_t i = 0; i < kNeighbours; ++i) {
      all_.push_back(std::make_unique<Neighbour>(address, i));
    }
  }
  // False if one of them does not get ahead by so many rounds from now.
  bool wait_rounds(size_t more) const {
    std::vector<size_t> wanted;
    for (const auto& neighbour : all_) wanted.push_back(neighbour->rounds() + more);
    return eventually([&] {
      for (size_t i = 0; i < all_.size(); ++i) {
        if (all_[i]->rounds() < wanted[i]) return false;
      }
      return true;
    });
  }
  void leave() {
    for (const auto& neighbour : all_) neighbour->leave();
  }
  size_t bytes_sent() const {
    size_t sum = 0;
    for (const auto& neighbour : all_) sum += neighbour->bytes_sent();
    return sum;
  }

 private:
  std::vector<std::unique_ptr<Neighbour>> all_;
};

// Clients that push kBytesEach and read nothing. Their receive buffers are left to the kernel: one
// of a set size may have to drop what it has announced room for, and then TCP ignores the server's
// acknowledgements too, and the client stalls whether the server reads or not.
class Hostiles {
 public:
  Hostiles(const std::string& address, size_t count) : bytes_(numbered_lines(kMiB)) {
    for (size_t i = 0; i < count; ++i) {
      RawClient client(address);
      setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &kSmallBuffer, sizeof kSmallBuffer);
      pushers_.push_back({std::move(client)});
    }
  }

  // Pushes until done() holds and the server has taken nothing more for a while; false if that does
  // not happen in time.
  template <typename Done>
  bool push_until(Done done) {
    const auto deadline = Clock::now() + kDeadline;
    auto last_taken = Clock::now();
    while (Clock::now() < deadline) {
      if (push_once() > 0) last_taken = Clock::now();
      most_resident_ = std::max(most_resident_, resident_bytes());
      if (Clock::now() - last_taken > kStall && done()) return true;
    }
    return false;
  }

  size_t taken() const {
    size_t sum = 0;
    for (const Pusher& pusher : pushers_) sum += pusher.sent;
    return sum;
  }
  // Clients that have got rid of all that they had.
  size_t finished() const {
    return static_cast<size_t>(
        std::count_if(pushers_.begin(), pushers_.end(),
                      [](const Pusher& pusher) { return pusher.sent == kBytesEach; }));
  }
  size_t most_resident() const { return most_resident_; }

 private:
  struct Pusher {
    RawClient client;
    size_t sent = 0;
    bool ended = false;
  };

  size_t push_once() {
    std::vector<pollfd> entries;
    for (const Pusher& pusher : pushers_) {
      const bool wants = !pusher.ended && pusher.sent < kBytesEach;
      entries.push_back({wants ? pusher.client.fd() : -1, POLLOUT, 0});
    }
    size_t taken = 0;
    if (poll(entries.data(), entries.size(), 20) <= 0) return 0;
    for (size_t i = 0; i < entries.size(); ++i) {
      if (entries[i].revents != 0) taken += push(pushers_[i]);
    }
    return taken;
  }
  size_t push(Pusher& pusher) const {
    const size_t offset = pusher.sent % bytes_.size();
    const size_t size = std::min(bytes_.size() - offset, kBytesEach - pusher.sent);
    const ssize_t taken =
        ::send(pusher.client.fd(), bytes_.data() + offset, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) {
      pusher.sent += static_cast<size_t>(taken);
      return static_cast<size_t>(taken);
    }
    pusher.ended = errno != EAGAIN && errno != EINTR;
    return 0;
  }

  const std::string bytes_;
  std::vector<Pusher> pushers_;
  size_t most_resident_ = 0;
};

// ---- What is expected of all ----

// What the process may grow by when buffered_bytes is at most buffered: the blocks of the write
// queues are up to 256 KiB, and of each queue the first and the last may be partly in use; the free
// blocks that each loop keeps, 8 MiB; and 16 MiB for read buffers, stacks and the heap's own.
size_t most_growth(size_t buffered) {
  constexpr size_t kLoops = 2;
  return buffered + hostile_count() * 2 * 256 * kKiB + kLoops * 8 * kMiB + 16 * kMiB;
}

void print_measured(const char* what, size_t bytes) {
  ::testing::Test::RecordProperty(what, std::to_string(bytes));
  std::printf("%-24s %8.1f MiB\n", what, static_cast<double>(bytes) / kMiB);
}

// Memory of the server at its peak is within its bounds.
void expect_bounded(const LeanEcho& server, const Hostiles& hostiles, size_t resident_before,
                    size_t most_buffered) {
  const tcpkit_metrics metrics = server.metrics();
  const size_t grown =
      hostiles.most_resident() - std::min(resident_before, hostiles.most_resident());
  print_measured("pushed", hostiles.taken());
  print_measured("max_buffered_bytes", metrics.max_buffered_bytes);
  print_measured("max_buffered_bound", most_buffered);
  print_measured("resident_growth", grown);
  print_measured("resident_growth_bound", most_growth(most_buffered));
  EXPECT_LE(metrics.max_buffered_bytes, most_buffered);
  if (kAddressSanitizer || kThreadSanitizer) return;  // their own memory would be measured
  EXPECT_LE(grown, most_growth(most_buffered));
}

// What the server may keep for hostile ones while reading pauses above high: each was at high at
// most when it was read a last time. Of lines, what came behind the one that passed high waits
// in a block of about that size.
size_t most_paused() {
  return hostile_count() * (kHigh + kReadBuffer);
}

tcpkit_framing no_framing() {
  const tcpkit_framing none = TCPKIT_FRAMING_INIT;
  return none;
}

tcpkit_server_options of_two_loops(const tcpkit_framing& framing) {
  tcpkit_server_options options = with_loops(2);
  options.framing = framing;
  options.send_buffer_size = kSmallBuffer;
  return options;
}

// ---- Reading that pauses, as by default ----

void expect_paused_and_harmless(const tcpkit_framing& framing) {
  LeanEcho server(of_two_loops(framing));
  Neighbours neighbours(server.address());
  ASSERT_TRUE(neighbours.wait_rounds(2));
  Hostiles hostiles(server.address(), hostile_count());
  const size_t resident_before = resident_bytes();
  EXPECT_TRUE(
      hostiles.push_until([&] { return server.metrics().output_pauses >= hostile_count(); }));
  EXPECT_TRUE(neighbours.wait_rounds(20));
  expect_bounded(server, hostiles, resident_before, most_paused());
  EXPECT_GE(server.metrics().output_pauses, hostile_count());
  EXPECT_EQ(hostile_count() + kNeighbours, server.metrics().connections);
  EXPECT_EQ(0u, server.metrics().refused_sends);
  EXPECT_EQ(0u, server.failed_otherwise());
  neighbours.leave();
  const uint64_t read_of_hostiles = server.metrics().total_read - neighbours.bytes_sent();
  print_measured("read", read_of_hostiles);
  EXPECT_LE(read_of_hostiles, most_paused() + hostile_count() * kMostInKernel);
}

TEST(UnreadOutput, OfAHundredClientsIsBoundedAndTheOthersLoseNothing) {
  expect_paused_and_harmless(no_framing());
}

TEST(UnreadOutput, OfAHundredClientsThatSendLinesIsBoundedAndTheOthersLoseNothing) {
  expect_paused_and_harmless(tcpkit_framing_line());
}

TEST(UnreadOutput, EndsItsClientsAtTheWriteTimeoutAndIsGivenBackWhileTheOthersGoOn) {
  tcpkit_server_options options = of_two_loops(no_framing());
  options.write_timeout_ms = 500;
  LeanEcho server(options);
  Neighbours neighbours(server.address());
  Hostiles hostiles(server.address(), hostile_count());
  const size_t resident_before = resident_bytes();
  const auto all_timed_out = [&] {
    return server.closed_for(TCPKIT_CLOSE_WRITE_TIMEOUT) == hostile_count();
  };
  EXPECT_TRUE(hostiles.push_until(all_timed_out));
  EXPECT_TRUE(neighbours.wait_rounds(20));
  expect_bounded(server, hostiles, resident_before, most_paused());
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(hostile_count(), metrics.write_timeouts);
  EXPECT_GE(metrics.output_pauses, hostile_count());
  EXPECT_EQ(hostile_count(), metrics.closed);
  EXPECT_EQ(kNeighbours, metrics.connections);
  neighbours.leave();
  EXPECT_TRUE(eventually([&] { return server.metrics().buffered_bytes == 0; }));
}

// ---- Reading that goes on: the caps bound it ----

TEST(UnreadOutput, IsBoundedByTheCapOfEachConnectionWhereReadingGoesOn) {
  constexpr size_t kCap = 2 * kMiB;
  tcpkit_server_options options = of_two_loops(no_framing());
  options.pause_above_high = TCPKIT_OFF;
  options.max_queued_bytes = kCap;
  LeanEcho server(options, WhenFull::kAbort);
  Neighbours neighbours(server.address());
  ASSERT_TRUE(neighbours.wait_rounds(2));
  Hostiles hostiles(server.address(), hostile_count());
  const size_t resident_before = resident_bytes();
  const auto all_aborted = [&] {
    return server.closed_for(TCPKIT_CLOSE_ABORTED) == hostile_count();
  };
  EXPECT_TRUE(hostiles.push_until(all_aborted));
  EXPECT_TRUE(neighbours.wait_rounds(20));
  expect_bounded(server, hostiles, resident_before, hostile_count() * kCap);
  EXPECT_EQ(hostile_count(), server.refused_full());
  EXPECT_EQ(hostile_count(), server.metrics().refused_sends);
  EXPECT_EQ(kNeighbours, server.metrics().connections);
  EXPECT_EQ(0u, server.metrics().output_pauses);
  neighbours.leave();
}

void expect_bounded_by_budget(const tcpkit_framing& framing) {
  constexpr size_t kBudget = 16 * kMiB;
  tcpkit_server_options options = of_two_loops(framing);
  options.pause_above_high = TCPKIT_OFF;
  options.max_buffered_bytes = kBudget;
  LeanEcho server(options, WhenFull::kDrop);
  Neighbours neighbours(server.address());
  ASSERT_TRUE(neighbours.wait_rounds(2));
  Hostiles hostiles(server.address(), hostile_count());
  const size_t resident_before = resident_bytes();
  const auto all_done = [&] {
    return hostiles.finished() + server.closed_for(TCPKIT_CLOSE_LIMIT) >= hostile_count();
  };
  EXPECT_TRUE(hostiles.push_until(all_done));
  EXPECT_TRUE(neighbours.wait_rounds(20));
  expect_bounded(server, hostiles, resident_before, kBudget);
  EXPECT_LE(server.metrics().max_buffered_bytes, kBudget);
  EXPECT_GT(server.refused_full() + server.closed_for(TCPKIT_CLOSE_LIMIT), 0u);
  EXPECT_EQ(server.refused_full(), server.metrics().refused_sends);
  EXPECT_EQ(0u, server.failed_otherwise());
  EXPECT_GE(server.metrics().connections, kNeighbours);
  neighbours.leave();
}

TEST(UnreadOutput, IsBoundedByTheBudgetOfTheServerWhereItIsDropped) {
  expect_bounded_by_budget(no_framing());
}

TEST(UnreadOutput, OfLinesIsBoundedByTheBudgetOfTheServerWhereItIsDropped) {
  expect_bounded_by_budget(tcpkit_framing_line());
}

}  // namespace
