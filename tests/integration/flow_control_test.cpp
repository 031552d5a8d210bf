// Flow control: watermarks, on_writable, the limits of queues, and reading that waits for output.
#include <atomic>
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

using std::chrono::milliseconds;

constexpr size_t kHigh = 64u << 10;
constexpr size_t kLow = 16u << 10;
constexpr size_t kMaxQueued = 1u << 20;
constexpr size_t kMuch = 4u << 20;  // far more than small kernel buffers hold

tcpkit_server_options with_watermarks() {
  tcpkit_server_options options = with_small_buffers();
  options.high_watermark = kHigh;
  options.low_watermark = kLow;
  return options;
}

tcpkit_status send_all(tcpkit_conn* conn, std::string_view bytes) {
  return tcpkit_conn_send(conn, bytes.data(), bytes.size());
}

// Waits until the kernel takes nothing more of what is queued; returns how much that is.
uint64_t stalled_queue(const TestServer& server, tcpkit_conn* conn) {
  uint64_t queued = 0;
  auto since = std::chrono::steady_clock::now();
  EXPECT_TRUE(server.wait_until([&] {
    const auto now = std::chrono::steady_clock::now();
    const uint64_t queued_now = tcpkit_conn_queued_bytes(conn);
    if (queued_now != queued) since = now;
    queued = queued_now;
    return now - since > milliseconds(100);
  }));
  return queued;
}

// True once the loop has served another connection, after which it would have served the others.
bool served_another(TestServer& server) {
  RawClient other;
  const KeptConn conn = server.accepted(other);
  other.send("other");
  return server.wait_until([&] { return tcpkit_conn_total_read(conn.get()) == 5; }) &&
         server.settle();
}

// From where a test sends.
enum class Place { kOnOpen, kOnData, kTask, kOtherThread };

void do_from(Place place, tcpkit_conn* conn, const std::function<void(tcpkit_conn*)>& action) {
  if (place == Place::kOtherThread) {
    action(conn);
  } else {
    ASSERT_TRUE(run_on_loop(conn, action));
  }
}

// ---- Watermarks ----

struct Watched {
  std::string bytes = numbers(kMuch);
  std::atomic<tcpkit_status> status{TCPKIT_E_INTERNAL};
  std::atomic<uint64_t> queued_when_writable{0};
  Event sent;
  Event writable;

  void send(tcpkit_conn* conn) {
    status = send_all(conn, bytes);
    sent.set();
  }
  Behaviour behaviour(Place place) {
    Behaviour result;
    if (place == Place::kOnOpen) result.on_open = [this](tcpkit_conn* conn) { send(conn); };
    if (place == Place::kOnData) {
      result.on_data = [this](tcpkit_conn* conn, std::string_view) { send(conn); };
    }
    result.on_writable = [this](tcpkit_conn* conn) {
      queued_when_writable = tcpkit_conn_queued_bytes(conn);
      writable.set();
    };
    return result;
  }
};

void expect_one_on_writable(Place place) {
  Watched watched;
  TestServer server(with_watermarks(), watched.behaviour(place));
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  if (place == Place::kOnData) client.send("go");
  if (place == Place::kTask || place == Place::kOtherThread) {
    do_from(place, conn.get(), [&](tcpkit_conn* self) { watched.send(self); });
  }
  ASSERT_TRUE(watched.sent.wait());
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, watched.status);
  EXPECT_GT(stalled_queue(server, conn.get()), kHigh);
  EXPECT_EQ(0, watched.writable.count());
  EXPECT_TRUE(client.receive(kMuch) == watched.bytes);
  ASSERT_TRUE(watched.writable.wait());
  EXPECT_LE(watched.queued_when_writable, kLow);
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(1, watched.writable.count());
}

TEST(Watermarks, ASendAboveHighInOnOpenSaysSoAndOnWritableComesOnceThePeerHasRead) {
  expect_one_on_writable(Place::kOnOpen);
}

