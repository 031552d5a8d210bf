// Peers that do not speak TLS, or not well, or not with us: each its own status, and an idle loop.
#include <sys/resource.h>

#include <thread>

#include "tls_client.h"

using namespace testkit;
using tcpkit::test::Claims;
using tcpkit::test::Issued;
using tcpkit::test::TestAuthority;

namespace {

void expect_tls_error(const TestServer& server, tcpkit_status status) {
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, info.reason) << tcpkit_close_reason_name(info.reason);
  EXPECT_EQ(status, info.status) << tcpkit_status_name(info.status);
  EXPECT_EQ(1u, server.metrics().tls_failures);
  EXPECT_EQ(0u, server.metrics().tls_handshakes_now);
  EXPECT_EQ(0u, server.open_count());
}

// The loop sleeps: hardly any processor time passes while nothing happens.
void expect_idle_loops() {
  const auto cpu_us = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_utime.tv_sec * 1'000'000 + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_sec * 1'000'000 + usage.ru_stime.tv_usec;
  };
  const auto before_us = cpu_us();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LT(cpu_us() - before_us, 100'000);
}

TEST(TlsBadPeers, FiveGarbageBytesEndTheConnectionAndLeaveTheLoopIdle) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  RawClient client = server.connect();
  client.send("abcde");
  expect_tls_error(server, TCPKIT_E_TLS_NOT_TLS);
  EXPECT_NE(StreamEnd::kDeadline, client.wait_for_end());
  expect_idle_loops();
}

TEST(TlsBadPeers, FewerBytesThanAHeaderAreToldFromTlsByTheFirstOne) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  RawClient client = server.connect();
  client.send("GET");
  expect_tls_error(server, TCPKIT_E_TLS_NOT_TLS);
}

TEST(TlsBadPeers, PlainHttpIsToldFromTls) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  RawClient client = server.connect();
  client.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  expect_tls_error(server, TCPKIT_E_TLS_NOT_TLS);
}

TEST(TlsBadPeers, RandomBytesBehindATlsHeaderAreAnError) {
  const TlsOwner tls = simple_tls();
  uint32_t state = 1;
  for (int i = 0; i < 50; ++i) {
    TestServer server(with_tls(tls));
    RawClient client = server.connect();
    std::string bytes("\x16\x03\x01\x02\x00", 5);
    for (int k = 0; k < 512; ++k) {
      state = state * 1103515245u + 12345u;
      bytes += static_cast<char>(state >> 16);
    }
    client.send(bytes);
    client.half_close();
    ASSERT_TRUE(server.wait_closes(1));
    EXPECT_NE(TCPKIT_OK, server.close_info().status);
    EXPECT_EQ(0u, server.open_count());
  }
}

// What a client sends first, or, once the server has answered that, next.
enum class Flight { kFirst, kSecond };

// One client that sends all before its last flight, and that up to cut_size bytes. Tells how long
// the whole flight is.
size_t cut_handshake(const TestServer& server, int version, Flight last, size_t cut_size) {
  TlsClient client(server, version);
  std::string flight = client.next_flight();
  if (last == Flight::kSecond) {
    client.raw().send(flight);
    flight = client.next_flight();
  }
  client.raw().send(flight.substr(0, cut_size));
  return flight.size();
}

TEST(TlsBadPeers, AHandshakeThatIsCutAtAnyByteLeavesNothing) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  size_t connections = 0;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const Flight last : {Flight::kFirst, Flight::kSecond}) {
      size_t size = 0;
      size_t whole = 1;
      for (; size < whole; ++size) whole = cut_handshake(server, version, last, size);
      EXPECT_GT(whole, 50u);
      connections += size;
    }
  }
  ASSERT_TRUE(server.wait_closes(connections));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().connections == 0; }));
  EXPECT_EQ(0u, server.metrics().tls_handshakes);
  // One of each version sent nothing, and so began none.
  EXPECT_EQ(connections - 2, server.metrics().tls_failures);
  EXPECT_EQ(0u, server.metrics().tls_handshakes_now);
  EXPECT_EQ(0u, server.open_count());
}

