// min_receive_rate over real sockets; its arithmetic and its times are in the unit tests, by a
// clock of their own.
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr uint64_t kGraceMs = 60;

tcpkit_server_options with_rate(uint64_t bytes_per_second) {
  tcpkit_server_options options = with_loops(1);
  options.framing = tcpkit_framing_line();
  options.min_receive_rate = bytes_per_second;
  options.receive_rate_grace_ms = kGraceMs;
  return options;
}

// Sends a byte each 5 ms until the connection is gone.
void trickle(RawClient& client) {
  while (client.try_send("x") > 0) std::this_thread::sleep_for(milliseconds(5));
}

TEST(ReceiveRate, EndsAPeerThatSendsAPacketByteByByteAndNotTheOthers) {
  TestServer server(with_rate(10'000), echo());
  RawClient fast = server.connect();
  RawClient slow = server.connect();
  const auto start = Clock::now();
  trickle(slow);
  EXPECT_GE(Clock::now() - start, milliseconds(kGraceMs));
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(TCPKIT_CLOSE_RATE_TIMEOUT, server.close_info().reason);
  EXPECT_STREQ("RATE_TIMEOUT", tcpkit_close_reason_name(server.close_info().reason));
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, server.close_info().status);
  EXPECT_GT(server.close_info().partial_bytes, 0u);
  EXPECT_EQ(1u, server.metrics().rate_timeouts);
  fast.send("still here\n");
  EXPECT_EQ("still here\n", fast.receive(11));
}

TEST(ReceiveRate, CanBeSetForOneConnection) {
  tcpkit_server_options options = with_loops(1);
  options.framing = tcpkit_framing_line();
  TestServer server(options, {.on_open = [](tcpkit_conn* conn) {
                      EXPECT_EQ(TCPKIT_OK,
                                tcpkit_conn_set_min_receive_rate(conn, 10'000, kGraceMs));
                    }});
  RawClient slow = server.connect();
  trickle(slow);
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(TCPKIT_CLOSE_RATE_TIMEOUT, server.close_info().reason);
}

TEST(ReceiveRate, IsForTheLoopOnly) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, tcpkit_conn_set_min_receive_rate(conn.get(), 1000, 1000));
}

void expect_refused(tcpkit_conn* conn, uint64_t rate, uint64_t grace_ms, const char* name) {
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_set_min_receive_rate(conn, rate, grace_ms));
  EXPECT_NE(std::string::npos, TestServer::last_error().find(name)) << TestServer::last_error();
}

TEST(ReceiveRate, BeyondItsRangeIsRefusedByName) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  ASSERT_TRUE(run_on_loop(conn.get(), [](tcpkit_conn* self) {
    constexpr uint64_t kMostRate = uint64_t{1} << 30;
    expect_refused(self, kMostRate + 1, 1000, "bytes_per_second");
    expect_refused(self, 1000, 0, "grace_ms");
    expect_refused(self, 1000, 1'800'001, "grace_ms");
    expect_refused(nullptr, 1000, 1000, "conn");
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_min_receive_rate(self, kMostRate, 1'800'000));
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_min_receive_rate(self, 0, 1));
    tcpkit_conn_abort(self);
    EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_set_min_receive_rate(self, 1000, 1000));
  }));
}

}  // namespace