TEST(Watermarks, ASendAboveHighInOnDataSaysSoAndOnWritableComesOnceThePeerHasRead) {
  expect_one_on_writable(Place::kOnData);
}

TEST(Watermarks, ASendAboveHighInATaskSaysSoAndOnWritableComesOnceThePeerHasRead) {
  expect_one_on_writable(Place::kTask);
}

TEST(Watermarks, ASendAboveHighOfAnotherThreadSaysSoAndOnWritableComesOnceThePeerHasRead) {
  expect_one_on_writable(Place::kOtherThread);
}

TEST(Watermarks, SendsBelowHighAnswerOkAndOnWritableNeverComes) {
  Event writable;
  TestServer server(with_watermarks(), {.on_writable = [&](tcpkit_conn*) { writable.set(); }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(TCPKIT_OK, send_all(conn.get(), "small"));
    EXPECT_EQ("small", client.receive(5));
  }
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0, writable.count());
}

TEST(Watermarks, OnWritableComesAgainAfterEachTimeAboveHigh) {
  Event writable;
  TestServer server(with_watermarks(), {.on_writable = [&](tcpkit_conn*) { writable.set(); }});
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  const std::string bytes = numbers(kMuch);
  for (int round = 1; round <= 3; ++round) {
    EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(conn.get(), bytes));
    EXPECT_TRUE(client.receive(kMuch) == bytes);
    ASSERT_TRUE(writable.wait(round));
    ASSERT_TRUE(server.settle());
    EXPECT_EQ(round, writable.count());
  }
}

// Sends chunks until told to stop, and goes on when the connection is writable.
struct Producer {
  static constexpr size_t kChunk = 10'000;
  std::string bytes = numbers(size_t{16} << 20);
  size_t sent = 0;
  std::atomic<uint64_t> most_queued{0};

  void produce(tcpkit_conn* conn) {
    while (sent < bytes.size()) {
      const std::string_view chunk = std::string_view(bytes).substr(sent, kChunk);
      const tcpkit_status status = send_all(conn, chunk);
      ASSERT_GE(status, TCPKIT_OK);
      sent += chunk.size();
      most_queued = std::max(most_queued.load(), tcpkit_conn_queued_bytes(conn));
      if (status == TCPKIT_OK_ABOVE_HIGH) return;
    }
    tcpkit_conn_shutdown(conn);
  }
};

TEST(Watermarks, AProducerThatWaitsForOnWritableDeliversAllWithAShortQueue) {
  Producer producer;
  const auto produce = [&](tcpkit_conn* conn) { producer.produce(conn); };
  TestServer server(with_watermarks(), {.on_open = produce, .on_writable = produce});
  RawClient client = server.connect(kSmallBuffer);
  EXPECT_TRUE(client.receive_all() == producer.bytes);
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_LE(producer.most_queued, kHigh + Producer::kChunk);
}

TEST(Watermarks, ALowWatermarkAboveTheHighOneIsRefused) {
  tcpkit_server_options options = with_loops(1);
  options.high_watermark = 1000;
  options.low_watermark = 1001;
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options, nullptr, &server));
  EXPECT_NE(std::string::npos, TestServer::last_error().find("low_watermark"));
  tcpkit_server_free(server);
}

// ---- The limit of one queue ----

void expect_queue_full(TestServer& server, tcpkit_conn* conn, std::string_view bytes,
                       const char* limit) {
  const uint64_t queued = tcpkit_conn_queued_bytes(conn);
  const uint64_t refused = server.metrics().refused_sends;
  EXPECT_EQ(TCPKIT_E_QUEUE_FULL, send_all(conn, bytes));
  EXPECT_EQ(TCPKIT_E_QUEUE_FULL, tcpkit_last_error_status());
  EXPECT_NE(std::string::npos, TestServer::last_error().find(limit)) << TestServer::last_error();
  EXPECT_EQ(queued, tcpkit_conn_queued_bytes(conn));
  EXPECT_EQ(refused + 1, server.metrics().refused_sends);
}

