// A client and a server of ours: connecting, sending, closing, and every way not to come that far.
#include "client_fixture.h"

using namespace testkit;

namespace {

TEST(Client, SendsAndReceivesOnAThreadOfItsOwn) {
  TestServer server(with_loops(1), echo());
  TestClient client;
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  client.send("hello");
  EXPECT_TRUE(client.wait_data("hello"));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, client.close_info().reason);
  EXPECT_TRUE(client.wait_until([&] { return client.metrics().closed == 1; }));
  const tcpkit_metrics metrics = client.metrics();
  EXPECT_EQ(1u, metrics.connects);
  EXPECT_EQ(0u, metrics.connect_failures);
  EXPECT_EQ(0u, metrics.accepted);
  EXPECT_EQ(5u, metrics.total_read);
  EXPECT_EQ(5u, metrics.total_written);
  EXPECT_EQ(0u, metrics.connections);
  EXPECT_EQ(1u, metrics.max_connections);
}

TEST(Client, IsIdleUntilItConnectsAndCanConnectAgain) {
  TestServer server(with_loops(1), echo());
  TestClient client;
  EXPECT_EQ(nullptr, client.conn().get());
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, tcpkit_last_error_status());
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  for (size_t round = 1; round <= 3; ++round) {
    client.connect(server.address());
    ASSERT_TRUE(client.wait_opens(round));
    EXPECT_EQ(TCPKIT_E_ALREADY_RUNNING,
              tcpkit_client_connect(client.get(), server.address().c_str()));
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
    ASSERT_TRUE(client.wait_closes(round));
  }
}

TEST(Client, DialReturnsTheOpenConnection) {
  TestServer server(with_loops(1), echo());
  TestClient client;
  tcpkit_conn* conn = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_client_dial(client.get(), server.address().c_str(), &conn))
      << tcpkit_last_error_message();
  const KeptConn kept(conn);
  EXPECT_EQ(1u, client.opens());
  char text[100] = "";
  tcpkit_conn_remote_address(conn, text, sizeof text);
  EXPECT_EQ(server.address(), "tcp://" + std::string(text));
  EXPECT_EQ(tcpkit_client_loop(client.get()), tcpkit_conn_loop(conn));
  send_text(conn, "ping");
  EXPECT_TRUE(client.wait_data("ping"));
}

TEST(Client, DialTellsWhatWasTriedAndWhatWentWrong) {
  const RefusingPort nobody;
  TestClient client;
  tcpkit_conn* conn = nullptr;
  EXPECT_EQ(TCPKIT_E_REFUSED, tcpkit_client_dial(client.get(), nobody.address().c_str(), &conn));
  EXPECT_EQ(nullptr, conn);
  EXPECT_EQ(ECONNREFUSED, tcpkit_last_error_errno());
  EXPECT_EQ("cannot connect to \"" + nobody.address() +
                "\": 127.0.0.1:" + std::to_string(nobody.port()) + ": Connection refused",
            TestClient::last_error());
  EXPECT_EQ(1u, client.failures().size());
  EXPECT_TRUE(client.failure().is_final());
}

TEST(Client, DialsOnItsLoopAreRefused) {
  TestServer server(with_loops(1), echo());
  std::atomic<tcpkit_status> status{TCPKIT_OK};
  std::atomic<tcpkit_client*> handle{nullptr};
  TestClient client(TCPKIT_CLIENT_OPTIONS_INIT, {.on_open = [&](tcpkit_conn*) {
                      status = tcpkit_client_dial(handle, server.address().c_str(), nullptr);
                    }});
  handle = client.get();
  client.connect(server.address());
  ASSERT_TRUE(client.wait_until([&] { return status == TCPKIT_E_WRONG_THREAD; }));
}

TEST(Client, AHostNameThatDoesNotExistIsAFailureOfItsOwn) {
  TestClient client;
  client.connect("tcp://nobody.invalid:7");
  const ConnectRecord failure = client.failure();
  EXPECT_EQ(TCPKIT_E_RESOLVE, failure.status);
  EXPECT_NE(std::string::npos, failure.message.find("nobody.invalid")) << failure.message;
  EXPECT_EQ(1u, failure.attempts);
  EXPECT_TRUE(failure.is_final());
  EXPECT_EQ(1u, client.metrics().connect_failures);
}

TEST(Client, NamesAreResolved) {
  TestServer server(with_loops(1), echo());
  TestClient client;
  std::string address = server.address();
  address.replace(address.find("127.0.0.1"), 9, "localhost");
  client.connect(address);
  ASSERT_TRUE(client.wait_opens(1)) << client.failure().message;
}

TEST(Client, TheTimeForAnAttemptEndsIt) {
  const Blackhole nobody;
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.connect_timeout_ms = 50;
  TestClient client(options);
  const auto begin = std::chrono::steady_clock::now();
  client.connect(nobody.address());
  const ConnectRecord failure = client.failure();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(50));
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, failure.status);
  EXPECT_NE(std::string::npos, failure.message.find(": no answer after 50 ms")) << failure.message;
}

