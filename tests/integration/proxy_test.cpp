// What PROXY headers of both versions say of a connection, and their TLVs.
#include "proxy_support.h"

using namespace testkit;

namespace {

// ---- What headers say ----

struct HeaderCase {
  const char* name;
  std::string header;
  std::string source;  // "": the real peer
};

// Not byte by byte, as googletest would: between the members are bytes that nobody has set.
void PrintTo(const HeaderCase& header, std::ostream* out) {
  *out << header.name;
}

const std::vector<HeaderCase>& header_cases() {
  static const std::vector<HeaderCase> cases = {
      {"V1Tcp4", kLineV4, kSourceV4},
      {"V1Tcp6", kLineV6, kSourceV6},
      {"V1Unknown", "PROXY UNKNOWN\r\n", ""},
      {"V2Ipv4", v2_ipv4(), kSourceV4},
      {"V2Ipv6", v2_ipv6(), kSourceV6},
      {"V2Unix", v2_unix(), kSourcePath},
      {"V2Local", v2(kLocal, 0, ""), ""},
      {"V2Unspecified", v2(kProxy, 0, ""), ""},
      {"V2WithTlvs", v2_ipv4(tlv(0x02, "example.org") + tlv(0x04, "")), kSourceV4},
      {"V2Longest", v2_longest(), kSourceV4},
  };
  return cases;
}

class ProxyHeader : public testing::TestWithParam<std::tuple<HeaderCase, bool>> {
 protected:
  const HeaderCase& header_case() const { return std::get<0>(GetParam()); }
  bool framed_lines() const { return std::get<1>(GetParam()); }
  tcpkit_server_options options() const {
    return with_proxy(TCPKIT_PROXY_REQUIRED, framed_lines());
  }
  Behaviour recording() {
    return {.on_open = [this](tcpkit_conn* conn) {
      remote_ = remote_of(conn);
      proxy_ = proxy_of(conn);
    }};
  }
  void expect_told(const TestServer& server, const RawClient& client) {
    expect_payload(server, framed_lines());
    ASSERT_TRUE(server.settle());
    const bool replaced = !header_case().source.empty();
    EXPECT_EQ(replaced ? header_case().source : own_address(client), remote_);
    EXPECT_EQ(replaced ? own_address(client) : "", proxy_);
    EXPECT_EQ(1u, server.open_count());
    EXPECT_EQ(1u, server.metrics().proxy_headers);
    EXPECT_EQ(0u, server.metrics().proxy_errors);
  }

  std::string remote_;
  std::string proxy_;
};

TEST_P(ProxyHeader, AndDataInOneSendAreTakenApart) {
  TestServer server(options(), recording());
  RawClient client = server.connect();
  client.send(header_case().header + kPayload);
  expect_told(server, client);
}

TEST_P(ProxyHeader, AndDataOneByteAtATimeAreTakenApart) {
  TestServer server(options(), recording());
  RawClient client = server.connect();
  client.send_in_pieces(header_case().header + kPayload, 1);
  expect_told(server, client);
}

TEST_P(ProxyHeader, OpensTheConnectionBeforeDataComes) {
  TestServer server(options(), recording());
  RawClient client = server.connect();
  client.send(header_case().header);
  ASSERT_TRUE(server.wait_opens(1));
  client.send(kPayload);
  expect_told(server, client);
}

TEST_P(ProxyHeader, CutBeforeItsLastByteOpensNothingUntilThatComes) {
  TestServer server(options(), recording());
  RawClient client = server.connect();
  const std::string& header = header_case().header;
  client.send(header.substr(0, header.size() - 1));
  wait_unannounced(server, header.size() - 1);
  client.send(header.substr(header.size() - 1) + kPayload);
  expect_told(server, client);
}

INSTANTIATE_TEST_SUITE_P(Every, ProxyHeader,
                         testing::Combine(testing::ValuesIn(header_cases()), testing::Bool()),
                         [](const auto& test) {
                           return std::string(std::get<0>(test.param).name) +
                                  (std::get<1>(test.param) ? "Framed" : "Unframed");
                         });

TEST(Proxy, OnOpenComesOnlyAfterTheHeader) {
  TestServer server(required());
  RawClient client = server.connect();
  wait_unannounced(server);
  client.send(kLineV4);
  EXPECT_TRUE(server.wait_opens(1));
}

TEST(Proxy, AddressesCanStillBeAskedAfterTheClose) {
  TestServer server(required());
  RawClient client = server.connect();
  client.send(kLineV4);
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  const std::string real = own_address(client);
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(kSourceV4, remote_of(conn.get()));
  EXPECT_EQ(real, proxy_of(conn.get()));
}

TEST(Proxy, OnAUnixSocketTheProxyIsTheUnixPeer) {
  tcpkit_server_options options = required();
  options.proxy_trusted = "unix";
  TestServer server(options,
                    {.addresses = {"unix://@tcpkit-proxy-test-" + std::to_string(getpid())}});
  RawClient client = server.connect();
  client.send(kLineV4);
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  EXPECT_EQ(kSourceV4, remote_of(conn.get()));
  EXPECT_EQ("unix", proxy_of(conn.get()));
}

TEST(Proxy, OffByDefaultAHeaderIsData) {
  TestServer server;
  RawClient client = server.connect();
  client.send(kLineV4);
  ASSERT_TRUE(server.wait_data(std::strlen(kLineV4)));
  EXPECT_EQ(kLineV4, server.data_of(server.opened_id(0)));
  EXPECT_EQ(0u, server.metrics().proxy_headers);
}

TEST(Proxy, ASecondHeaderIsData) {
  TestServer server(required());
  RawClient client = server.connect();
  client.send(std::string(kLineV4) + kLineV6);
  ASSERT_TRUE(server.wait_data(std::strlen(kLineV6)));
  EXPECT_EQ(kLineV6, server.data_of(server.opened_id(0)));
  EXPECT_EQ(1u, server.metrics().proxy_headers);
}

TEST(Proxy, TwoHundredConnectionsKeepTheirHeadersAndDataApart) {
  constexpr size_t kConnections = 200;
  tcpkit_server_options options = required();
  options.loops = 2;
  Monitor monitor;
  std::set<std::string> remotes;
  Behaviour behaviour = echo();
  behaviour.on_open = [&](tcpkit_conn* conn) {
    monitor.change([&] { remotes.insert(remote_of(conn)); });
  };
  TestServer server(options, behaviour);
  std::vector<RawClient> clients;
  for (size_t i = 0; i < kConnections; ++i) clients.push_back(server.connect());
  const auto header_of = [](size_t i) { return v2_ipv4("", 1000 + i); };
  for (size_t i = 0; i < kConnections; ++i) clients[i].send(header_of(i).substr(0, 1 + i % 20));
  for (size_t i = 0; i < kConnections; ++i) {
    clients[i].send(header_of(i).substr(1 + i % 20) + std::to_string(i));
  }
  for (size_t i = 0; i < kConnections; ++i) {
    const std::string text = std::to_string(i);
    EXPECT_EQ(text, clients[i].receive(text.size()));
  }
  EXPECT_EQ(kConnections, monitor.look([&] { return remotes.size(); }));
  EXPECT_EQ(1u, remotes.count("192.0.2.7:1199"));
  EXPECT_EQ(kConnections, server.metrics().proxy_headers);
}

// ---- TLVs ----

std::string tlv_text(const tcpkit_conn* conn, uint32_t type) {
  tcpkit_slice value{};
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_proxy_tlv(conn, type, &value)) << type;
  return {static_cast<const char*>(value.data), value.size};
}