void expect_refused_beyond_max(Place place) {
  tcpkit_server_options options = with_watermarks();
  options.max_queued_bytes = kMaxQueued;
  TestServer server(options);
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  const std::string first = numbers(kMaxQueued);
  do_from(place, conn.get(),
          [&](tcpkit_conn* self) { EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(self, first)); });
  const uint64_t queued = stalled_queue(server, conn.get());
  ASSERT_LT(queued, kMaxQueued);
  const std::string refused(kMaxQueued - queued + 1000, 'r');
  const std::string second(kMaxQueued - queued, 's');
  do_from(place, conn.get(), [&](tcpkit_conn* self) {
    expect_queue_full(server, self, refused, "max_queued_bytes");
    EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(self, second));
    expect_queue_full(server, self, std::string(1000, 'r'), "max_queued_bytes");
  });
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_shutdown(conn.get()));
  EXPECT_TRUE(client.receive_all() == first + second);
  EXPECT_EQ(StreamEnd::kFin, client.end());
  EXPECT_EQ(2u, server.metrics().refused_sends);
}

TEST(QueueLimit, ASendOfTheLoopBeyondItQueuesNothingAndSmallerOnesStillWork) {
  expect_refused_beyond_max(Place::kTask);
}

TEST(QueueLimit, ASendOfAnotherThreadBeyondItQueuesNothingAndSmallerOnesStillWork) {
  expect_refused_beyond_max(Place::kOtherThread);
}

TEST(QueueLimit, HoldsForEveryKindOfSend) {
  tcpkit_server_options options = with_watermarks();
  options.framing = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  options.max_packet_size = kMuch;
  options.max_queued_bytes = kMaxQueued;
  TestServer server(options);
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(conn.get(), std::string(kMaxQueued, 'f')));
  const uint64_t queued = stalled_queue(server, conn.get());
  const std::string bytes(kMaxQueued, 'r');
  const tcpkit_slice slices[] = {{bytes.data(), 1}, {bytes.data(), bytes.size() - 1}};
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_buffer_create(bytes.data(), bytes.size(), &buffer));
  for (const Place place : {Place::kTask, Place::kOtherThread}) {
    do_from(place, conn.get(), [&](tcpkit_conn* self) {
      EXPECT_EQ(TCPKIT_E_QUEUE_FULL, send_all(self, bytes));
      EXPECT_EQ(TCPKIT_E_QUEUE_FULL, tcpkit_conn_send_slices(self, slices, 2));
      EXPECT_EQ(TCPKIT_E_QUEUE_FULL, tcpkit_conn_send_buffer(self, buffer));
      EXPECT_EQ(TCPKIT_E_QUEUE_FULL, tcpkit_conn_send_packet(self, bytes.data(), bytes.size()));
    });
  }
  tcpkit_buffer_release(buffer);
  EXPECT_EQ(queued, tcpkit_conn_queued_bytes(conn.get()));
  EXPECT_EQ(8u, server.metrics().refused_sends);
  EXPECT_EQ(0u, server.metrics().packets_written);
}

