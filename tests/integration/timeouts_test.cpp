// Idle, read and write timeouts: never early, with their reason, and per connection.
#include <atomic>

#include "server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kMuch = 4u << 20;  // far more than small kernel buffers hold
constexpr milliseconds kShort{60};
constexpr milliseconds kSeveralTimesShort{200};

uint64_t count_of(milliseconds time) {
  return static_cast<uint64_t>(time.count());
}

tcpkit_server_options with_idle(milliseconds time) {
  tcpkit_server_options options = with_small_buffers();
  options.idle_timeout_ms = count_of(time);
  return options;
}

tcpkit_server_options with_read(milliseconds time) {
  tcpkit_server_options options = with_small_buffers();
  options.read_timeout_ms = count_of(time);
  return options;
}

tcpkit_server_options with_write(milliseconds time) {
  tcpkit_server_options options = with_small_buffers();
  options.write_timeout_ms = count_of(time);
  return options;
}

Behaviour sending_much_at_open() {
  return {.on_open = [](tcpkit_conn* conn) { send_text(conn, numbers(kMuch)); }};
}

// Sets a timeout as soon as the connection is open.
Behaviour setting_at_open(tcpkit_timeout timeout, uint64_t timeout_ms) {
  return {.on_open = [=](tcpkit_conn* conn) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_timeout(conn, timeout, timeout_ms));
  }};
}

void expect_timed_out(const TestServer& server, tcpkit_close_reason reason) {
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(reason, info.reason);
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, info.status);
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(reason == TCPKIT_CLOSE_IDLE_TIMEOUT ? 1u : 0u, metrics.idle_timeouts);
  EXPECT_EQ(reason == TCPKIT_CLOSE_READ_TIMEOUT ? 1u : 0u, metrics.read_timeouts);
  EXPECT_EQ(reason == TCPKIT_CLOSE_WRITE_TIMEOUT ? 1u : 0u, metrics.write_timeouts);
}

// Waits for the end of the stream, which may come a time after start, not earlier.
void expect_end_not_before(const RawClient& client, Clock::time_point start, milliseconds time) {
  EXPECT_TRUE(ended_within(client, kDeadline));
  EXPECT_GE(Clock::now() - start, time);
}

// Does step now and then for several timeouts. An end meanwhile is only right if this thread was
// held up for longer than the timeout after a step.
void expect_kept_by(const RawClient& client, milliseconds timeout,
                    const std::function<void()>& step) {
  const auto until = Clock::now() + 3 * timeout;
  while (Clock::now() < until) {
    const auto before = Clock::now();
    step();
    if (!ended_within(client, milliseconds(20))) continue;
    EXPECT_GE(Clock::now() - before, timeout);
    return;
  }
}

// Does step now and then until the stream ends.
void repeat_until_end(const RawClient& client, const std::function<void()>& step) {
  const auto until = Clock::now() + kDeadline;
  do {
    step();
  } while (!ended_within(client, milliseconds(10)) && Clock::now() < until);
  EXPECT_LT(Clock::now(), until);
}

// ---- Idle ----

TEST(IdleTimeout, EndsAConnectionThatNeverSpeaks) {
  TestServer server(with_idle(kShort));
  const auto start = Clock::now();
  const RawClient client = server.connect();
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_IDLE_TIMEOUT);
  EXPECT_EQ(0u, server.close_info().unsent_bytes);
}

TEST(IdleTimeout, CountsFromTheLastByte) {
  TestServer server(with_idle(kShort), echo());
  RawClient client = server.connect();
  for (int i = 0; i < 3; ++i) {
    client.send("x");
    EXPECT_EQ("x", client.receive(1));
  }
  const auto start = Clock::now();
  client.send("y");
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_IDLE_TIMEOUT);
  EXPECT_EQ("xxxy", server.data_of(server.opened_id(0)));
}

TEST(IdleTimeout, AByteFromThePeerRestartsIt) {
  TestServer server(with_idle(kSeveralTimesShort));
  RawClient client = server.connect();
  expect_kept_by(client, kSeveralTimesShort, [&] { (void)client.try_send("x"); });
}

TEST(IdleTimeout, AByteToThePeerRestartsIt) {
  TestServer server(with_idle(kSeveralTimesShort));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  expect_kept_by(client, kSeveralTimesShort, [&] { send_text(conn.get(), "x"); });
}

TEST(IdleTimeout, ResetsAPeerThatLeftOutputWaiting) {
  tcpkit_server_options options = with_idle(kShort);
  options.write_timeout_ms = TCPKIT_UNLIMITED;
  TestServer server(options, sending_much_at_open());
  const auto start = Clock::now();
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_IDLE_TIMEOUT);
  const tcpkit_close_info info = server.close_info();
  EXPECT_GT(info.unsent_bytes, 0u);
  EXPECT_EQ(kMuch, info.unsent_bytes + tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
}

