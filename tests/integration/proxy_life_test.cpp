// What else happens around a PROXY header: pauses, closes, large ones, options, the end.
#include "proxy_support.h"

using namespace testkit;

namespace {

// ---- In on_open ----

Behaviour pausing_at_open() {
  return {
      .on_open = [](tcpkit_conn* conn) { EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn)); }};
}

void expect_held_back_until_resume(const std::string& header, size_t cut, bool framed_lines) {
  TestServer server(with_proxy(TCPKIT_PROXY_REQUIRED, framed_lines), pausing_at_open());
  RawClient client = server.connect();
  if (cut > 0) {
    client.send(header.substr(0, cut));
    wait_unannounced(server, cut);
  }
  client.send(header.substr(cut) + kPayload);
  ASSERT_TRUE(server.wait_opens(1));
  EXPECT_FALSE(ended_within(client, kShort));
  ASSERT_TRUE(server.settle());
  EXPECT_TRUE(server.packets().empty());
  EXPECT_EQ("", server.data_of(server.opened_id(0)));
  const KeptConn conn = server.kept(server.opened_id(0));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  expect_payload(server, framed_lines);
  client.send("third\n");
  ASSERT_TRUE(framed_lines ? server.wait_packets(3) : server.wait_data(std::strlen(kPayload) + 6));
}

TEST(ProxyPause, InOnOpenHoldsBackTheDataBehindTheHeader) {
  expect_held_back_until_resume(kLineV4, 0, false);
}

TEST(ProxyPause, InOnOpenHoldsBackThePacketsBehindTheHeader) {
  expect_held_back_until_resume(kLineV4, 0, true);
}

TEST(ProxyPause, InOnOpenHoldsBackTheDataBehindALargeHeaderInTwoParts) {
  expect_held_back_until_resume(v2_longest(), 4100, false);
}

TEST(ProxyPause, InOnOpenHoldsBackThePacketsBehindALargeHeaderInTwoParts) {
  expect_held_back_until_resume(v2_longest(), 4100, true);
}

TEST(ProxyPause, MuchDataBehindTheHeaderArrivesWholeAfterTheResume) {
  TestServer server(required(), pausing_at_open());
  RawClient client = server.connect();
  const std::string much = numbers(200'000);
  client.send(v2_longest() + much);
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  ASSERT_TRUE(server.wait_data(much.size()));
  EXPECT_TRUE(server.data_of(server.opened_id(0)) == much);
  EXPECT_EQ(0u, server.metrics().buffered_bytes);
}

TEST(ProxyPause, AFinBehindHeldBackDataComesAfterIt) {
  for (const bool framed_lines : {false, true}) {
    TestServer server(with_proxy(TCPKIT_PROXY_REQUIRED, framed_lines), pausing_at_open());
    RawClient client = server.connect();
    client.send(std::string(kLineV4) + kPayload);
    client.half_close();
    ASSERT_TRUE(server.wait_opens(1));
    const KeptConn conn = server.kept(server.opened_id(0));
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
    EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
    expect_payload(server, framed_lines);
  }
}

TEST(ProxyPause, PauseAndResumeInOnOpenDeliversAtOnce) {
  for (const bool framed_lines : {false, true}) {
    TestServer server(with_proxy(TCPKIT_PROXY_REQUIRED, framed_lines),
                      {.on_open = [](tcpkit_conn* conn) {
                        EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn));
                        EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn));
                      }});
    RawClient client = server.connect();
    client.send(std::string(kLineV4) + kPayload);
    expect_payload(server, framed_lines);
  }
}

void expect_ended_in_on_open(const std::function<void(tcpkit_conn*)>& on_open,
                             tcpkit_close_reason reason) {
  for (const bool framed_lines : {false, true}) {
    TestServer server(with_proxy(TCPKIT_PROXY_REQUIRED, framed_lines), {.on_open = on_open});
    RawClient client = server.connect();
    client.send(std::string(kLineV4) + kPayload);
    EXPECT_TRUE(ended_within(client, kDeadline));
    client.close();
    EXPECT_EQ(reason, server.close_info().reason);
    EXPECT_EQ(1u, server.open_count());
    EXPECT_TRUE(server.packets().empty());
    EXPECT_EQ("", server.data_of(server.opened_id(0)));
    EXPECT_EQ(1u, server.metrics().proxy_headers);
    EXPECT_EQ(0u, server.metrics().proxy_errors);
  }
}

TEST(ProxyClose, InOnOpenDropsTheDataBehindTheHeader) {
  expect_ended_in_on_open([](tcpkit_conn* conn) { tcpkit_conn_close(conn); }, TCPKIT_CLOSE_LOCAL);
}

TEST(ProxyClose, AnAbortInOnOpenDropsTheDataBehindTheHeader) {
  expect_ended_in_on_open([](tcpkit_conn* conn) { tcpkit_conn_abort(conn); }, TCPKIT_CLOSE_ABORTED);
}