TEST(QueueLimit, ManyThreadsDoNotPassIt) {
  tcpkit_server_options options = with_watermarks();
  options.max_queued_bytes = kMaxQueued;
  TestServer server(options);
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  std::atomic<uint64_t> accepted{0};
  std::atomic<uint64_t> refused{0};
  std::atomic<uint64_t> most_queued{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      const std::string bytes(10'000, 't');
      for (int i = 0; i < 200; ++i) {
        ++(send_all(conn.get(), bytes) >= 0 ? accepted : refused);
        const uint64_t queued = tcpkit_conn_queued_bytes(conn.get());
        uint64_t most = most_queued;
        while (most < queued && !most_queued.compare_exchange_weak(most, queued)) {
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(refused, 0u);
  EXPECT_LE(most_queued, kMaxQueued);
  EXPECT_EQ(refused, server.metrics().refused_sends);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_shutdown(conn.get()));
  EXPECT_EQ(accepted * 10'000, client.receive_all().size());
}

// ---- Reading waits for output ----

// Sends until the server takes no more for a while; returns how much it took.
size_t send_until_stalled(const RawClient& client, std::string_view bytes) {
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t taken =
        ::send(client.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      continue;
    }
    pollfd entry{client.fd(), POLLOUT, 0};
    if (poll(&entry, 1, 300) <= 0) break;
  }
  return sent;
}

RawClient small_client(const TestServer& server) {
  RawClient client = server.connect(kSmallBuffer);
  setsockopt(client.fd(), SOL_SOCKET, SO_SNDBUF, &kSmallBuffer, sizeof kSmallBuffer);
  return client;
}

void expect_bounded_echo(const tcpkit_framing& framing) {
  tcpkit_server_options options = with_watermarks();
  options.framing = framing;
  TestServer server(options, echo());
  RawClient client = small_client(server);
  const std::string bytes = numbers(size_t{64} << 20);
  const size_t sent = send_until_stalled(client, bytes);
  EXPECT_LT(sent, size_t{8} << 20);
  EXPECT_LT(server.metrics().total_read, size_t{8} << 20);
  EXPECT_GE(server.metrics().output_pauses, 1u);
  client.half_close();
  const bool is_framed = framing.kind != TCPKIT_FRAMING_NONE;
  const size_t whole = is_framed ? bytes.rfind('\n', sent - 1) + 1 : sent;
  EXPECT_TRUE(client.receive_all() == std::string_view(bytes).substr(0, whole));
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, info.reason);
  EXPECT_EQ(sent - whole, info.partial_bytes);
  EXPECT_EQ(0u, server.metrics().refused_sends);
}

TEST(OutputPause, AnEchoReadsNoMoreThanItsPeerTakesAndLosesNothing) {
  const tcpkit_framing none = TCPKIT_FRAMING_INIT;
  expect_bounded_echo(none);
}

TEST(OutputPause, AnEchoOfPacketsReadsNoMoreThanItsPeerTakesAndLosesNothing) {
  expect_bounded_echo(tcpkit_framing_line());
}

TEST(OutputPause, ComesAndGoesUntilAllOfALongStreamIsEchoed) {
  tcpkit_server_options options = with_watermarks();
  options.framing = tcpkit_framing_line();
  TestServer server(options, echo());
  RawClient client = small_client(server);
  std::string bytes = numbers(size_t{8} << 20);
  bytes.back() = '\n';
  std::thread sender([&] {
    client.send(bytes);
    client.half_close();
  });
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().output_pauses >= 1; }));
  EXPECT_TRUE(client.receive_all() == bytes);
  sender.join();
}

TEST(OutputPause, IsLeftOutOnRequest) {
  tcpkit_server_options options = with_watermarks();
  options.pause_above_high = TCPKIT_OFF;
  TestServer server(options, echo());
  RawClient client = small_client(server);
  const std::string bytes = numbers(kMuch);
  client.send(bytes);
  EXPECT_TRUE(server.wait_data(kMuch));
  EXPECT_EQ(0u, server.metrics().output_pauses);
  EXPECT_TRUE(client.receive(kMuch) == bytes);
}

TEST(OutputPause, ItsEndDoesNotUndoAPauseOfTheUser) {
  Event writable;
  TestServer server(with_watermarks(), {.on_writable = [&](tcpkit_conn*) { writable.set(); }});
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn.get()));
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(conn.get(), numbers(kMuch)));
  EXPECT_EQ(kMuch, client.receive(kMuch).size());
  ASSERT_TRUE(writable.wait());
  client.send("x");
  ASSERT_TRUE(served_another(server));
  EXPECT_EQ(0u, tcpkit_conn_total_read(conn.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  EXPECT_TRUE(server.wait_until([&] { return tcpkit_conn_total_read(conn.get()) == 1; }));
}

TEST(OutputPause, IsNotUndoneByAResumeOfTheUser) {
  TestServer server(with_watermarks());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(conn.get(), numbers(kMuch)));
  EXPECT_GT(stalled_queue(server, conn.get()), kHigh);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn.get()));
  client.send("x");
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  ASSERT_TRUE(served_another(server));
  EXPECT_EQ(0u, tcpkit_conn_total_read(conn.get()));
  EXPECT_EQ(kMuch, client.receive(kMuch).size());
  EXPECT_TRUE(server.wait_until([&] { return tcpkit_conn_total_read(conn.get()) == 1; }));
}