TEST(IdleTimeout, EndsEachOfTwoHundredConnections) {
  constexpr size_t kConnections = 200;
  tcpkit_server_options options = with_idle(kShort);
  options.loops = 2;
  TestServer server(options);
  std::vector<RawClient> clients;
  for (size_t i = 0; i < kConnections; ++i) clients.push_back(server.connect());
  const auto start = Clock::now();
  clients.back().send("x");
  ASSERT_TRUE(server.wait_closes(kConnections));
  EXPECT_GE(Clock::now() - start, kShort);
  for (const CloseRecord& record : server.closes()) {
    EXPECT_EQ(TCPKIT_CLOSE_IDLE_TIMEOUT, record.info.reason);
  }
  EXPECT_EQ(kConnections, server.metrics().idle_timeouts);
}

TEST(IdleTimeout, IsOffByDefault) {
  TestServer server;
  const RawClient client = server.connect();
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
}

// ---- Read ----

TEST(ReadTimeout, ComesAlthoughWeSend) {
  TestServer server(with_read(kShort));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const auto start = Clock::now();
  client.send("x");
  ASSERT_TRUE(server.wait_data(1));
  repeat_until_end(client, [&] { send_text(conn.get(), "y"); });
  EXPECT_GE(Clock::now() - start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_READ_TIMEOUT);
}

TEST(ReadTimeout, AByteFromThePeerRestartsIt) {
  TestServer server(with_read(kSeveralTimesShort));
  RawClient client = server.connect();
  expect_kept_by(client, kSeveralTimesShort, [&] { (void)client.try_send("x"); });
}

TEST(ReadTimeout, RestsWhileReadingIsPausedAndStartsAnewAtResume) {
  TestServer server(with_read(kShort), {.on_open = [](tcpkit_conn* conn) {
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn));
                    }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  const auto start = Clock::now();
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_READ_TIMEOUT);
}

TEST(ReadTimeout, RestsWhileReadingWaitsForOutput) {
  TestServer server(with_read(kShort), sending_much_at_open());
  RawClient client = server.connect(kSmallBuffer);
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  const auto start = Clock::now();
  (void)client.receive(kMuch);
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_READ_TIMEOUT);
}

// ---- Write ----

TEST(WriteTimeout, ResetsAPeerThatTakesNothing) {
  TestServer server(with_write(kShort), sending_much_at_open());
  const auto start = Clock::now();
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_WRITE_TIMEOUT);
  const tcpkit_close_info info = server.close_info();
  EXPECT_GT(info.unsent_bytes, 0u);
  EXPECT_EQ(kMuch, info.unsent_bytes + tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
}

TEST(WriteTimeout, ComesAlthoughThePeerSends) {
  tcpkit_server_options options = with_write(kShort);
  options.pause_above_high = TCPKIT_OFF;
  TestServer server(options, sending_much_at_open());
  RawClient client = server.connect(kSmallBuffer);
  repeat_until_end(client, [&] { (void)client.try_send("x"); });
  expect_timed_out(server, TCPKIT_CLOSE_WRITE_TIMEOUT);
}

TEST(WriteTimeout, APeerThatReadsABitNowAndThenRestartsIt) {
  constexpr size_t kBit = 512u << 10;  // more than the kernel holds, so that it takes some more
  TestServer server(with_write(kSeveralTimesShort), {.on_open = [](tcpkit_conn* conn) {
                      send_text(conn, numbers(size_t{48} << 20));
                    }});
  RawClient client = server.connect(kSmallBuffer);
  expect_kept_by(client, kSeveralTimesShort, [&] { (void)client.receive(kBit); });
}

TEST(WriteTimeout, RestsWhileNoOutputWaits) {
  TestServer server(with_write(kShort), echo());
  RawClient client = server.connect();
  client.send("x");
  EXPECT_EQ("x", client.receive(1));
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  client.send("y");
  EXPECT_EQ("y", client.receive(1));
}

TEST(WriteTimeout, CountsFromTheTimeThatOutputBeganToWait) {
  TestServer server(with_write(kShort));
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  const auto start = Clock::now();
  send_text(conn.get(), numbers(kMuch));
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_WRITE_TIMEOUT);
}

// ---- Per connection ----

TEST(SetTimeout, OfOneConnectionLeavesTheOthersAlone) {
  TestServer server;
  RawClient first;
  RawClient second;
  const KeptConn conn = server.accepted(first);
  const KeptConn other = server.accepted(second);
  const auto start = Clock::now();
  ASSERT_TRUE(run_on_loop(conn.get(), [](tcpkit_conn* self) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_timeout(self, TCPKIT_TIMEOUT_IDLE, count_of(kShort)));
  }));
  expect_end_not_before(first, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_IDLE_TIMEOUT);
  EXPECT_FALSE(ended_within(second, kSeveralTimesShort));
}