TEST(Client, ConnectsToUnixSocketsOfEitherKind) {
  const std::string path = "/tmp/tcpkit-client-" + std::to_string(getpid());
  for (const std::string& address :
       {"unix://" + path, "unix://@tcpkit-client-" + std::to_string(getpid())}) {
    TestServer server(with_loops(1), {.on_data = send_text, .addresses = {address}});
    TestClient client;
    client.connect(address);
    ASSERT_TRUE(client.wait_opens(1));
    client.send("over a path");
    EXPECT_TRUE(client.wait_data("over a path"));
  }
  TestClient client;
  client.connect("unix://" + path + "/nobody");
  EXPECT_EQ(TCPKIT_E_NO_SUCH_FILE, client.failure().status);
}

TEST(Client, ConnectsFromTheAddressThatItIsTold) {
  std::string seen;
  TestServer server(with_loops(1), {.on_open = [&](tcpkit_conn* conn) {
                      char text[100] = "";
                      tcpkit_conn_remote_address(conn, text, sizeof text);
                      seen = text;
                      (void)tcpkit_conn_close(conn);
                    }});
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.local_address = "127.0.0.3:0";
  TestClient client(options);
  client.connect(server.address());
  ASSERT_TRUE(client.wait_closes(1));
  const std::string address = server.address();
  server.stop();
  EXPECT_EQ(0u, seen.find("127.0.0.3:")) << seen;
  options.local_address = "[::1]:0";
  TestClient other(options);
  other.connect(address);
  EXPECT_EQ(TCPKIT_E_ADDRESS_NOT_AVAILABLE, other.failure().status);
}

TEST(Client, AddressesThatCannotBeConnectedToAreRefusedAtOnce) {
  TestClient client;
  for (const char* address : {"", "tcp://127.0.0.1", "tcp://127.0.0.1:0", "fd://3", "unix://"}) {
    EXPECT_EQ(TCPKIT_E_BAD_ADDRESS, tcpkit_client_connect(client.get(), address)) << address;
  }
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_client_connect(client.get(), nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_client_connect(nullptr, "tcp://127.0.0.1:1"));
}

TEST(Client, ConnectsAgainInsideItsLastCallbacks) {
  TestServer server(with_loops(1), echo());
  const RefusingPort nobody;
  std::atomic<int> rounds{0};
  std::atomic<tcpkit_client*> handle{nullptr};
  const std::string address = server.address();
  TestClient client(TCPKIT_CLIENT_OPTIONS_INIT,
                    {.on_open = [&](tcpkit_conn* conn) { (void)tcpkit_conn_close(conn); },
                     .on_close =
                         [&](tcpkit_conn*, const tcpkit_close_info&) {
                           if (++rounds < 3) {
                             EXPECT_EQ(TCPKIT_OK, tcpkit_client_connect(handle, address.c_str()));
                           }
                         },
                     .on_failed =
                         [&](tcpkit_client* self) {
                           EXPECT_EQ(TCPKIT_OK, tcpkit_client_connect(self, address.c_str()));
                         }});
  handle = client.get();
  client.connect(nobody.address());
  EXPECT_TRUE(client.wait_closes(3));
  EXPECT_EQ(1u, client.failures().size());
}

TEST(Client, FramesPacketsAsAServerDoes) {
  tcpkit_server_options server_options = framed(tcpkit_framing_line());
  TestServer server(server_options, echo());
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.framing = tcpkit_framing_line();
  TestClient client(options, {.on_open = [](tcpkit_conn* conn) { send_packet(conn, "a line"); }});
  client.connect(server.address());
  EXPECT_TRUE(client.wait_data("a line"));
  EXPECT_TRUE(client.wait_until([&] { return client.metrics().packets_read == 1; }));
}

TEST(Client, TheEndOfTheServerIsTheEndOfTheConnection) {
  TestServer server(with_loops(1), echo());
  TestClient client;
  client.connect(server.address());
  ASSERT_TRUE(client.wait_opens(1));
  ASSERT_TRUE(server.wait_opens(1));
  server.stop();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, client.close_info().reason);
  EXPECT_EQ(nullptr, client.conn().get());
  EXPECT_TRUE(client.failures().empty());
}

TEST(Client, ClosingGivesUpAnAttempt) {
  const Blackhole nobody;
  TestClient client;
  client.connect(nobody.address());
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  EXPECT_EQ(TCPKIT_E_CANCELLED, client.failure().status);
  EXPECT_TRUE(client.failure().is_final());
}

TEST(Client, AConnectionThatWasKeptOutlivesItsClient) {
  TestServer server(with_loops(1), echo());
  KeptConn kept;
  {
    TestClient client;
    client.connect(server.address());
    ASSERT_TRUE(client.wait_opens(1));
    kept = client.conn();
  }
  EXPECT_EQ(1, tcpkit_conn_is_closed(kept.get()));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send(kept.get(), "x", 1));
}

}  // namespace
