// Back-pressure, time and notifications in coroutines.
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "integration/cpp_coroutine_support.h"

namespace {

using namespace cpp_support;
using namespace std::chrono_literals;
using tcpkit::CoConn;
using tcpkit::Task;

constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kHigh = 256 << 10;

tcpkit::ServerOptions small_buffers() {
  tcpkit::ServerOptions options = byte_options();
  options.high_watermark = kHigh;
  options.max_queued_bytes = 4 * kHigh;
  options.send_buffer_size = kPiece;
  options.receive_buffer_size = kPiece;
  options.read_buffer_size = kPiece;
  return options;
}

TEST(CppCoroutineFlow, AWriterWaitsForAPeerThatDoesNotReadAndQueuesNoMoreThanTheHighMark) {
  constexpr std::size_t kTotal = 16 << 20;
  std::atomic<std::uint64_t> most_queued{0};
  std::atomic<std::size_t> written{0};
  const CoServer server(small_buffers(), [&](CoConn conn) -> Task<> {
    const std::string piece(kPiece, 'x');
    for (std::size_t sent = 0; sent < kTotal; sent += kPiece) {
      if (!(co_await conn.write(piece)).ok()) co_return;
      written = sent + kPiece;
      if (conn.queued_bytes() > most_queued) most_queued = conn.queued_bytes();
    }
  });
  const Client client(server.address());
  std::string got = client.receive(kPiece);
  EXPECT_LT(written, kTotal);  // the kernel holds some MiB at most
  got += client.receive(kTotal - kPiece);
  EXPECT_EQ(kTotal, got.size());
  EXPECT_LE(most_queued, kHigh + kPiece);
}

TEST(CppCoroutineFlow, AWriterThatWaitsIsAnsweredWhenTheConnectionEnds) {
  Mailbox<tcpkit_status> told;
  CoServer server(small_buffers(), [&](CoConn conn) -> Task<> {
    const std::string piece(kPiece, 'x');
    tcpkit::Status status;
    while (status.ok()) status = co_await conn.write(piece);
    told.put(status.code());
  });
  const Client client(server.address());
  ASSERT_EQ(kPiece, client.receive(kPiece).size());
  server.get().stop();
  EXPECT_EQ(TCPKIT_E_CLOSED, told.wait_for(1).at(0));
}

TEST(CppCoroutineFlow, SeveralWritersOfOneConnectionWaitTogether) {
  constexpr std::size_t kEach = 4 << 20;
  Mailbox<char> done;
  const CoServer server(small_buffers(), [&](CoConn conn) -> Task<> {
    for (const char letter : {'a', 'b', 'c'}) {
      conn.spawn([&, letter](CoConn same) -> Task<> {
        const std::string piece(kPiece, letter);
        for (std::size_t sent = 0; sent < kEach; sent += kPiece) co_await same.write(piece);
        done.put(letter);
      });
    }
    std::array<char, 1> buffer;
    (void)co_await conn.read(buffer);
  });
  const Client client(server.address());
  EXPECT_EQ(3 * kEach, client.receive(3 * kEach).size());
  EXPECT_EQ(3u, done.wait_for(3).size());
}

// What the peer can send is what the kernel's buffers and one read of ours hold.
TEST(CppCoroutineFlow, APeerIsHeldUpWhileTheCoroutineDoesNotRead) {
  constexpr std::size_t kTotal = 32 << 20;
  Mailbox<CoConn> opened;
  const CoServer server(small_buffers(), [&](CoConn conn) -> Task<> {
    opened.put(conn);
    if (!(co_await conn.notified()).ok()) co_return;
    std::string buffer(kPiece, '\0');
    std::size_t total = 0;
    while (auto got = co_await conn.read(buffer)) total += got->size();
    co_await conn.write(std::to_string(total));
  });
  const Client client(server.address());
  std::atomic<std::size_t> sent{0};
  std::thread sender([&] {
    const std::string piece(kPiece, 'x');
    while (sent < kTotal && client.send(piece)) sent += kPiece;
    client.end_stream();
  });
  const auto read_by_server = [&] { return server.get().metrics().total_read; };
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (read_by_server() == 0 && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::yield();
  }
  const std::uint64_t first = read_by_server();
  EXPECT_LE(first, 2 * kPiece);
  EXPECT_EQ(first, read_by_server());
  EXPECT_LT(sent, kTotal);
  opened.wait_for(1).at(0).notify();
  sender.join();
  EXPECT_EQ(std::to_string(kTotal), client.receive(std::to_string(kTotal).size()));
}

TEST(CppCoroutineFlow, ASlowReaderGetsAllPacketsInTheirOrder) {
  Mailbox<std::string> told;
  const CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    while (auto packet = co_await conn.read_packet()) {
      told.put(text_of(*packet));
      if (!(co_await conn.sleep_for(100us)).ok()) co_return;
    }
    told.put("end");
  });
  const Client client(server.address());
  std::string lines;
  for (int i = 0; i < 100; ++i) lines += std::to_string(i) + "\n";
  ASSERT_TRUE(client.send(lines));
  client.end_stream();
  const auto all = told.wait_for(101);
  ASSERT_EQ(101u, all.size());
  for (int i = 0; i < 100; ++i) EXPECT_EQ(std::to_string(i), all[static_cast<std::size_t>(i)]);
  EXPECT_EQ("end", all[100]);
}

