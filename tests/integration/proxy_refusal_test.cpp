// PROXY headers that are malformed, missing, not believed or late.
#include "proxy_support.h"

using namespace testkit;

namespace {

// ---- Headers that fail ----

TEST(ProxyError, EachMalformedHeaderClosesWithoutOnOpen) {
  const std::string malformed[] = {
      "PROXY TCP5 192.0.2.7 198.51.100.1 5000 443\r\n",
      "PROXY TCP4 192.0.2.256 198.51.100.1 5000 443\r\n",
      "PROXY TCP4 192.0.2.7 198.51.100.1 5000 65536\r\n",
      "PROXY TCP4 2001:db8::7 2001:db8::1 5000 443\r\n",
      "PROXY TCP4  192.0.2.7 198.51.100.1 5000 443\r\n",
      "PROXY " + std::string(101, 'x'),
      v2(0x11, kTcp4, std::string(12, 'x')),
      v2(0x22, kTcp4, std::string(12, 'x')),
      v2(kProxy, 0x12, std::string(12, 'x')),
      v2(kProxy, kTcp4, std::string(11, 'x')),
      v2(kProxy, kTcp6, std::string(35, 'x')),
      v2_ipv4("\x02"),
      v2_ipv4(tlv(0x03, "abcd")),
      v2_ipv4(std::string(4097 - 12, 'x')),
  };
  for (const std::string& header : malformed) {
    SCOPED_TRACE(header);
    for (const tcpkit_proxy_protocol mode : {TCPKIT_PROXY_REQUIRED, TCPKIT_PROXY_OPTIONAL}) {
      TestServer server(with_proxy(mode));
      RawClient client = server.connect();
      client.send(header);
      expect_bad_header(server);
      EXPECT_TRUE(ended_within(client, kDeadline));
    }
  }
}

TEST(ProxyError, AMissingHeaderThatIsRequiredClosesAtItsFirstByte) {
  TestServer server(required());
  RawClient client = server.connect();
  client.send("G");
  expect_bad_header(server);
  EXPECT_TRUE(ended_within(client, kDeadline));
}

TEST(ProxyError, OfAFramedConnectionDeliversNothing) {
  TestServer server(with_proxy(TCPKIT_PROXY_REQUIRED, true));
  RawClient client = server.connect();
  client.send(kPayload);
  expect_bad_header(server);
  EXPECT_TRUE(server.packets().empty());
}

TEST(ProxyError, ARequiredHeaderFromAnUntrustedAddressClosesAtOnce) {
  TestServer server(trusting_others(TCPKIT_PROXY_REQUIRED));
  RawClient client = server.connect();
  EXPECT_TRUE(ended_within(client, kDeadline));
  expect_bad_header(server);
}

TEST(ProxyError, AFinInsideTheHeaderIsOne) {
  for (const std::string& header : {std::string(kLineV4), v2_longest()}) {
    TestServer server(required());
    RawClient client = server.connect();
    client.send(header.substr(0, header.size() - 1));
    client.half_close();
    expect_bad_header(server);
  }
}

TEST(ProxyError, AFinBeforeAnyByteIsNone) {
  TestServer server(required());
  RawClient client = server.connect();
  client.half_close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, info.reason);
  EXPECT_EQ(TCPKIT_OK, info.status);
  EXPECT_EQ(0u, server.open_count());
  EXPECT_EQ(0u, server.metrics().proxy_errors);
}

TEST(ProxyError, AResetInsideTheHeaderIsAPeerReset) {
  TestServer server(required());
  RawClient client = server.connect();
  client.send("PROXY ");
  wait_unannounced(server, 6);
  client.reset();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, server.close_info().reason);
  EXPECT_EQ(0u, server.open_count());
}

TEST(ProxyError, OfOneConnectionLeavesTheOthersAlone) {
  TestServer server(required(), echo());
  RawClient good = server.connect();
  good.send(kLineV4);
  RawClient bad = server.connect();
  bad.send("bad");
  EXPECT_TRUE(ended_within(bad, kDeadline));
  good.send("x");
  EXPECT_EQ("x", good.receive(1));
}

