// Clients that speak TLS: with servers of ours, each way in which a certificate can be wrong, peers
// that do not speak it, and freeing in the middle of a handshake.
#include <thread>

#include "client_fixture.h"
#include "tls_client.h"

using namespace testkit;
using tcpkit::test::Claims;
using tcpkit::test::Issued;
using tcpkit::test::TestAuthority;

namespace {

tcpkit_slice slice_of(const std::string& text) {
  return {text.data(), text.size()};
}

const TestAuthority& authority() {
  static const TestAuthority made;
  return made;
}

TlsOwner server_tls(const Issued& leaf, const char* alpn = nullptr,
                    const TestAuthority& issuer = authority()) {
  const std::string chain = issuer.chain_pem(leaf);
  const std::string key = leaf.key_pem();
  tcpkit_tls_certificate certificate = TCPKIT_TLS_CERTIFICATE_INIT;
  certificate.chain_pem = slice_of(chain);
  certificate.key_pem = slice_of(key);
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.certificates = &certificate;
  options.certificate_count = 1;
  options.alpn = alpn;
  return make_tls(options);
}

TlsOwner trusting_tls(const char* alpn = nullptr) {
  const std::string root = authority().root().pem();
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.ca_pem = slice_of(root);
  options.alpn = alpn;
  return make_tls(options);
}

tcpkit_client_options speaking(const TlsOwner& tls, const char* server_name = "a.example") {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.tls = tls.get();
  options.server_name = server_name;
  return options;
}

TEST(ClientTls, VerifiesTheServerAndTellsWhatWasAgreedOn) {
  const TlsOwner theirs = server_tls(authority().server("a.example"), "h2,echo");
  const TlsOwner ours = trusting_tls("echo");
  TestServer server(with_tls(theirs), echo());
  std::string said;
  TestClient client(speaking(ours), {.on_open = [&](tcpkit_conn* conn) {
                      tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_tls_info(conn, &info));
                      EXPECT_EQ(1, info.peer_verified);
                      said =
                          std::string(info.alpn) + " " + info.server_name + " " + info.peer_names;
                      send_text(conn, "sealed");
                    }});
  client.connect(server.address());
  ASSERT_TRUE(client.wait_data("sealed"));
  EXPECT_EQ("echo a.example DNS:a.example", said);
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, client.close_info().reason);
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_EQ(1u, client.metrics().tls_handshakes);
}

TEST(ClientTls, TheHostOfTheAddressIsVerifiedByDefault) {
  const TlsOwner theirs =
      server_tls(authority().leaf(Claims{"localhost", "DNS:localhost,IP:127.0.0.1"}));
  const TlsOwner ours = trusting_tls();
  TestServer server(with_tls(theirs), echo());
  TestClient client(speaking(ours, nullptr));
  for (const std::string host : {"127.0.0.1", "localhost"}) {
    std::string address = server.address();
    address.replace(address.find("127.0.0.1"), 9, host);
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_dial(client.get(), address.c_str(), nullptr))
        << TestClient::last_error();
    const size_t closes = client.closes();
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_close(client.get()));
    EXPECT_TRUE(client.wait_closes(closes + 1));
  }
}

TEST(ClientTls, TheDotOfACompleteNameIsNotPartOfIt) {
  const TlsOwner theirs = server_tls(authority().server("a.example"));
  const TlsOwner ours = trusting_tls();
  TestServer server(with_tls(theirs), echo());
  TestClient client(speaking(ours, "a.example."));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_dial(client.get(), server.address().c_str(), nullptr))
      << TestClient::last_error();
}

TEST(ClientTls, WithoutANameToVerifyNothingIsConnected) {
  const TlsOwner ours = trusting_tls();
  TestClient client(speaking(ours, nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_client_connect(client.get(), "unix:///tmp/x"));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_client_connect(client.get(), "tcp://:7"));
}

