// Servers and clients that run together: what ends them, and what is returned.
#include "services_support.h"

namespace {

using namespace testkit;

TEST(Services, TheStopOfOneLeavesTheOthers) {
  const IdleServer first;
  const IdleServer second;
  Running running({of(first), of(second)});
  EXPECT_TRUE(first.wait_running() && second.wait_running());
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(first.get()));
  RawClient client(second.address());
  EXPECT_FALSE(running.has_returned());
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(second.get()));
  EXPECT_EQ(TCPKIT_OK, running.outcome().status);
}

TEST(Services, CanBeRunAgain) {
  const IdleServer server;
  const BareListener peer;
  const TestClient client;
  const std::string address = peer.address();
  for (int round = 1; round <= 3; ++round) {
    Running running({of(server), of(client, address.c_str())});
    EXPECT_TRUE(server.wait_running() && client.wait_opens(static_cast<size_t>(round)));
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
    ::close(peer.accept_fd());
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), TCPKIT_UNLIMITED, nullptr));
    EXPECT_EQ(TCPKIT_OK, running.outcome().status);
  }
  EXPECT_EQ(3u, client.closes());
}

TEST(Services, AStopInACallbackEndsThem) {
  IdleServer server;
  server.on_open = [&] { EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get())); };
  Running running({of(server)});
  EXPECT_TRUE(server.wait_running());
  RawClient client(server.address());
  EXPECT_EQ(TCPKIT_OK, running.outcome().status);
  EXPECT_FALSE(server.is_running());
}

TEST(Services, AClientThatCannotConnectEndsAllWithItsStatus) {
  const RefusingPort refusing;
  const IdleServer server;
  const TestClient client(reconnecting(3));
  const std::string address = refusing.address();
  const Outcome outcome = run_here({of(server), of(client, address.c_str())});
  EXPECT_EQ(TCPKIT_E_REFUSED, outcome.status);
  EXPECT_TRUE(begins_with(outcome.message, "services[1]: ")) << outcome.message;
  EXPECT_NE(std::string::npos, outcome.message.find(address)) << outcome.message;
  EXPECT_FALSE(server.is_running());
  EXPECT_EQ(3u, client.failures().size());
}

TEST(Services, TheFirstErrorIsReturnedAndNotALaterOne) {
  const RefusingPort refusing;
  const Blackhole silent;
  const TestClient failing;
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.connect_timeout_ms = 10'000;
  const TestClient waiting(options);
  const std::string addresses[] = {silent.address(), refusing.address()};
  const Outcome outcome =
      run_here({of(waiting, addresses[0].c_str()), of(failing, addresses[1].c_str())});
  EXPECT_EQ(TCPKIT_E_REFUSED, outcome.status);
  EXPECT_TRUE(begins_with(outcome.message, "services[1]: ")) << outcome.message;
  EXPECT_EQ(TCPKIT_E_CANCELLED, waiting.failure().status);
}

TEST(Services, AConnectionThatEndsInOrderEndsItsClientOnly) {
  const IdleServer server;
  const BareListener peer;
  const TestClient client;
  const std::string address = peer.address();
  Running running({of(server), of(client, address.c_str())});
  ::close(peer.accept_fd());
  EXPECT_TRUE(client.wait_closes(1));
  RawClient visitor(server.address());
  EXPECT_FALSE(running.has_returned());
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(server.get()));
  EXPECT_EQ(TCPKIT_OK, running.outcome().status);
}

TEST(Services, AConnectionThatIsLostAndNotMadeAgainIsAnError) {
  const IdleServer server;
  const BareListener peer;
  const TestClient client;
  const std::string address = peer.address();
  Running running({of(server), of(client, address.c_str())});
  const int fd = peer.accept_fd();
  EXPECT_TRUE(client.wait_opens(1));
  reset(fd);
  const Outcome outcome = running.outcome();
  EXPECT_EQ(client.close_info().status, outcome.status);
  EXPECT_NE(TCPKIT_OK, outcome.status);
  EXPECT_TRUE(begins_with(outcome.message, "services[1]: lost the connection to "))
      << outcome.message;
  EXPECT_FALSE(server.is_running());
}

TEST(Services, AClientThatReconnectsGoesOn) {
  const BareListener peer;
  const TestClient client(reconnecting(TCPKIT_UNLIMITED));
  const std::string address = peer.address();
  Running running({of(client, address.c_str())});
  for (int i = 0; i < 3; ++i) ::close(peer.accept_fd());
  EXPECT_TRUE(client.wait_losses(3));
  EXPECT_FALSE(running.has_returned());
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  EXPECT_EQ(TCPKIT_OK, running.outcome().status);
}

TEST(Services, AClientThatConnectsAgainInItsLastCallbackGoesOn) {
  const BareListener peer;
  const std::string address = peer.address();
  std::atomic<tcpkit_client*> handle{nullptr};
  std::atomic<int> left{2};
  ClientBehaviour behaviour;
  behaviour.on_close = [&](tcpkit_conn*, const tcpkit_close_info&) {
    if (left-- > 0) {
      EXPECT_EQ(TCPKIT_OK, tcpkit_client_connect(handle, address.c_str()));
    }
  };
  const TestClient client(TCPKIT_CLIENT_OPTIONS_INIT, behaviour);
  handle = client.get();
  Running running({of(client, address.c_str())});
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(running.has_returned());
    ::close(peer.accept_fd());
  }
  EXPECT_EQ(TCPKIT_OK, running.outcome().status);
  EXPECT_EQ(3u, client.closes());
}

TEST(Services, AClientWhoseLoopIsStoppedHasEnded) {
  const LoopOwner loop = started_loop();
  const BareListener peer;
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.loop = loop.get();
  const TestClient client(options);
  const std::string address = peer.address();
  Running running({of(client, address.c_str())});
  EXPECT_TRUE(client.wait_opens(1));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_stop(loop.get()));
  EXPECT_EQ(TCPKIT_OK, running.outcome().status);
}

TEST(Services, StopsFromElsewhereWhileAllEndAreHarmless) {
  for (int round = 0; round < 20; ++round) {
    const RefusingPort refusing;
    const IdleServer first;
    const IdleServer second;
    const TestClient client;
    const std::string address = refusing.address();
    Running running({of(first), of(second), of(client, address.c_str())});
    std::thread stopper([&] { EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(first.get())); });
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(second.get()));
    stopper.join();
    // Stops that came before the starts have stopped nothing.
    EXPECT_TRUE(client.wait_until([&] {
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(first.get()));
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(second.get()));
      return running.has_returned();
    }));
  }
}

TEST(Services, AClientThatDoesNotGetRidOfItsOutputIsEndedAtTheDrainTimeout) {
  const BareListener deaf_peer;
  const BareListener failing_peer;
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.close_timeout_ms = 60'000;
  const TestClient stuck(
      options, {.on_open = [](tcpkit_conn* conn) { send_text(conn, std::string(12 << 20, 'x')); }});
  const TestClient failing;
  const std::string addresses[] = {deaf_peer.address(), failing_peer.address()};
  Running running({of(stuck, addresses[0].c_str()), of(failing, addresses[1].c_str())},
                  without_signals(50));
  EXPECT_TRUE(stuck.wait_opens(1) && failing.wait_opens(1));
  reset(failing_peer.accept_fd());
  EXPECT_EQ(failing.close_info().status, running.outcome().status);
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, stuck.close_info().reason);
}

}  // namespace