// ---- Time ----

TEST(CppCoroutineFlow, SleepsNeverTooShort) {
  Mailbox<std::chrono::steady_clock::duration> told;
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    for (const auto time : {0us, 1us, 5'000us, 20'300us}) {
      const auto begin = std::chrono::steady_clock::now();
      if (!(co_await conn.sleep_for(time)).ok()) co_return;
      told.put(std::chrono::steady_clock::now() - begin - time);
    }
  });
  const Client client(server.address());
  const auto all = told.wait_for(4);
  ASSERT_EQ(4u, all.size());
  for (const auto over : all) EXPECT_GE(over, 0us);
}

TEST(CppCoroutineFlow, ATaskThatIsGivenUpGivesItsSleepUpToo) {
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    const auto sleeper = [](CoConn same) -> Task<> { (void)co_await same.sleep_for(5ms); };
    {
      Task<> task = sleeper(conn);
      auto awaiter = std::move(task).operator co_await();
      awaiter.await_suspend(std::noop_coroutine()).resume();  // it sleeps now, and is destroyed
    }
    if (!(co_await conn.sleep_for(10ms)).ok()) co_return;
    co_await conn.write("alive");
  });
  const Client client(server.address());
  EXPECT_EQ("alive", client.receive(5));
}

// ---- Notifications ----

// Filled by any thread, emptied by the coroutine of one connection.
class Inbox {
 public:
  explicit Inbox(CoConn owner) : owner_(std::move(owner)) {}
  void put(std::string text) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      texts_.push_back(std::move(text));
    }
    owner_.notify();
  }
  std::deque<std::string> take() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(texts_, {});
  }

 private:
  CoConn owner_;
  std::mutex mutex_;
  std::deque<std::string> texts_;
};

TEST(CppCoroutineFlow, ANotificationFromAnyThreadIsNeverLost) {
  constexpr int kThreads = 3;
  constexpr int kEach = 2000;
  Mailbox<std::shared_ptr<Inbox>> opened;
  const CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    const auto inbox = std::make_shared<Inbox>(conn);
    opened.put(inbox);
    while ((co_await conn.notified()).ok()) {
      for (const std::string& text : inbox->take()) co_await conn.write_packet(text);
    }
  });
  const Client client(server.address());
  const std::shared_ptr<Inbox> inbox = opened.wait_for(1).at(0);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < kEach; ++k) inbox->put("x");
    });
  }
  EXPECT_EQ(std::size_t{2 * kThreads * kEach}, client.receive(2 * kThreads * kEach).size());
  for (std::thread& thread : threads) thread.join();
}

TEST(CppCoroutineFlow, ANotificationBeforeTheWaitIsThereAndSeveralAreOne) {
  Mailbox<std::string> told;
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    conn.notify();
    conn.notify();
    if ((co_await conn.notified()).ok()) told.put("first");
    conn.spawn([&](CoConn same) -> Task<> {
      told.put((co_await same.notified()).ok() ? "second" : "cancelled");
    });
    if (!(co_await conn.sleep_for(10ms)).ok()) co_return;
    told.put("nothing more");
    conn.notify();
    if (!(co_await conn.sleep_for(1h)).ok()) co_return;
  });
  const Client client(server.address());
  EXPECT_EQ((std::vector<std::string>{"first", "nothing more", "second"}), told.wait_for(3));
}

TEST(CppCoroutineFlow, AHelperKeepsTheCallableThatItIsMadeOf) {
  int alive = 0;
  Mailbox<int> told;
  {
    const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
      conn.spawn([&, probe = Probe(alive)](CoConn same) -> Task<> {
        (void)co_await same.sleep_for(5ms);
        const Probe another(probe);
        told.put(alive);
      });
      std::array<char, 1> buffer;
      (void)co_await conn.read(buffer);
    });
    const Client client(server.address());
    EXPECT_GE(told.wait_for(1).at(0), 2);
  }
  EXPECT_EQ(0, alive);
}

}  // namespace