TEST(ProxyError, HasAReasonWithAName) {
  EXPECT_STREQ("PROXY_ERROR", tcpkit_close_reason_name(TCPKIT_CLOSE_PROXY_ERROR));
  EXPECT_STREQ("PROXY_TIMEOUT", tcpkit_close_reason_name(TCPKIT_CLOSE_PROXY_TIMEOUT));
  EXPECT_STREQ("TCPKIT_E_BAD_PROXY_HEADER", tcpkit_status_name(TCPKIT_E_BAD_PROXY_HEADER));
  EXPECT_EQ(TCPKIT_CLASS_PROTOCOL, tcpkit_status_class_of(TCPKIT_E_BAD_PROXY_HEADER));
}

// ---- Optional ----

TEST(ProxyOptional, WithoutAHeaderDeliversAllBytes) {
  for (const bool framed_lines : {false, true}) {
    std::string proxy = "?";
    TestServer server(with_proxy(TCPKIT_PROXY_OPTIONAL, framed_lines),
                      {.on_open = [&](tcpkit_conn* conn) { proxy = proxy_of(conn); }});
    RawClient client = server.connect();
    client.send(kPayload);
    expect_payload(server, framed_lines);
    EXPECT_EQ("", proxy);
    EXPECT_EQ(0u, server.metrics().proxy_headers);
    EXPECT_EQ(0u, server.metrics().proxy_errors);
  }
}

TEST(ProxyOptional, BytesThatBeganLikeAHeaderAreDelivered) {
  TestServer server(optional());
  RawClient client = server.connect();
  client.send("PROX");
  wait_unannounced(server, 4);
  client.send("IMITY");
  ASSERT_TRUE(server.wait_data(9));
  EXPECT_EQ("PROXIMITY", server.data_of(server.opened_id(0)));
}

TEST(ProxyOptional, BytesThatEndLikeTheBeginOfAHeaderAreDelivered) {
  for (const std::string& bytes : {std::string("PROX"), std::string("\r\n\r\n")}) {
    TestServer server(optional());
    RawClient client = server.connect();
    client.send(bytes);
    client.half_close();
    ASSERT_TRUE(server.wait_closes(1));
    EXPECT_EQ(bytes, server.data_of(server.opened_id(0)));
    EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
    EXPECT_EQ(0u, server.metrics().proxy_errors);
  }
}

TEST(ProxyOptional, BytesThatEndLikeAHeaderWaitForAUserWhoPausesAtOpen) {
  TestServer server(optional(), {.on_open = [](tcpkit_conn* conn) {
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn));
                    }});
  RawClient client = server.connect();
  client.send("PROX");
  client.half_close();
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  EXPECT_EQ("", server.data_of(server.opened_id(0)));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ("PROX", server.data_of(server.opened_id(0)));
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

TEST(ProxyOptional, AnEndInsideWhatIsSurelyAHeaderIsAnError) {
  TestServer server(optional());
  RawClient client = server.connect();
  client.send("PROXY ");
  client.half_close();
  ASSERT_TRUE(server.wait_closes(1));
  expect_bad_header(server);
}

TEST(ProxyOptional, WithAHeaderIsTold) {
  std::string remote;
  TestServer server(optional(), {.on_open = [&](tcpkit_conn* conn) { remote = remote_of(conn); }});
  RawClient client = server.connect();
  client.send(std::string(kLineV6) + kPayload);
  expect_payload(server, false);
  EXPECT_EQ(kSourceV6, remote);
}

TEST(ProxyOptional, FromAnUntrustedAddressTheHeaderIsData) {
  std::string remote;
  std::string proxy = "?";
  TestServer server(trusting_others(TCPKIT_PROXY_OPTIONAL), {.on_open = [&](tcpkit_conn* conn) {
                      remote = remote_of(conn);
                      proxy = proxy_of(conn);
                    }});
  RawClient client = server.connect();
  client.send(std::string(kLineV4) + kPayload);
  const std::string sent = std::string(kLineV4) + kPayload;
  ASSERT_TRUE(server.wait_data(sent.size()));
  EXPECT_EQ(sent, server.data_of(server.opened_id(0)));
  EXPECT_EQ(own_address(client), remote);
  EXPECT_EQ("", proxy);
  EXPECT_EQ(0u, server.metrics().proxy_headers);
}

TEST(ProxyOptional, FromAnUntrustedAddressOpensWithoutAByte) {
  TestServer server(trusting_others(TCPKIT_PROXY_OPTIONAL));
  const RawClient client = server.connect();
  EXPECT_TRUE(server.wait_opens(1));
}

// ---- Time ----

void expect_proxy_timeout(const TestServer& server) {
  expect_failed(server, TCPKIT_CLOSE_PROXY_TIMEOUT, TCPKIT_E_TIMED_OUT);
}

