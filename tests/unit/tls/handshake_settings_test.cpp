// What handshakes agree on by default and by settings: versions, ciphers, groups, protocols; and
// what is logged of their keys.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>

#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

class HandshakeSettings : public testing::Test {
 protected:
  HandshakeSettings() {
    server_.show(authority_, authority_.server("a.example"));
    client_.trust(authority_);
  }

  // Outcome of a handshake with the settings so far.
  struct Outcome {
    bool done;
    int version;
    std::string cipher;
    int group;
    std::string alpn;
    std::string client_error;
  };
  Outcome shake_hands() {
    const Ref<TlsCredentials> server = server_.make();
    const Ref<TlsCredentials> client = client_.make();
    Handshake handshake(*server, *client);
    const bool done = handshake.shake_hands();
    return {done,
            SSL_version(handshake.client()),
            SSL_get_cipher_name(handshake.client()),
            done ? static_cast<int>(SSL_get_negotiated_group(handshake.server())) : 0,
            handshake.alpn(),
            handshake.client_error()};
  }

  TestAuthority authority_;
  TlsSetup server_;
  TlsSetup client_;
};

TEST_F(HandshakeSettings, AgreeOnTls13ByDefault) {
  const Outcome outcome = shake_hands();
  EXPECT_TRUE(outcome.done);
  EXPECT_EQ(outcome.version, TLS1_3_VERSION);
  EXPECT_EQ(outcome.group, NID_X25519);
}

TEST_F(HandshakeSettings, AgreeOnTls12WithAClientThatHasNothingNewer) {
  client_.options.max_version = TCPKIT_TLS_1_2;
  const Outcome outcome = shake_hands();
  EXPECT_EQ(outcome.version, TLS1_2_VERSION);
  EXPECT_EQ(outcome.cipher, "ECDHE-ECDSA-AES128-GCM-SHA256");
}

TEST_F(HandshakeSettings, FailWithoutAVersionInCommon) {
  server_.options.min_version = TCPKIT_TLS_1_3;
  client_.options.max_version = TCPKIT_TLS_1_2;
  const Outcome outcome = shake_hands();
  EXPECT_FALSE(outcome.done);
  EXPECT_EQ(outcome.client_error, "tlsv1 alert protocol version");
}

TEST_F(HandshakeSettings, RefuseOldVersionsOfOthers) {
  const Ref<TlsCredentials> server = server_.make();
  const Ref<TlsCredentials> client = client_.make();
  Handshake handshake(*server, *client);
  SSL_set_security_level(handshake.client(), 0);
  SSL_set_min_proto_version(handshake.client(), TLS1_VERSION);
  SSL_set_max_proto_version(handshake.client(), TLS1_1_VERSION);
  EXPECT_FALSE(handshake.shake_hands());
}

TEST_F(HandshakeSettings, OfTls12HaveForwardSecrecyAndAeadOnly) {
  const Ref<TlsCredentials> server = server_.make();
  const SslPtr ssl(server->new_ssl(TCPKIT_TLS_SERVER));
  const STACK_OF(SSL_CIPHER)* ciphers = SSL_get_ciphers(ssl.get());
  ASSERT_GT(sk_SSL_CIPHER_num(ciphers), 6);
  for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); ++i) {
    const SSL_CIPHER* cipher = sk_SSL_CIPHER_value(ciphers, i);
    const int exchange = SSL_CIPHER_get_kx_nid(cipher);
    EXPECT_EQ(SSL_CIPHER_is_aead(cipher), 1) << SSL_CIPHER_get_name(cipher);
    EXPECT_TRUE(exchange == NID_kx_ecdhe || exchange == NID_kx_any) << SSL_CIPHER_get_name(cipher);
  }
}