TEST(ClientTls, EachThingThatIsWrongWithACertificateHasItsStatus) {
  Claims expired{"a.example", "DNS:a.example"};
  expired.begins_in = -7200;
  expired.ends_in = -3600;
  Claims early{"a.example", "DNS:a.example"};
  early.begins_in = 3600;
  Claims client_only{"a.example", "DNS:a.example"};
  client_only.usage = "clientAuth";
  const TestAuthority stranger("stranger");
  const TlsOwner ours = trusting_tls();
  tcpkit_tls_options self_signed = TCPKIT_TLS_OPTIONS_INIT;
  self_signed.self_signed = "a.example";
  struct Case {
    TlsOwner theirs;
    tcpkit_status status;
  };
  Case cases[] = {
      {server_tls(authority().server("b.example")), TCPKIT_E_TLS_WRONG_HOST},
      {server_tls(authority().leaf(expired)), TCPKIT_E_TLS_EXPIRED},
      {server_tls(authority().leaf(early)), TCPKIT_E_TLS_NOT_YET_VALID},
      {server_tls(authority().leaf(client_only)), TCPKIT_E_TLS_WRONG_PURPOSE},
      {server_tls(stranger.server("a.example"), nullptr, stranger), TCPKIT_E_TLS_UNTRUSTED},
      {make_tls(self_signed), TCPKIT_E_TLS_SELF_SIGNED},
  };
  for (const Case& one : cases) {
    TestServer server(with_tls(one.theirs), echo());
    TestClient client(speaking(ours));
    EXPECT_EQ(one.status, tcpkit_client_dial(client.get(), server.address().c_str(), nullptr));
    const std::string message = TestClient::last_error();
    EXPECT_NE(std::string::npos, message.find(server.address())) << message;
    EXPECT_EQ(0u, client.opens());
    EXPECT_EQ(0u, client.closes()) << "it was never open";
    EXPECT_GE(client.failure().tls_alert, 0) << client.failure().message;
    EXPECT_EQ(1u, client.metrics().tls_failures);
    EXPECT_EQ(1u, client.metrics().connect_failures);
  }
}

TEST(ClientTls, TakesAnyCertificateIfItIsToldTo) {
  const TlsOwner theirs = server_tls(authority().server("b.example"));
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.insecure_accept_any_certificate = TCPKIT_ON;
  const TlsOwner ours = make_tls(options);
  TestServer server(with_tls(theirs), echo());
  TestClient client(speaking(ours, nullptr));
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_dial(client.get(), server.address().c_str(), nullptr));
}

TEST(ClientTls, ResumesTheSessionOfTheHost) {
  const TlsOwner theirs = server_tls(authority().server("a.example"));
  const TlsOwner ours = trusting_tls();
  TestServer server(with_tls(theirs), echo());
  TestClient client(
      speaking(ours),
      {.on_open = [](tcpkit_conn* conn) { send_text(conn, "x"); },
       .on_data = [](tcpkit_conn* conn, std::string_view) { (void)tcpkit_conn_close(conn); }});
  for (size_t round = 1; round <= 2; ++round) {
    client.connect(server.address());
    ASSERT_TRUE(client.wait_closes(round));
  }
  EXPECT_EQ(2u, client.metrics().tls_handshakes);
  EXPECT_EQ(1u, client.metrics().tls_resumed);
}

TEST(ClientTls, APeerThatDoesNotSpeakTlsIsTold) {
  for (const std::string answer : {"hi", "220 smtp.example ready\r\n"}) {
    TestServer server(with_loops(1),
                      {.on_open = [&](tcpkit_conn* conn) { send_text(conn, answer); }});
    const TlsOwner ours = trusting_tls();
    TestClient client(speaking(ours));
    client.connect(server.address());
    EXPECT_EQ(TCPKIT_E_TLS_NOT_TLS, client.failure().status) << client.failure().message;
  }
}

