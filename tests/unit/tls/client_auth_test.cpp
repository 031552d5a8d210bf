// Who trusts whom: servers their clients, clients their servers.
#include <gtest/gtest.h>

#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

class ClientAuth : public testing::Test {
 protected:
  ClientAuth() { server_setup_.show(authority_, authority_.server("a.example")); }

  Ref<TlsCredentials> make_server(tcpkit_tls_client_auth client_auth) {
    server_setup_.trust(authority_).options.client_auth = client_auth;
    return server_setup_.make();
  }
  Ref<TlsCredentials> client_with(const TestAuthority& issuer, const Issued& leaf) {
    return TlsSetup().trust(authority_).show(issuer, leaf).make();
  }
  Ref<TlsCredentials> known_client() { return client_with(authority_, authority_.client("known")); }

  // Error of the server; "" if the handshake is done.
  static std::string outcome(const Ref<TlsCredentials>& server, const Ref<TlsCredentials>& client) {
    Handshake handshake(*server, *client);
    if (handshake.shake_hands()) return "";
    return handshake.server_error() + ": " +
           X509_verify_cert_error_string(SSL_get_verify_result(handshake.server()));
  }

  TestAuthority authority_;
  TlsSetup server_setup_;
};

TEST_F(ClientAuth, OffAsksNoClient) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_OFF);
  const Ref<TlsCredentials> client = known_client();
  Handshake handshake(*server, *client);
  ASSERT_TRUE(handshake.shake_hands());
  EXPECT_EQ(handshake.client_name(), "");
}

TEST_F(ClientAuth, OptionalTakesClientsWithoutACertificate) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_OPTIONAL);
  EXPECT_EQ(outcome(server, make_client(authority_)), "");
}

TEST_F(ClientAuth, OptionalVerifiesACertificateThatIsShown) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_OPTIONAL);
  const Ref<TlsCredentials> client = known_client();
  Handshake handshake(*server, *client);
  ASSERT_TRUE(handshake.shake_hands());
  EXPECT_EQ(handshake.client_name(), "known");
  const TestAuthority other("other");
  const std::string refused = outcome(server, client_with(other, other.client("stranger")));
  EXPECT_NE(refused.find("unable to get"), std::string::npos) << refused;
}

TEST_F(ClientAuth, RequiredRefusesClientsWithoutACertificate) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  const std::string refused = outcome(server, make_client(authority_));
  EXPECT_NE(refused.find("peer did not return a certificate"), std::string::npos) << refused;
  EXPECT_EQ(outcome(server, known_client()), "");
}

TEST_F(ClientAuth, RefusesACertificateThatHasExpiredOrIsForServers) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  Claims claims{"late"};
  claims.usage = "clientAuth";
  claims.ends_in = -60;
  const std::string expired = outcome(server, client_with(authority_, authority_.leaf(claims)));
  EXPECT_NE(expired.find("expired"), std::string::npos) << expired;
  const std::string purpose =
      outcome(server, client_with(authority_, authority_.server("b.example")));
  EXPECT_NE(purpose.find("purpose"), std::string::npos) << purpose;
}

TEST_F(ClientAuth, TellsClientsWhomItTrusts) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_OPTIONAL);
  const Ref<TlsCredentials> client = make_client(authority_);
  Handshake handshake(*server, *client);
  ASSERT_TRUE(handshake.shake_hands());
  const STACK_OF(X509_NAME)* names = SSL_get_client_CA_list(handshake.client());
  ASSERT_EQ(sk_X509_NAME_num(names), 1);
  EXPECT_EQ(X509_NAME_cmp(sk_X509_NAME_value(names, 0),
                          X509_get_subject_name(authority_.root().certificate.get())),
            0);
}