TEST_F(HandshakeSettings, HaveSecureOptionsAndGiveTheirBuffersBack) {
  const Ref<TlsCredentials> server = server_.make();
  for (const tcpkit_tls_role role : {TCPKIT_TLS_SERVER, TCPKIT_TLS_CLIENT}) {
    const SslPtr ssl(server->new_ssl(role));
    const uint64_t options = SSL_get_options(ssl.get());
    for (const uint64_t option : {SSL_OP_NO_COMPRESSION, SSL_OP_NO_RENEGOTIATION,
                                  SSL_OP_CIPHER_SERVER_PREFERENCE, SSL_OP_PRIORITIZE_CHACHA}) {
      EXPECT_EQ(options & option, option);
    }
    EXPECT_EQ(options & SSL_OP_IGNORE_UNEXPECTED_EOF, 0u);
    constexpr long kModes = SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;
    EXPECT_EQ(SSL_get_mode(ssl.get()) & kModes, kModes);
    EXPECT_EQ(SSL_get_security_level(ssl.get()), 2);
    EXPECT_EQ(SSL_is_server(ssl.get()), role == TCPKIT_TLS_SERVER ? 1 : 0);
  }
}

TEST_F(HandshakeSettings, TakeCiphersSuitesAndGroupsFromTheOptions) {
  server_.options.cipher_suites = "TLS_AES_128_GCM_SHA256";
  server_.options.groups = "P-384";
  const Outcome newest = shake_hands();
  EXPECT_EQ(newest.cipher, "TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(newest.group, NID_secp384r1);
  server_.options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384";
  server_.options.max_version = TCPKIT_TLS_1_2;
  EXPECT_EQ(shake_hands().cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_F(HandshakeSettings, FollowTheServersOrderOfCiphers) {
  server_.options.max_version = TCPKIT_TLS_1_2;
  server_.options.ciphers = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256";
  client_.options.ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384";
  EXPECT_EQ(shake_hands().cipher, "ECDHE-ECDSA-AES256-GCM-SHA384");
}

TEST_F(HandshakeSettings, GiveChachaToAClientThatWantsItFirst) {
  client_.options.max_version = TCPKIT_TLS_1_2;
  client_.options.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256";
  EXPECT_EQ(shake_hands().cipher, "ECDHE-ECDSA-CHACHA20-POLY1305");
}

TEST_F(HandshakeSettings, SendTheIntermediateCertificatesAndNothingElse) {
  server_.trust(authority_);
  const Ref<TlsCredentials> server = server_.make();
  const Ref<TlsCredentials> client = client_.make();
  Handshake handshake(*server, *client);
  ASSERT_TRUE(handshake.shake_hands());
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(handshake.client())), 2);
}

// ---- Application protocols ----

TEST_F(HandshakeSettings, ChooseTheProtocolThatTheServerPrefers) {
  server_.options.alpn = "h2, http/1.1";
  client_.options.alpn = "http/1.1,h2";
  EXPECT_EQ(shake_hands().alpn, "h2");
  client_.options.alpn = "http/1.1,spdy";
  EXPECT_EQ(shake_hands().alpn, "http/1.1");
}

TEST_F(HandshakeSettings, FailWithoutAProtocolInCommon) {
  server_.options.alpn = "h2";
  client_.options.alpn = "mqtt";
  const Outcome outcome = shake_hands();
  EXPECT_FALSE(outcome.done);
  EXPECT_EQ(outcome.client_error, "tlsv1 alert no application protocol");
}

TEST_F(HandshakeSettings, GoOnIfOneSideNamesNoProtocol) {
  server_.options.alpn = "h2";
  const Outcome without_client = shake_hands();
  EXPECT_TRUE(without_client.done);
  EXPECT_EQ(without_client.alpn, "");
  server_.options.alpn = nullptr;
  client_.options.alpn = "h2";
  const Outcome without_server = shake_hands();
  EXPECT_TRUE(without_server.done);
  EXPECT_EQ(without_server.alpn, "");
}

// ---- Key log ----

struct KeyLog {
  std::mutex mutex;
  std::vector<std::string> lines;
};

void keep_line(const char* line, void* user_data) {
  auto& log = *static_cast<KeyLog*>(user_data);
  const std::lock_guard<std::mutex> lock(log.mutex);
  log.lines.emplace_back(line);
}

TEST_F(HandshakeSettings, LogTheSameKeysOnBothSides) {
  KeyLog of_server;
  KeyLog of_client;
  server_.options.on_key_log = keep_line;
  server_.options.user_data = &of_server;
  client_.options.on_key_log = keep_line;
  client_.options.user_data = &of_client;
  EXPECT_TRUE(shake_hands().done);
  ASSERT_GE(of_server.lines.size(), 4u);
  std::sort(of_server.lines.begin(), of_server.lines.end());
  std::sort(of_client.lines.begin(), of_client.lines.end());
  EXPECT_EQ(of_server.lines, of_client.lines);
  EXPECT_TRUE(of_server.lines.front().starts_with("CLIENT_HANDSHAKE_TRAFFIC_SECRET "));
}

TEST_F(HandshakeSettings, GoOnIfTheKeyLogThrows) {
  server_.options.on_key_log = [](const char*, void*) { throw 1; };
  EXPECT_TRUE(shake_hands().done);
}

// ---- Stapled responses ----

class Stapling : public HandshakeSettings {
 protected:
  void staple(const Issued& leaf, const std::string& der) {
    server_.show(authority_, leaf);
    const std::string name = "response" + std::to_string(server_.certificates.size()) + ".der";
    server_.certificates.back().ocsp_file =
        server_.texts.emplace_back(folder_.write(name, der)).c_str();
  }
  std::string response_for(const Issued& leaf) {
    return ocsp_response(leaf, authority_.intermediate());
  }

  // Response that a client gets; "" without.
  std::string stapled(const std::string& host) {
    const Ref<TlsCredentials> server = server_.make();
    const Ref<TlsCredentials> client = client_.make();
    Handshake handshake(*server, *client);
    SSL_set_tlsext_status_type(handshake.client(), TLSEXT_STATUSTYPE_ocsp);
    EXPECT_TRUE(handshake.send_name(host).shake_hands()) << handshake.client_error();
    const unsigned char* der = nullptr;
    const long size = SSL_get_tlsext_status_ocsp_resp(handshake.client(), &der);
    return size <= 0 ? "" : std::string(reinterpret_cast<const char*>(der), size_t(size));
  }

  TemporaryFolder folder_;
};

TEST_F(Stapling, SendsTheResponseOfTheCertificateThatIsShown) {
  const Issued one = authority_.server("one.example");
  const Issued two = authority_.server("two.example");
  const std::string of_one = response_for(one);
  const std::string of_two = response_for(two);
  staple(one, of_one);
  staple(two, of_two);
  EXPECT_EQ(stapled("one.example"), of_one);
  EXPECT_EQ(stapled("two.example"), of_two);
  EXPECT_EQ(stapled("a.example"), "") << "it has none";
}

TEST_F(Stapling, LeavesOutWhatIsOutdatedOrNotValidYet) {
  const Issued outdated = authority_.server("outdated.example");
  const Issued early = authority_.server("early.example");
  staple(outdated, ocsp_response(outdated, authority_.intermediate(), -7200, -60));
  staple(early, ocsp_response(early, authority_.intermediate(), 3600, 7200));
  EXPECT_EQ(stapled("outdated.example"), "");
  EXPECT_EQ(stapled("early.example"), "");
}

TEST_F(Stapling, ReadsTheResponseAgainOnReload) {
  const Issued one = authority_.server("one.example");
  staple(one, ocsp_response(one, authority_.intermediate(), -7200, -60));
  const Ref<TlsCredentials> server = server_.make();
  folder_.write("response2.der", response_for(one));
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  const Ref<TlsCredentials> client = client_.make();
  Handshake handshake(*server, *client);
  SSL_set_tlsext_status_type(handshake.client(), TLSEXT_STATUSTYPE_ocsp);
  ASSERT_TRUE(handshake.send_name("one.example").shake_hands());
  const unsigned char* der = nullptr;
  EXPECT_GT(SSL_get_tlsext_status_ocsp_resp(handshake.client(), &der), 0);
}

}  // namespace
}  // namespace tcpkit::test