TEST(ClientTls, APeerThatClosesOrResetsInsteadIsToldToo) {
  for (const bool abort : {false, true}) {
    TestServer server(with_loops(1), {.on_open = [&](tcpkit_conn* conn) {
                        (void)(abort ? tcpkit_conn_abort(conn) : tcpkit_conn_close(conn));
                      }});
    const TlsOwner ours = trusting_tls();
    TestClient client(speaking(ours));
    client.connect(server.address());
    const ConnectRecord failure = client.failure();
    EXPECT_EQ(abort ? TCPKIT_E_RESET : TCPKIT_E_TLS_TRUNCATED, failure.status) << failure.message;
    EXPECT_TRUE(failure.is_final());
  }
}

TEST(ClientTls, APeerThatSaysNothingCostsTheTimeOfTheAttempt) {
  const BareListener silent;
  const TlsOwner ours = trusting_tls();
  tcpkit_client_options options = speaking(ours);
  options.connect_timeout_ms = 60;
  TestClient client(options);
  client.connect(silent.address());
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, client.failure().status);
  EXPECT_NE(std::string::npos, client.failure().message.find("handshake"))
      << client.failure().message;
}

TEST(ClientTls, IsFreedInTheMiddleOfAHandshake) {
  for (const bool on_shared_loop : {false, true}) {
    const LoopOwner loop = started_loop();
    const BareListener silent;
    const TlsOwner ours = trusting_tls();
    tcpkit_client_options options = speaking(ours);
    if (on_shared_loop) options.loop = loop.get();
    TestClient client(options);
    client.connect(silent.address());
    const int fd = silent.accept_fd();
    ASSERT_GE(fd, 0);
    client.free();
    EXPECT_EQ(1u, client.failures().size());
    EXPECT_EQ(TCPKIT_E_CANCELLED, client.failure().status);
    ::close(fd);
  }
}

TEST(ClientTls, SendsAProxyHeaderInClearBeforeTheHandshake) {
  const TlsOwner theirs = server_tls(authority().server("a.example"));
  const TlsOwner ours = trusting_tls();
  for (const tcpkit_send_proxy version : {TCPKIT_SEND_PROXY_V1, TCPKIT_SEND_PROXY_V2}) {
    for (const bool sealed : {false, true}) {
      tcpkit_server_options server_options = with_loops(1);
      if (sealed) server_options.tls = theirs.get();
      server_options.proxy_protocol = TCPKIT_PROXY_REQUIRED;
      server_options.proxy_trusted = "127.0.0.1";
      std::string seen;
      TestServer server(server_options, {.on_open = [&](tcpkit_conn* conn) {
                          char text[100] = "";
                          tcpkit_conn_remote_address(conn, text, sizeof text);
                          seen = text;
                          send_text(conn, "hello");
                        }});
      tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
      if (sealed) options = speaking(ours);
      options.send_proxy = version;
      options.proxy_source = "192.0.2.7:5000";
      options.proxy_destination = "[2001:db8::1]:443";
      TestClient client(options);
      client.connect(server.address());
      ASSERT_TRUE(client.wait_data("hello"));
      server.stop();
      EXPECT_EQ("192.0.2.7:5000", seen);
    }
  }
}

TEST(ClientTls, TheProxyHeaderNamesTheConnectionItselfByDefault) {
  tcpkit_server_options server_options = with_loops(1);
  server_options.proxy_protocol = TCPKIT_PROXY_REQUIRED;
  server_options.proxy_trusted = "127.0.0.1";
  std::string seen;
  TestServer server(server_options, {.on_open = [&](tcpkit_conn* conn) {
                      char text[100] = "";
                      tcpkit_conn_remote_address(conn, text, sizeof text);
                      seen = text;
                      send_text(conn, "hello");
                    }});
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.send_proxy = TCPKIT_SEND_PROXY_V2;
  TestClient client(options);
  client.connect(server.address());
  ASSERT_TRUE(client.wait_data("hello"));
  char text[100] = "";
  tcpkit_conn_local_address(client.conn().get(), text, sizeof text);
  server.stop();
  EXPECT_EQ(text, seen);
}

}  // namespace