TEST(TlsBadPeers, AVersionThatIsTooOldHasNothingInCommon) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.self_signed = "localhost";
  options.min_version = TCPKIT_TLS_1_3;
  const TlsOwner tls = make_tls(options);
  TestServer server(with_tls(tls));
  TlsClient client(server, TLS1_2_VERSION);
  EXPECT_FALSE(client.handshake());
  expect_tls_error(server, TCPKIT_E_TLS_NO_COMMON);
  EXPECT_EQ(SSL_AD_PROTOCOL_VERSION, server.close_info().tls_alert);
}

TEST(TlsBadPeers, AnAlertOfThePeerIsNamed) {
  const TlsOwner tls = simple_tls();
  std::string detail;
  TestServer server(with_tls(tls), {.on_close = [&](tcpkit_conn*, const tcpkit_close_info& info) {
                      detail = info.detail;
                    }});
  const SslContext strict = client_context(TLS1_2_VERSION);
  SSL_CTX_set_verify(strict.get(), SSL_VERIFY_PEER, nullptr);
  TlsClient client(server.connect(), strict.get());
  EXPECT_FALSE(client.handshake());
  expect_tls_error(server, TCPKIT_E_TLS_ALERT);
  EXPECT_EQ(SSL_AD_UNKNOWN_CA, server.close_info().tls_alert);
  EXPECT_EQ("alert 48: unknown CA (received)", detail);
}

TEST(TlsBadPeers, ARecordThatIsTooLargeEndsTheConnection) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server, TLS1_3_VERSION);
  ASSERT_TRUE(client.handshake());
  client.send("data before");
  EXPECT_EQ("data before", client.receive(11));
  client.raw().send(std::string("\x17\x03\x03\x48\x00", 5) + std::string(0x4800, 'x'));
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, info.reason);
  EXPECT_EQ(TCPKIT_E_TLS, info.status);
  EXPECT_EQ(SSL_AD_RECORD_OVERFLOW, info.tls_alert);
}

TEST(TlsBadPeers, ARecordThatWasChangedEndsTheConnectionBehindTheDataBeforeIt) {
  const TlsOwner tls = simple_tls();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TestServer server(with_tls(tls));
    TlsClient client(server, version);
    ASSERT_TRUE(client.handshake());
    client.seal("good");
    std::string bytes = client.take_sealed();
    client.seal("bad");
    bytes += client.take_sealed();
    bytes.back() = static_cast<char>(bytes.back() ^ 1);
    client.raw().send(bytes);
    const tcpkit_close_info info = server.close_info();
    EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, info.reason);
    EXPECT_EQ(SSL_AD_BAD_RECORD_MAC, info.tls_alert);
    EXPECT_EQ("good", server.data_of(server.opened_id(0)));
  }
}

TEST(TlsBadPeers, EmptyRecordsWithoutEndAreAnError) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server, TLS1_3_VERSION);
  ASSERT_TRUE(client.handshake());
  std::string empty;
  for (int i = 0; i < 1000; ++i) empty += std::string("\x14\x03\x03\x00\x01\x01", 6);
  (void)client.raw().try_send(empty);
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, server.close_info().reason);
  expect_idle_loops();
}

TEST(TlsBadPeers, AFloodOfWarningsIsAnError) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  TlsClient client(server, TLS1_2_VERSION);
  SSL_do_handshake(client.ssl());
  std::string flood = client.take_sealed();
  for (int i = 0; i < 1000; ++i) flood += std::string("\x15\x03\x03\x00\x02\x01\x5a", 7);
  (void)client.raw().try_send(flood);
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, server.close_info().reason);
  EXPECT_EQ(TCPKIT_E_TLS, server.close_info().status);
  expect_idle_loops();
}

TEST(TlsBadPeers, AHandshakeOfEmptyRecordsIsAnError) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  RawClient client = server.connect();
  std::string empty;
  for (int i = 0; i < 1000; ++i) empty += std::string("\x16\x03\x01\x00\x00", 5);
  (void)client.try_send(empty);
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, server.close_info().reason);
  expect_idle_loops();
}

TEST(TlsBadPeers, ARecordOfTheLargestSizeIsTaken) {
  constexpr size_t kLargest = 16384;
  const TlsOwner tls = simple_tls();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TestServer server(with_tls(tls), echo());
    TlsClient client(server, version);
    ASSERT_TRUE(client.handshake());
    const std::string bytes = numbers(kLargest);
    client.send(bytes);
    EXPECT_TRUE(client.receive(kLargest) == bytes);
  }
}

