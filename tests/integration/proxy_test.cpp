// PROXY headers: who is believed, what is told, and that the user's bytes begin behind the header.
#include <set>
#include <stdexcept>
#include <tuple>

#include "server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kShort{60};
constexpr milliseconds kSeveralTimesShort{200};
constexpr uint64_t kLong = 15'000;  // a deadline that no test reaches

constexpr const char* kSourceV4 = "192.0.2.7:5000";
constexpr const char* kSourceV6 = "[2001:db8::7]:5000";
constexpr const char* kSourcePath = "/run/source.sock";
constexpr const char* kLineV4 = "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n";
constexpr const char* kLineV6 = "PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n";
constexpr const char* kPayload = "first\nsecond\n";

// ---- Headers ----

std::string u16(size_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

constexpr char kLocal = 0x20;
constexpr char kProxy = 0x21;
constexpr char kTcp4 = 0x11;
constexpr char kTcp6 = 0x21;
constexpr char kUnixStream = 0x31;

std::string v2(char command, char family, const std::string& rest) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + command + family + u16(rest.size()) + rest;
}

std::string tlv(uint8_t type, const std::string& value) {
  return static_cast<char>(type) + u16(value.size()) + value;
}

std::string v2_ipv4(const std::string& tlvs = "", size_t port = 5000) {
  const std::string ips("\xC0\x00\x02\x07\xC6\x33\x64\x01", 8);
  return v2(kProxy, kTcp4, ips + u16(port) + u16(443) + tlvs);
}

std::string v2_ipv6() {
  std::string ips(32, '\0');
  for (const size_t at : {size_t{0}, size_t{16}}) ips.replace(at, 4, "\x20\x01\x0d\xb8");
  ips[15] = 7;
  ips[31] = 1;
  return v2(kProxy, kTcp6, ips + u16(5000) + u16(443));
}

std::string v2_unix() {
  std::string source = kSourcePath;
  std::string destination = "/run/destination.sock";
  source.resize(108);
  destination.resize(108);
  return v2(kProxy, kUnixStream, source + destination);
}

// As long as a header may be: 4112 bytes.
std::string v2_longest() {
  return v2_ipv4(tlv(0xE0, numbers(4096 - 12 - 3)));
}

// ---- Servers ----

tcpkit_server_options with_proxy(tcpkit_proxy_protocol mode, bool framed_lines = false) {
  tcpkit_server_options options = with_loops(1);
  if (framed_lines) options.framing = tcpkit_framing_separator("\n", 1);
  options.proxy_protocol = mode;
  options.proxy_trusted = "127.0.0.1";
  return options;
}

tcpkit_server_options required() {
  return with_proxy(TCPKIT_PROXY_REQUIRED);
}

tcpkit_server_options optional() {
  return with_proxy(TCPKIT_PROXY_OPTIONAL);
}

tcpkit_server_options trusting_others(tcpkit_proxy_protocol mode) {
  tcpkit_server_options options = with_proxy(mode);
  options.proxy_trusted = "192.0.2.0/24,::1,unix";
  return options;
}

using AddressFn = size_t (*)(const tcpkit_conn*, char*, size_t);

std::string address_text(const tcpkit_conn* conn, AddressFn address) {
  char text[300] = "";
  const size_t size = address(conn, text, sizeof text);
  EXPECT_EQ(size, std::strlen(text));
  return text;
}

std::string remote_of(const tcpkit_conn* conn) {
  return address_text(conn, tcpkit_conn_remote_address);
}

std::string proxy_of(const tcpkit_conn* conn) {
  return address_text(conn, tcpkit_conn_proxy_address);
}

std::string own_address(const RawClient& client) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  getsockname(client.fd(), reinterpret_cast<sockaddr*>(&own), &size);
  char ip[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &own.sin_addr, ip, sizeof ip);
  return std::string(ip) + ":" + std::to_string(ntohs(own.sin_port));
}

// Waits until the server has a connection, of which the user knows nothing yet.
void wait_unannounced(const TestServer& server, size_t bytes_read = 0) {
  ASSERT_TRUE(server.wait_until([&] {
    const tcpkit_metrics metrics = server.metrics();
    return metrics.accepted >= 1 && metrics.total_read >= bytes_read;
  }));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0u, server.open_count());
}

// The connection ended so, the user was told nothing but that, and the header was counted.
void expect_failed(const TestServer& server, tcpkit_close_reason reason, tcpkit_status status) {
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(reason, info.reason) << tcpkit_close_reason_name(info.reason);
  EXPECT_EQ(status, info.status) << tcpkit_status_name(info.status);
  EXPECT_EQ(0u, server.open_count());
  EXPECT_EQ(1u, server.closes().size());
  EXPECT_EQ(0u, server.metrics().proxy_headers);
  EXPECT_EQ(1u, server.metrics().proxy_errors);
}

void expect_bad_header(const TestServer& server) {
  expect_failed(server, TCPKIT_CLOSE_PROXY_ERROR, TCPKIT_E_BAD_PROXY_HEADER);
}

void expect_payload(const TestServer& server, bool framed_lines) {
  if (framed_lines) {
    ASSERT_TRUE(server.wait_packets(2));
    EXPECT_EQ((std::vector<std::string>{"first", "second"}), server.packet_texts());
  } else {
    ASSERT_TRUE(server.wait_data(std::strlen(kPayload)));
    EXPECT_EQ(kPayload, server.data_of(server.opened_id(0)));
  }
}

// ---- What headers say ----

struct HeaderCase {
  const char* name;
  std::string header;
  std::string source;  // "": the real peer
};

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