TEST(ProxyTlv, IsReadInOnOpenByItsType) {
  std::string authority;
  std::string last;
  TestServer server(required(), {.on_open = [&](tcpkit_conn* conn) {
                      authority = tlv_text(conn, 0x02);
                      last = tlv_text(conn, 0xFF);
                    }});
  RawClient client = server.connect();
  client.send(v2_ipv4(tlv(0x02, "example.org") + tlv(0xFF, std::string("a\0b", 3))) + "x");
  ASSERT_TRUE(server.wait_data(1));
  EXPECT_EQ("example.org", authority);
  EXPECT_EQ(std::string("a\0b", 3), last);
}

TEST(ProxyTlv, OfTwoOfOneTypeTheFirstIsFound) {
  std::string found;
  TestServer server(required(),
                    {.on_open = [&](tcpkit_conn* conn) { found = tlv_text(conn, 0xE0); }});
  RawClient client = server.connect();
  client.send(v2_ipv4(tlv(0xE0, "one") + tlv(0xE0, "two")) + "x");
  ASSERT_TRUE(server.wait_data(1));
  EXPECT_EQ("one", found);
}

TEST(ProxyTlv, WithoutAValueIsFoundAsEmpty) {
  tcpkit_status status = TCPKIT_E_INTERNAL;
  tcpkit_slice value{"?", 1};
  TestServer server(required(), {.on_open = [&](tcpkit_conn* conn) {
                      status = tcpkit_conn_proxy_tlv(conn, 0xE1, &value);
                    }});
  RawClient client = server.connect();
  client.send(v2_ipv4(tlv(0xE1, "")) + "x");
  ASSERT_TRUE(server.wait_data(1));
  EXPECT_EQ(TCPKIT_OK, status);
  EXPECT_EQ(0u, value.size);
}

TEST(ProxyTlv, CanStillBeReadInOnClose) {
  std::string found;
  TestServer server(required(), {.on_close = [&](tcpkit_conn* conn, const tcpkit_close_info&) {
                      found = tlv_text(conn, 0x02);
                    }});
  RawClient client = server.connect();
  client.send(v2_ipv4(tlv(0x02, "example.org")));
  ASSERT_TRUE(server.wait_opens(1));
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ("example.org", found);
}

tcpkit_status status_of_tlv(const std::string& header, uint32_t type) {
  tcpkit_status status = TCPKIT_E_INTERNAL;
  TestServer server(optional(), {.on_open = [&](tcpkit_conn* conn) {
                      tcpkit_slice value{};
                      status = tcpkit_conn_proxy_tlv(conn, type, &value);
                    }});
  RawClient client = server.connect();
  client.send(header + "x");
  EXPECT_TRUE(server.wait_data(1));
  return status;
}

TEST(ProxyTlv, ThatTheHeaderDoesNotHaveIsNotFound) {
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, status_of_tlv(v2_ipv4(tlv(0x02, "x")), 0x03));
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, status_of_tlv(v2_ipv4(), 0x02));
}

TEST(ProxyTlv, OfAVersion1HeaderIsNotFound) {
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, status_of_tlv(kLineV4, 0x02));
}

TEST(ProxyTlv, WithoutAHeaderIsNotFound) {
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, status_of_tlv("", 0x02));
}

TEST(ProxyTlv, OfATypeBeyond255IsRefusedByName) {
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, status_of_tlv(v2_ipv4(tlv(0x00, "x")), 256));
}

TEST(ProxyTlv, IsForTheLoopOnly) {
  TestServer server(required());
  RawClient client = server.connect();
  client.send(v2_ipv4(tlv(0x02, "x")));
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  tcpkit_slice value{};
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, tcpkit_conn_proxy_tlv(conn.get(), 0x02, &value));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_proxy_tlv(nullptr, 0x02, &value));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_proxy_tlv(conn.get(), 0x02, nullptr));
}

}  // namespace
