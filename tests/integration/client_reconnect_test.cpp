// What follows a failure or a loss: attempts, delays, and what ends them.
#include "client_fixture.h"

using namespace testkit;

namespace {

tcpkit_client_options reconnecting(uint64_t min_ms = 1, uint64_t max_ms = 4) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.reconnect = TCPKIT_ON;
  options.reconnect_min_ms = min_ms;
  options.reconnect_max_ms = max_ms;
  return options;
}

TEST(ClientReconnect, FailedAttemptsFollowOneAnotherUntilOneSucceeds) {
  auto nobody = std::make_unique<BareListener>(-1);
  const std::string address = nobody->address();
  const int port = nobody->port();
  TestClient client(reconnecting());
  client.connect(address);
  ASSERT_TRUE(client.wait_failures(3));
  nobody.reset();
  const BareListener listener(16, "127.0.0.1", port);
  ASSERT_TRUE(client.wait_opens(1));
  const std::vector<ConnectRecord> failures = client.failures();
  for (size_t i = 0; i < failures.size(); ++i) {
    EXPECT_EQ(TCPKIT_E_REFUSED, failures[i].status);
    EXPECT_EQ(i + 1, failures[i].attempts);
    EXPECT_FALSE(failures[i].is_final());
    EXPECT_GE(failures[i].retry_in_ms, i == 0 ? 1u : i == 1 ? 1u : 2u);
    EXPECT_LE(failures[i].retry_in_ms, 4u);
  }
}

TEST(ClientReconnect, TheLastOfSoManyAttemptsIsFinal) {
  const RefusingPort nobody;
  tcpkit_client_options options = reconnecting();
  options.max_attempts = 3;
  TestClient client(options);
  EXPECT_EQ(TCPKIT_E_REFUSED, tcpkit_client_dial(client.get(), nobody.address().c_str(), nullptr));
  const std::vector<ConnectRecord> failures = client.failures();
  ASSERT_EQ(3u, failures.size());
  EXPECT_FALSE(failures[1].is_final());
  EXPECT_TRUE(failures[2].is_final());
  EXPECT_EQ(3u, client.metrics().connect_failures);
}

TEST(ClientReconnect, ALostConnectionIsToldAfterItsEndAndDialledAgain) {
  TestServer server(with_loops(1), {.on_data = [](tcpkit_conn* conn, std::string_view) {
                      (void)tcpkit_conn_abort(conn);
                    }});
  TestClient client(reconnecting());
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  client.send("go away");
  ASSERT_TRUE(client.wait_opens(2));
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, client.close_info().reason);
  const std::vector<ConnectRecord> losses = client.losses();
  ASSERT_EQ(1u, losses.size());
  EXPECT_EQ(TCPKIT_E_RESET, losses[0].status);
  EXPECT_EQ(0u, losses[0].attempts);
  EXPECT_NE(std::string::npos, losses[0].message.find("lost the connection to"))
      << losses[0].message;
  EXPECT_EQ(1u, client.metrics().reconnects);
  EXPECT_TRUE(client.failures().empty());
}

TEST(ClientReconnect, ClosingTheClientEndsItForGood) {
  TestServer server(with_loops(1), echo());
  TestClient client(reconnecting());
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  ASSERT_TRUE(client.wait_closes(1));
  client.connect(server.address());  // so it was idle
  ASSERT_TRUE(client.wait_opens(2));
  EXPECT_TRUE(client.losses().empty());
}

TEST(ClientReconnect, ClosingTheConnectionAloneIsALoss) {
  TestServer server(with_loops(1), echo());
  TestClient client(reconnecting());
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  (void)tcpkit_conn_close(client.conn().get());
  ASSERT_TRUE(client.wait_opens(2));
  EXPECT_EQ(TCPKIT_OK, client.losses().at(0).status);
}

TEST(ClientReconnect, ClosingInOnCloseLetsNothingFollow) {
  TestServer server(with_loops(1), echo());
  std::atomic<tcpkit_client*> handle{nullptr};
  TestClient client(reconnecting(), {.on_close = [&](tcpkit_conn*, const tcpkit_close_info&) {
                      EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(handle));
                    }});
  handle = client.get();
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  ASSERT_TRUE(server.wait_opens(1));
  server.stop();
  ASSERT_TRUE(client.wait_closes(1));
  // Idle again: the next connect is taken.
  EXPECT_TRUE(client.wait_until([&] {
    return tcpkit_client_connect(handle, server.address().c_str()) != TCPKIT_E_ALREADY_RUNNING;
  }));
  EXPECT_TRUE(client.losses().empty());
}

TEST(ClientReconnect, ClosingWhileItWaitsIsToldOnce) {
  const RefusingPort nobody;
  TestClient client(reconnecting(60'000, 60'000));
  client.connect(nobody.address());
  ASSERT_TRUE(client.wait_failures(1));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  ASSERT_TRUE(client.wait_failures(2));
  const std::vector<ConnectRecord> failures = client.failures();
  EXPECT_GE(failures[0].retry_in_ms, 30'000u);
  EXPECT_LE(failures[0].retry_in_ms, 60'000u);
  EXPECT_EQ(TCPKIT_E_CANCELLED, failures[1].status);
  EXPECT_TRUE(failures[1].is_final());
}

TEST(ClientReconnect, ALoopThatEndsLetsNothingFollow) {
  TestServer server(with_loops(1), echo());
  LoopOwner loop = started_loop();
  tcpkit_client_options options = reconnecting();
  options.loop = loop.get();
  TestClient client(options);
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_stop(loop.get()));
  EXPECT_EQ(1u, client.closes());
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, client.close_info().reason);
  EXPECT_TRUE(client.losses().empty());
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_client_connect(client.get(), server.address().c_str()));
}

TEST(ClientReconnect, AClientThatLosesItsServerAHundredTimesComesBackEachTime) {
  constexpr size_t kRounds = 100;
  TestServer server(with_loops(1),
                    {.on_open = [](tcpkit_conn* conn) { (void)tcpkit_conn_abort(conn); }});
  TestClient client(reconnecting(2, 2));
  const auto begin = std::chrono::steady_clock::now();
  client.connect(server.address());
  ASSERT_TRUE(client.wait_losses(kRounds));
  // Each delay is at least half of two milliseconds.
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(kRounds - 1));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  const tcpkit_metrics metrics = client.metrics();
  EXPECT_GE(metrics.connects + metrics.connect_failures, kRounds);
  EXPECT_GE(metrics.reconnects, kRounds);
}

}  // namespace