TEST(TlsBadPeers, RenegotiationIsRefused) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server, TLS1_2_VERSION);
  ASSERT_TRUE(client.handshake());
  SSL_renegotiate(client.ssl());
  EXPECT_FALSE(client.handshake());
  client.raw().close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, info.reason);
  EXPECT_EQ(TCPKIT_E_TLS_NO_COMMON, info.status) << "the client has said handshake_failure";
  EXPECT_EQ(SSL_AD_HANDSHAKE_FAILURE, info.tls_alert);
  EXPECT_EQ(1u, server.metrics().tls_handshakes);
}

TEST(TlsBadPeers, KeyUpdatesAreAnswered) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server, TLS1_3_VERSION);
  ASSERT_TRUE(client.handshake());
  for (int i = 0; i < 5; ++i) {
    ASSERT_EQ(1, SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED));
    client.send("again");
    EXPECT_EQ("again", client.receive(5));
  }
}

// ---- Limits and times ----

TEST(TlsLimits, AHandshakeThatDoesNotComeEndsAtItsTimeout) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.handshake_timeout_ms = 40;
  TestServer server(options);
  const auto begin = std::chrono::steady_clock::now();
  RawClient client = server.connect();
  client.send("\x16");
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(40));
  EXPECT_EQ(TCPKIT_CLOSE_HANDSHAKE_TIMEOUT, server.close_info().reason);
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, server.close_info().status);
  EXPECT_STREQ("HANDSHAKE_TIMEOUT", tcpkit_close_reason_name(TCPKIT_CLOSE_HANDSHAKE_TIMEOUT));
  EXPECT_EQ(1u, server.metrics().tls_failures);
}

TEST(TlsLimits, MoreHandshakesThanMayBeUnderWayAreReset) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.max_handshakes = 2;
  TestServer server(options, echo());
  const RawClient first = server.connect();
  RawClient second = server.connect();
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().tls_handshakes_now == 2; }));
  RawClient third = server.connect();
  EXPECT_EQ(StreamEnd::kReset, third.wait_for_end());
  EXPECT_EQ(1u, server.metrics().refused_by_handshakes);
  EXPECT_EQ(TCPKIT_CLOSE_LIMIT, server.close_info().reason);
  second.close();
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().tls_handshakes_now == 1; }));
  TlsClient fourth(server);
  EXPECT_TRUE(fourth.handshake());
}

TEST(TlsLimits, OneMoreHandshakeBehindAFirstByteIsResetToo) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.tls_or_plain = TCPKIT_ON;
  options.max_handshakes = 1;
  TestServer server(options, echo());
  RawClient first = server.connect();
  first.send("\x16");
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().tls_handshakes_now == 1; }));
  TlsClient second(server);
  EXPECT_FALSE(second.handshake());
  EXPECT_EQ(TCPKIT_CLOSE_LIMIT, server.close_info().reason);
  EXPECT_EQ(1u, server.metrics().refused_by_handshakes);
  EXPECT_EQ(0u, server.metrics().tls_failures);
}

TEST(TlsLimits, AQuantumOfHandshakesLetsAllOfThemInAfterTime) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.handshake_quantum_ms = 1;
  TestServer server(options, echo());
  std::vector<TlsClient> clients;
  for (int i = 0; i < 30; ++i) {
    clients.emplace_back(server);
    SSL_do_handshake(clients.back().ssl());
    clients.back().push();
  }
  for (TlsClient& client : clients) {
    EXPECT_TRUE(client.handshake());
    client.send("in");
    EXPECT_EQ("in", client.receive(2));
  }
}

TEST(TlsLimits, ADrainEndsAHandshakeAtOnce) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls));
  RawClient client = server.connect();
  client.send("\x16");
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().tls_handshakes_now == 1; }));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), 20'000, nullptr));
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
}

// ---- Client certificates ----