tcpkit_server_options with_short_proxy_timeout() {
  tcpkit_server_options options = required();
  options.proxy_timeout_ms = static_cast<uint64_t>(kShort.count());
  return options;
}

TEST(ProxyTimeout, EndsAConnectionThatSendsNoHeader) {
  TestServer server(with_short_proxy_timeout());
  const auto start = Clock::now();
  const RawClient client = server.connect();
  EXPECT_TRUE(ended_within(client, kDeadline));
  EXPECT_GE(Clock::now() - start, kShort);
  expect_proxy_timeout(server);
}

TEST(ProxyTimeout, IsNotRestartedByBytesOfTheHeader) {
  TestServer server(with_short_proxy_timeout());
  const auto start = Clock::now();
  RawClient client = server.connect();
  const std::string header = v2_longest();
  size_t sent = 0;
  while (sent < header.size() && !ended_within(client, milliseconds(10))) {
    (void)client.try_send(std::string_view(header).substr(sent++, 1));
  }
  EXPECT_GE(Clock::now() - start, kShort);
  EXPECT_LT(sent, header.size());
  expect_proxy_timeout(server);
}

TEST(ProxyTimeout, IsOverOnceTheHeaderCame) {
  tcpkit_server_options options = required();
  options.proxy_timeout_ms = 500;
  TestServer server(options, echo());
  RawClient client = server.connect();
  client.send(kLineV4);
  ASSERT_TRUE(server.wait_opens(1));
  EXPECT_FALSE(ended_within(client, milliseconds(700)));
  client.send("x");
  EXPECT_EQ("x", client.receive(1));
}

TEST(ProxyTimeout, OfAnOptionalHeaderOpensAPeerThatWasSilent) {
  tcpkit_server_options options = with_short_proxy_timeout();
  options.proxy_protocol = TCPKIT_PROXY_OPTIONAL;
  TestServer server(options);
  const auto start = Clock::now();
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  EXPECT_GE(Clock::now() - start, kShort);
  client.send(kPayload);
  expect_payload(server, false);
  EXPECT_EQ(0u, server.metrics().proxy_errors);
}

TEST(ProxyTimeout, OfAnOptionalHeaderEndsAPeerInsideIt) {
  tcpkit_server_options options = with_short_proxy_timeout();
  options.proxy_protocol = TCPKIT_PROXY_OPTIONAL;
  TestServer server(options);
  RawClient client = server.connect();
  client.send("PROXY ");
  EXPECT_TRUE(ended_within(client, kDeadline));
  expect_proxy_timeout(server);
}

TEST(ProxyTimeout, OfUnlimitedNeverComes) {
  tcpkit_server_options options = required();
  options.proxy_timeout_ms = TCPKIT_UNLIMITED;
  TestServer server(options);
  const RawClient client = server.connect();
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
}

TEST(ProxyTimeout, BeyondWhatAClockCanSayNeverComes) {
  tcpkit_server_options options = required();
  options.proxy_timeout_ms = TCPKIT_UNLIMITED - 1;
  TestServer server(options);
  const RawClient client = server.connect();
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
}

void expect_timeout_only_after_header(tcpkit_server_options options, tcpkit_close_reason reason) {
  TestServer server(options);
  RawClient client = server.connect();
  client.send("PROXY ");
  EXPECT_FALSE(ended_within(client, kSeveralTimesShort));
  const auto start = Clock::now();
  client.send(std::string(kLineV4).substr(6));
  EXPECT_TRUE(ended_within(client, kDeadline));
  EXPECT_GE(Clock::now() - start, kShort);
  EXPECT_EQ(reason, server.close_info().reason);
  EXPECT_EQ(1u, server.open_count());
}

TEST(ProxyTimeout, TheIdleTimeoutBeginsOnlyAfterTheHeader) {
  tcpkit_server_options options = required();
  options.idle_timeout_ms = static_cast<uint64_t>(kShort.count());
  expect_timeout_only_after_header(options, TCPKIT_CLOSE_IDLE_TIMEOUT);
}

TEST(ProxyTimeout, TheReadTimeoutBeginsOnlyAfterTheHeader) {
  tcpkit_server_options options = required();
  options.read_timeout_ms = static_cast<uint64_t>(kShort.count());
  options.proxy_timeout_ms = TCPKIT_UNLIMITED;
  expect_timeout_only_after_header(options, TCPKIT_CLOSE_READ_TIMEOUT);
}

}  // namespace