TEST(OutputPause, APeerThatNeverReadsIsStillEndedByTheCloseTimeout) {
  tcpkit_server_options options = with_watermarks();
  options.close_timeout_ms = 50;
  TestServer server(options);
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(conn.get(), numbers(kMuch)));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn.get()));
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_TIMEOUT, info.reason);
  EXPECT_GT(info.unsent_bytes, 0u);
  EXPECT_EQ(kMuch, info.unsent_bytes + tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
}

// ---- The budget of the server ----

constexpr size_t kBudget = 4u << 20;
constexpr size_t kMostOfIt = 3u << 20;

TEST(Budget, SendsBeyondItAreRefusedWhileOthersGoOnAndItComesBack) {
  tcpkit_server_options options = with_watermarks();
  options.max_buffered_bytes = kBudget;
  TestServer server(options);
  RawClient stalled;
  RawClient lively;
  const KeptConn first = server.accepted(stalled, kSmallBuffer);
  const KeptConn second = server.accepted(lively, kSmallBuffer);
  const std::string bytes = numbers(kMostOfIt);
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(first.get(), bytes));
  const uint64_t queued = stalled_queue(server, first.get());
  EXPECT_EQ(queued, server.metrics().buffered_bytes);
  expect_queue_full(server, second.get(), bytes, "max_buffered_bytes");
  ASSERT_TRUE(run_on_loop(second.get(), [&](tcpkit_conn* conn) {
    expect_queue_full(server, conn, bytes, "max_buffered_bytes");
  }));
  EXPECT_EQ(TCPKIT_OK, send_all(second.get(), "small"));
  EXPECT_EQ("small", lively.receive(5));
  lively.send("up");
  EXPECT_TRUE(server.wait_until([&] { return tcpkit_conn_total_read(second.get()) == 2; }));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_abort(first.get()));
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes == 0; }));
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, send_all(second.get(), bytes));
  EXPECT_TRUE(lively.receive(kMostOfIt) == bytes);
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_GE(metrics.max_buffered_bytes, queued);
  EXPECT_LE(metrics.max_buffered_bytes, kBudget);
  server.stop();
  EXPECT_EQ(0u, server.metrics().buffered_bytes);
}

TEST(Budget, AConnectionWhosePacketWouldPassItIsClosedWithLimit) {
  tcpkit_server_options options = framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN));
  options.max_packet_size = 8u << 20;
  options.max_buffered_bytes = 1u << 20;
  TestServer server(options);
  RawClient greedy = server.connect();
  RawClient modest = server.connect();
  greedy.send(std::string("\0\x40\0\0", 4));
  (void)greedy.try_send(std::string(2u << 20, 'g'));
  EXPECT_NE(StreamEnd::kDeadline, greedy.wait_for_end());
  greedy.close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_LIMIT, info.reason);
  EXPECT_EQ(TCPKIT_E_LIMIT, info.status);
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes == 0; }));
  modest.send(std::string("\0\x08\0\0", 4) + std::string(512u << 10, 'm'));
  ASSERT_TRUE(server.wait_packets(1));
  EXPECT_EQ(512u << 10, server.packets()[0].bytes.size());
}

TEST(Budget, BeginningsOfPacketsCountUntilTheirConnectionsEnd) {
  tcpkit_server_options options = framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN));
  TestServer server(options);
  RawClient client = server.connect();
  client.send(std::string("\0\x08\0\0", 4) + std::string(100'000, 'b'));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes >= 100'000; }));
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes == 0; }));
}

}  // namespace