TEST(SetTimeout, ToAShorterTimeTakesEffectFromNow) {
  TestServer server(with_idle(milliseconds(60'000)),
                    setting_at_open(TCPKIT_TIMEOUT_IDLE, count_of(kShort)));
  const auto start = Clock::now();
  const RawClient client = server.connect();
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_IDLE_TIMEOUT);
}

TEST(SetTimeout, ToALongerTimeTakesEffectFromNow) {
  TestServer server(with_idle(kShort),
                    setting_at_open(TCPKIT_TIMEOUT_IDLE, count_of(kSeveralTimesShort)));
  const auto start = Clock::now();
  const RawClient client = server.connect();
  expect_end_not_before(client, start, kSeveralTimesShort);
  expect_timed_out(server, TCPKIT_CLOSE_IDLE_TIMEOUT);
}

TEST(SetTimeout, ToUnlimitedTurnsItOff) {
  TestServer server(with_idle(kShort), setting_at_open(TCPKIT_TIMEOUT_IDLE, TCPKIT_UNLIMITED));
  const RawClient client = server.connect();
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  EXPECT_EQ(0u, server.metrics().idle_timeouts);
}

TEST(SetTimeout, CountsFromTheCallAlsoWhenTheConnectionWasIdleForLonger) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  Clock::time_point start;
  ASSERT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    start = Clock::now();
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_timeout(self, TCPKIT_TIMEOUT_IDLE, count_of(kShort)));
  }));
  expect_end_not_before(client, start, kShort);
}

TEST(SetTimeout, WorksForTheReadTimeout) {
  TestServer server(with_loops(1), setting_at_open(TCPKIT_TIMEOUT_READ, count_of(kShort)));
  const auto start = Clock::now();
  const RawClient client = server.connect();
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_READ_TIMEOUT);
}

TEST(SetTimeout, WorksForTheWriteTimeoutAlsoWhileOutputWaits) {
  TestServer server(
      with_small_buffers(), {.on_open = [](tcpkit_conn* conn) {
        send_text(conn, numbers(kMuch));
        EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_timeout(conn, TCPKIT_TIMEOUT_WRITE, count_of(kShort)));
      }});
  const auto start = Clock::now();
  const RawClient client = server.connect(kSmallBuffer);
  expect_end_not_before(client, start, kShort);
  expect_timed_out(server, TCPKIT_CLOSE_WRITE_TIMEOUT);
}

TEST(SetTimeout, IsForTheLoopOnly) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, tcpkit_conn_set_timeout(conn.get(), TCPKIT_TIMEOUT_IDLE, 1000));
  EXPECT_FALSE(ended_within(client, milliseconds(0)));
}

void expect_refused(tcpkit_conn* conn, tcpkit_timeout timeout, uint64_t timeout_ms,
                    const char* name) {
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_set_timeout(conn, timeout, timeout_ms));
  EXPECT_NE(std::string::npos, TestServer::last_error().find(name)) << TestServer::last_error();
}

TEST(SetTimeout, RefusesKindsAndTimesThatThereAreNot) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  ASSERT_TRUE(run_on_loop(conn.get(), [](tcpkit_conn* self) {
    expect_refused(self, 0, 1000, "timeout");
    expect_refused(self, 4, 1000, "timeout");
    expect_refused(self, -1, 1000, "timeout");
    expect_refused(self, TCPKIT_TIMEOUT_IDLE, 0, "timeout_ms");
    expect_refused(self, TCPKIT_TIMEOUT_READ, uint64_t{1} << 31, "timeout_ms");
    expect_refused(self, TCPKIT_TIMEOUT_WRITE, TCPKIT_UNLIMITED - 1, "timeout_ms");
    expect_refused(nullptr, TCPKIT_TIMEOUT_IDLE, 1000, "conn");
    const uint64_t most = (uint64_t{1} << 31) - 1;
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_timeout(self, TCPKIT_TIMEOUT_IDLE, most));
  }));
}

TEST(SetTimeout, OfAClosedConnectionIsRefused) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  ASSERT_TRUE(run_on_loop(conn.get(), [](tcpkit_conn* self) {
    tcpkit_conn_abort(self);
    EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_set_timeout(self, TCPKIT_TIMEOUT_IDLE, 1000));
  }));
}

TEST(TimeoutOptions, BeyondTheirRangeAreRefusedByName) {
  const auto expect_named = [](const tcpkit_server_options& options, const char* name) {
    tcpkit_server* server = nullptr;
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options, nullptr, &server));
    EXPECT_NE(std::string::npos, TestServer::last_error().find(name)) << TestServer::last_error();
    tcpkit_server_free(server);
  };
  const milliseconds too_long{int64_t{1} << 31};
  expect_named(with_idle(too_long), "idle_timeout_ms");
  expect_named(with_read(too_long), "read_timeout_ms");
  expect_named(with_write(too_long), "write_timeout_ms");
}

}  // namespace