class ClientAuth : public ::testing::Test {
 protected:
  TlsOwner tls(tcpkit_tls_client_auth mode) {
    const Issued leaf = authority_.server("localhost");
    const std::string chain = authority_.chain_pem(leaf);
    const std::string key = leaf.key_pem();
    const std::string ca = authority_.root().pem();
    tcpkit_tls_certificate certificate = TCPKIT_TLS_CERTIFICATE_INIT;
    certificate.chain_pem = {chain.data(), chain.size()};
    certificate.key_pem = {key.data(), key.size()};
    tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
    options.certificates = &certificate;
    options.certificate_count = 1;
    options.client_auth = mode;
    options.ca_pem = {ca.data(), ca.size()};
    return make_tls(options);
  }
  static SslContext context_with(const Issued& shown, const Issued& intermediate) {
    SslContext context = client_context();
    SSL_CTX_use_certificate(context.get(), shown.certificate.get());
    SSL_CTX_add1_chain_cert(context.get(), intermediate.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), shown.key.get());
    return context;
  }
  void expect_refused(const Issued& shown, const Issued& intermediate, tcpkit_status status) {
    const TlsOwner strict = tls(TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
    TestServer server(with_tls(strict));
    TlsClient client(server.connect(), context_with(shown, intermediate).get());
    (void)client.handshake();
    expect_tls_error(server, status);
  }
  Issued client_until(long ends_in, long begins_in = -3600) const {
    Claims claims{"somebody"};
    claims.usage = "clientAuth";
    claims.begins_in = begins_in;
    claims.ends_in = ends_in;
    return authority_.leaf(claims);
  }

  const TestAuthority authority_;
};

TEST_F(ClientAuth, ShowsTheServerWhoTheClientIs) {
  const TlsOwner strict = tls(TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  std::string subject;
  std::string names;
  uint64_t certificates = 0;
  std::string leaf_der;
  TestServer server(with_tls(strict), {.on_open = [&](tcpkit_conn* conn) {
                      tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_tls_info(conn, &info));
                      EXPECT_EQ(1, info.peer_verified);
                      subject = info.peer_subject;
                      names = info.peer_names;
                      certificates = info.peer_certificates;
                      tcpkit_slice der{};
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_tls_peer_certificate(conn, 0, &der));
                      leaf_der.assign(static_cast<const char*>(der.data), der.size);
                      EXPECT_EQ(TCPKIT_E_NOT_FOUND,
                                tcpkit_conn_tls_peer_certificate(conn, certificates, &der));
                    }});
  Claims claims{"alice", "DNS:alice.example,IP:192.0.2.7,email:alice@example.org"};
  claims.usage = "clientAuth";
  const Issued alice = authority_.leaf(claims);
  TlsClient client(server.connect(), context_with(alice, authority_.intermediate()).get());
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  server.stop();
  EXPECT_EQ("CN=alice", subject);
  EXPECT_EQ("DNS:alice.example,IP:192.0.2.7,email:alice@example.org", names);
  EXPECT_EQ(3u, certificates);
  EXPECT_EQ(static_cast<size_t>(i2d_X509(alice.certificate.get(), nullptr)), leaf_der.size());
}

TEST_F(ClientAuth, ThatIsOptionalLetsOneWithoutACertificateIn) {
  const TlsOwner lenient = tls(TCPKIT_TLS_CLIENT_AUTH_OPTIONAL);
  TestServer server(with_tls(lenient), echo());
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send("x");
  EXPECT_EQ("x", client.receive(1));
}

TEST_F(ClientAuth, ThatIsRequiredRefusesOneWithoutACertificate) {
  const TlsOwner strict = tls(TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  TestServer server(with_tls(strict));
  TlsClient client(server);
  (void)client.handshake();
  expect_tls_error(server, TCPKIT_E_TLS_NO_CERTIFICATE);
}

TEST_F(ClientAuth, TellsWhatIsWrongWithACertificate) {
  expect_refused(client_until(-60), authority_.intermediate(), TCPKIT_E_TLS_EXPIRED);
  expect_refused(client_until(7200, 3600), authority_.intermediate(), TCPKIT_E_TLS_NOT_YET_VALID);
  const TestAuthority other("somebody else");
  expect_refused(other.client("mallory"), other.intermediate(), TCPKIT_E_TLS_UNTRUSTED);
  Claims selfmade{"selfmade"};
  selfmade.usage = "clientAuth";
  expect_refused(tcpkit::test::issue(selfmade), authority_.intermediate(),
                 TCPKIT_E_TLS_SELF_SIGNED);
  expect_refused(authority_.server("wrong.example"), authority_.intermediate(),
                 TCPKIT_E_TLS_WRONG_PURPOSE);
}

}  // namespace