TEST_F(ClientAuth, RefusesChainsThatAreTooDeep) {
  const Ref<TlsCredentials> server = make_server(TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  std::vector<Issued> authorities;
  const Issued* issuer = &authority_.root();
  std::string chain;
  authorities.reserve(12);
  for (int i = 0; i < 12; ++i) {
    authorities.push_back(issue({"level " + std::to_string(i), {}, {}, true}, issuer));
    issuer = &authorities.back();
    chain.insert(0, issuer->pem());
  }
  Claims claims{"deep"};
  claims.usage = "clientAuth";
  const Issued leaf = issue(claims, issuer);
  const Ref<TlsCredentials> client =
      TlsSetup().trust(authority_).show(leaf.pem() + chain, leaf.key_pem()).make();
  EXPECT_NE(outcome(server, client), "");
}

TEST_F(ClientAuth, AChangeOfTrustEndsTheSessionsThatWereMadeBefore) {
  const TemporaryFolder folder;
  const TestAuthority other("other");
  const std::string file = folder.write("ca.pem", authority_.root().pem());
  server_setup_.options.ca_file = file.c_str();
  server_setup_.options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  const Ref<TlsCredentials> server = server_setup_.make();
  const Ref<TlsCredentials> client = known_client();
  Handshake first(*server, *client);
  ASSERT_TRUE(first.shake_hands());
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  Handshake same_trust(*server, *client);
  ASSERT_TRUE(same_trust.resume(first.session()).shake_hands());
  EXPECT_TRUE(same_trust.resumed()) << "the same trust takes them";
  EXPECT_EQ(same_trust.client_name(), "known");
  folder.write("ca.pem", other.root().pem());
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  Handshake other_trust(*server, *client);
  EXPECT_FALSE(other_trust.resume(same_trust.session()).shake_hands());
}

TEST_F(ClientAuth, TrustsTheCertificatesOfAFolder) {
  const TemporaryFolder folder;
  folder.write("0123abcd.0", authority_.root().pem());
  folder.write("readme.txt", "no certificate");
  const std::string path = folder.path("");
  server_setup_.options.ca_dir = path.c_str();
  server_setup_.options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  const Ref<TlsCredentials> server = server_setup_.make();
  EXPECT_EQ(outcome(server, known_client()), "");
  EXPECT_NE(outcome(server, make_client(authority_)), "");
}

TEST_F(ClientAuth, TrustsAnIntermediateAuthorityThatIsNamed) {
  const std::string text = authority_.intermediate().pem();
  server_setup_.options.ca_pem = slice_of(text);
  server_setup_.options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  EXPECT_EQ(outcome(server_setup_.make(), known_client()), "");
}

// ---- Clients ----

// What a client says of the server's certificate; X509_V_OK if it takes it.
long verdict(const Ref<TlsCredentials>& server, const Ref<TlsCredentials>& client,
             const std::string& host = "a.example") {
  Handshake handshake(*server, *client);
  const bool done = handshake.ask_for(host).shake_hands();
  const long result = SSL_get_verify_result(handshake.client());
  EXPECT_EQ(done, result == X509_V_OK) << handshake.client_error();
  return result;
}

TEST_F(ClientAuth, ClientsVerifyByDefault) {
  const Ref<TlsCredentials> server = server_setup_.make();
  EXPECT_EQ(verdict(server, make_client(authority_)), X509_V_OK);
  EXPECT_EQ(verdict(server, make_client(TestAuthority("other"))),
            X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
  EXPECT_EQ(verdict(server, make_client(authority_), "b.example"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verdict(server, TlsSetup().make()), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY)
      << "the system does not trust it";
}

TEST_F(ClientAuth, ClientsRefuseAnExpiredCertificate) {
  Claims claims{"old.example", "DNS:old.example"};
  claims.ends_in = -60;
  const Ref<TlsCredentials> server = TlsSetup().show(authority_, authority_.leaf(claims)).make();
  EXPECT_EQ(verdict(server, make_client(authority_), "old.example"), X509_V_ERR_CERT_HAS_EXPIRED);
}

TEST_F(ClientAuth, ClientsTakeAnyCertificateOnlyOnDemand) {
  TlsSetup setup;
  setup.options.insecure_accept_any_certificate = TCPKIT_ON;
  const Ref<TlsCredentials> client = setup.make();
  EXPECT_TRUE(client->accepts_any_certificate());
  EXPECT_FALSE(make_client(authority_)->accepts_any_certificate());
  const Ref<TlsCredentials> server = server_setup_.make();
  Handshake handshake(*server, *client);
  EXPECT_TRUE(handshake.shake_hands());
}

// Number of certificates in the store of a role.
int count_trusted(const Ref<TlsCredentials>& credentials, tcpkit_tls_role role) {
  const SslPtr ssl(credentials->new_ssl(role));
  X509_STORE* store = SSL_CTX_get_cert_store(SSL_get_SSL_CTX(ssl.get()));
  return sk_X509_OBJECT_num(X509_STORE_get0_objects(store));
}

// The system's trust is a file of the test here.
class SystemTrust : public ClientAuth {
 protected:
  SystemTrust() {
    const std::string file = folder_.write("system.pem", authority_.root().pem());
    setenv("SSL_CERT_FILE", file.c_str(), 1);
    setenv("SSL_CERT_DIR", folder_.path("none").c_str(), 1);
  }
  ~SystemTrust() override {
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
  }

  TemporaryFolder folder_;
};

TEST_F(SystemTrust, IsForClientsWithoutAuthoritiesOfTheirOwn) {
  const Ref<TlsCredentials> server = server_setup_.make();
  EXPECT_EQ(verdict(server, TlsSetup().make()), X509_V_OK);
  EXPECT_NE(verdict(server, make_client(TestAuthority("other"))), X509_V_OK);
  EXPECT_EQ(count_trusted(server, TCPKIT_TLS_SERVER), 0);
}

TEST_F(SystemTrust, CanBeAddedAndLeftOut) {
  const Ref<TlsCredentials> server = server_setup_.make();
  const TestAuthority other("other");
  TlsSetup both;
  both.trust(other).options.system_trust = TCPKIT_ON;
  EXPECT_EQ(verdict(server, both.make()), X509_V_OK);
  TlsSetup none;
  none.options.system_trust = TCPKIT_OFF;
  EXPECT_NE(verdict(server, none.make()), X509_V_OK);
}

TEST_F(SystemTrust, LetsServersVerifyClientsOnDemand) {
  server_setup_.options.system_trust = TCPKIT_ON;
  server_setup_.options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  EXPECT_EQ(outcome(server_setup_.make(), known_client()), "");
}

}  // namespace
}  // namespace tcpkit::test