TEST(ProxyClose, AThrowInOnOpenDropsTheDataBehindTheHeader) {
  expect_ended_in_on_open([](tcpkit_conn*) { throw std::runtime_error("on_open"); },
                          TCPKIT_CLOSE_CALLBACK);
}

TEST(ProxyClose, AGoodbyeInOnOpenIsSent) {
  TestServer server(required(), {.on_open = [](tcpkit_conn* conn) {
                      send_text(conn, "goodbye");
                      tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  client.send(kLineV4);
  EXPECT_EQ("goodbye", client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
}

// ---- Large headers ----

void expect_data_behind_large_header(size_t cut, bool framed_lines) {
  SCOPED_TRACE(cut);
  TestServer server(with_proxy(TCPKIT_PROXY_REQUIRED, framed_lines));
  RawClient client = server.connect();
  const std::string bytes = v2_longest() + kPayload;
  client.send(bytes.substr(0, cut));
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().total_read >= cut; }));
  client.send(bytes.substr(cut));
  expect_payload(server, framed_lines);
}

TEST(ProxyLarge, DataBehindTheLongestHeaderArrivesWhereverItIsCut) {
  for (const size_t cut : {1u, 15u, 4095u, 4096u, 4097u, 4111u, 4112u, 4113u, 4117u}) {
    expect_data_behind_large_header(cut, false);
    expect_data_behind_large_header(cut, true);
  }
}

TEST(ProxyLarge, LeavesNothingBuffered) {
  TestServer server(required());
  RawClient client = server.connect();
  const std::string header = v2_longest();
  client.send(header.substr(0, 4100));
  wait_unannounced(server, 4100);
  client.send(header.substr(4100));
  ASSERT_TRUE(server.wait_opens(1));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0u, server.metrics().buffered_bytes);
}

// ---- Options ----

void expect_create_names(const tcpkit_server_options& options, const char* name) {
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options, nullptr, &server));
  EXPECT_NE(std::string::npos, TestServer::last_error().find(name)) << TestServer::last_error();
  tcpkit_server_free(server);
}

TEST(ProxyOptions, WithoutProxyTrustedCreateFailsByName) {
  for (tcpkit_server_options options : {required(), optional()}) {
    options.proxy_trusted = nullptr;
    expect_create_names(options, "proxy_trusted");
  }
}

TEST(ProxyOptions, ABadNetworkIsNamed) {
  for (const char* network : {"10.0.0.0/33", "example.org", "::1/129"}) {
    tcpkit_server_options options = required();
    const std::string list = "127.0.0.1," + std::string(network);
    options.proxy_trusted = list.c_str();
    expect_create_names(options, network);
    expect_create_names(options, "proxy_trusted");
  }
}

TEST(ProxyOptions, AnUnknownModeIsRefusedByName) {
  for (const tcpkit_proxy_protocol mode : {-1, 4}) {
    expect_create_names(with_proxy(mode), "proxy_protocol");
  }
}

TEST(ProxyOptions, AreSetFromText) {
  tcpkit_server_options options = with_loops(1);
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_options_set(&options, "proxy_protocol", "required"));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_options_set(&options, "proxy_trusted", "127.0.0.0/8,unix"));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_options_set(&options, "proxy_timeout_ms", "15000"));
  EXPECT_EQ(TCPKIT_PROXY_REQUIRED, options.proxy_protocol);
  EXPECT_EQ(15'000u, options.proxy_timeout_ms);
  TestServer server(options);
  RawClient client = server.connect();
  client.send(std::string(kLineV4) + kPayload);
  expect_payload(server, false);
}

// ---- The end of the server ----

void expect_shut_down(const TestServer& server) {
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
  EXPECT_EQ(1u, server.closes().size());
  EXPECT_EQ(0u, server.open_count());
  EXPECT_EQ(0u, server.metrics().proxy_errors);
}

void expect_drained_without_wait(const std::string& begin_of_header) {
  TestServer server(required());
  RawClient client = server.connect();
  client.send(begin_of_header);
  wait_unannounced(server, begin_of_header.size());
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  const auto start = Clock::now();
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), kLong, &report));
  EXPECT_LT(Clock::now() - start, milliseconds(kLong));
  EXPECT_EQ(1u, report.graceful);
  EXPECT_EQ(0u, report.forced);
  EXPECT_TRUE(ended_within(client, kDeadline));
  expect_shut_down(server);
}

TEST(ProxyDrain, EndsAConnectionWhoseHeaderIsAwaitedAtOnce) {
  expect_drained_without_wait("");
}

TEST(ProxyDrain, EndsAConnectionInsideItsHeaderAtOnce) {
  expect_drained_without_wait("PROXY TCP4 ");
}

TEST(ProxyStop, EndsConnectionsWhoseHeaderIsAwaited) {
  for (const std::string& begin_of_header : {std::string(), std::string("PROXY TCP4 ")}) {
    TestServer server(required());
    RawClient client = server.connect();
    client.send(begin_of_header);
    wait_unannounced(server, begin_of_header.size());
    server.stop();
    EXPECT_TRUE(ended_within(client, kDeadline));
    expect_shut_down(server);
  }
}

}  // namespace
