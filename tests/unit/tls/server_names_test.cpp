// Which certificate a client is shown: by the host name that it asks for, and by the algorithms
// that it takes.
#include <gtest/gtest.h>

#include <stdexcept>

#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

class ServerNamesTest : public testing::Test {
 protected:
  void show(const Claims& claims, const std::string& names = "") {
    setup_.show(authority_, authority_.leaf(claims), names);
  }
  void show_host(const std::string& host) { show({host, "DNS:" + host}); }
  void show_rsa(const std::string& common_name, const std::string& names) {
    Claims claims{common_name, names};
    claims.key_kind = KeyKind::kRsa;
    show(claims);
  }

  // Common name of what a client that asks for host is shown; "": it names none.
  std::string shown_for(const Ref<TlsCredentials>& server, const std::string& host) {
    const Ref<TlsCredentials> client = make_client(authority_);
    Handshake handshake(*server, *client);
    if (!host.empty()) handshake.send_name(host);
    EXPECT_TRUE(handshake.shake_hands()) << handshake.client_error() << handshake.server_error();
    return handshake.shown_name();
  }

  // The same for a client of TLS 1.2 that takes these ciphers only; "" if the handshake fails.
  std::string shown_to(const Ref<TlsCredentials>& server, const std::string& host,
                       const char* ciphers) {
    TlsSetup setup;
    setup.trust(authority_);
    setup.options.ciphers = ciphers;
    setup.options.max_version = TCPKIT_TLS_1_2;
    const Ref<TlsCredentials> client = setup.make();
    Handshake handshake(*server, *client);
    handshake.send_name(host);
    return handshake.shake_hands() ? handshake.shown_name() : "";
  }

  TestAuthority authority_;
  TlsSetup setup_;
};

TEST_F(ServerNamesTest, TheCertificateIsThatOfTheNameTheClientAsksFor) {
  show_host("a.example");
  show_host("b.example");
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_for(server, "a.example"), "a.example");
  EXPECT_EQ(shown_for(server, "b.example"), "b.example");
  EXPECT_EQ(shown_for(server, "B.EXAMPLE"), "b.example") << "the case of letters is no matter";
}

TEST_F(ServerNamesTest, AnUnknownOrMissingNameGetsTheFirstCertificate) {
  show_host("a.example");
  show_host("b.example");
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_for(server, ""), "a.example");
  EXPECT_EQ(shown_for(server, "c.example"), "a.example");
  EXPECT_EQ(shown_for(server, "localhost"), "a.example");
  EXPECT_EQ(shown_for(server, "x.b.example"), "a.example");
}

TEST_F(ServerNamesTest, AWildcardStandsForExactlyOneLabel) {
  show_host("first.example");
  show({"wild", "DNS:*.b.example"});
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_for(server, "x.b.example"), "wild");
  EXPECT_EQ(shown_for(server, "X.B.Example"), "wild");
  EXPECT_EQ(shown_for(server, "b.example"), "first.example");
  EXPECT_EQ(shown_for(server, "y.x.b.example"), "first.example");
  EXPECT_EQ(shown_for(server, ".b.example"), "first.example");
}

TEST_F(ServerNamesTest, AnExactNameGoesBeforeAWildcard) {
  show({"wild", "DNS:*.b.example"});
  show_host("x.b.example");
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_for(server, "x.b.example"), "x.b.example");
  EXPECT_EQ(shown_for(server, "y.b.example"), "wild");
}

TEST_F(ServerNamesTest, NamesOfTheSettingsReplaceThoseOfTheCertificate) {
  show_host("first.example");
  show({"named", "DNS:in-the-certificate.example"}, "One.example, *.two.example");
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_for(server, "one.example"), "named");
  EXPECT_EQ(shown_for(server, "x.two.example"), "named");
  EXPECT_EQ(shown_for(server, "in-the-certificate.example"), "first.example");
}

TEST_F(ServerNamesTest, EachOfSeveralAlternativeNamesCounts) {
  show_host("first.example");
  show({"many", "DNS:a.example,IP:192.0.2.7,DNS:b.example"});
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_for(server, "a.example"), "many");
  EXPECT_EQ(shown_for(server, "b.example"), "many");
}

constexpr const char* kOnlyRsa = "ECDHE-RSA-AES128-GCM-SHA256";
constexpr const char* kOnlyEcdsa = "ECDHE-ECDSA-AES128-GCM-SHA256";

TEST_F(ServerNamesTest, OfAnRsaAndAnEcdsaCertificateTheClientGetsTheOneItTakes) {
  show_rsa("rsa", "DNS:a.example,DNS:b.example");
  show({"ecdsa", "DNS:b.example,DNS:a.example"});
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_to(server, "a.example", kOnlyRsa), "rsa");
  EXPECT_EQ(shown_to(server, "a.example", kOnlyEcdsa), "ecdsa");
  EXPECT_EQ(shown_for(server, "a.example"), "ecdsa") << "the cheaper one for who takes both";
  EXPECT_EQ(shown_to(server, "unknown.example", kOnlyEcdsa), "ecdsa");
  EXPECT_EQ(shown_to(server, "unknown.example", kOnlyRsa), "rsa");
}

TEST_F(ServerNamesTest, CertificatesShareJustTheNamesThatBothHave) {
  show_rsa("rsa", "DNS:a.example,DNS:b.example");
  show({"ecdsa", "DNS:a.example"});
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_to(server, "a.example", kOnlyRsa), "rsa");
  EXPECT_EQ(shown_to(server, "a.example", kOnlyEcdsa), "ecdsa");
  EXPECT_EQ(shown_to(server, "b.example", kOnlyRsa), "rsa");
  EXPECT_EQ(shown_to(server, "b.example", kOnlyEcdsa), "");
}

TEST_F(ServerNamesTest, AnExactNameOfOneKeyIsJoinedByAWildcardOfAnother) {
  show_rsa("rsa", "DNS:*.example");
  show({"ecdsa", "DNS:a.example"});
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(shown_to(server, "a.example", kOnlyEcdsa), "ecdsa");
  EXPECT_EQ(shown_to(server, "a.example", kOnlyRsa), "rsa");
}

TEST_F(ServerNamesTest, OfTwoCertificatesWithOneNameAndOneKindOfKeyTheFirstCounts) {
  show({"one", "DNS:a.example"});
  show({"two", "DNS:a.example"});
  EXPECT_EQ(shown_for(setup_.make(), "a.example"), "one");
}

TEST_F(ServerNamesTest, ManyNamesAreFoundEachByItself) {
  for (int i = 0; i < 50; ++i) show_host("host" + std::to_string(i) + ".example");
  const Ref<TlsCredentials> server = setup_.make();
  for (int i = 0; i < 50; i += 7) {
    const std::string host = "host" + std::to_string(i) + ".example";
    EXPECT_EQ(shown_for(server, host), host);
  }
}

// ---- The user's choice ----

struct Choice {
  Ref<TlsCredentials> chosen;
  std::vector<std::string> asked;
};

tcpkit_tls* choose(const char* server_name, void* user_data) {
  auto& choice = *static_cast<Choice*>(user_data);
  choice.asked.emplace_back(server_name);
  return std::string(server_name) == "other.example" ? choice.chosen->handle() : nullptr;
}

class ChoiceTest : public ServerNamesTest {
 protected:
  ChoiceTest() {
    show_host("a.example");
    setup_.options.choose = choose;
    setup_.options.user_data = &choice_;
    other_.show(authority_, authority_.server("other.example"));
  }
  Ref<TlsCredentials> make_server() {
    choice_.chosen = other_.make();
    return setup_.make();
  }

  TlsSetup other_;
  Choice choice_;
};

TEST_F(ChoiceTest, TheCallbackGivesOtherCredentialsByName) {
  const Ref<TlsCredentials> server = make_server();
  EXPECT_EQ(shown_for(server, "other.example"), "other.example");
  EXPECT_EQ(shown_for(server, "a.example"), "a.example");
  EXPECT_EQ(choice_.asked, (std::vector<std::string>{"other.example", "a.example"}));
}

TEST_F(ChoiceTest, TheCallbackIsAskedWithAnEmptyNameIfTheClientNamesNone) {
  EXPECT_EQ(shown_for(make_server(), ""), "a.example");
  EXPECT_EQ(choice_.asked, std::vector<std::string>{""});
}

TEST_F(ChoiceTest, TheCallbackIsAskedOnceAlsoIfTheClientHasToSayHelloTwice) {
  setup_.options.groups = "P-384";  // which the client takes and guesses wrong
  EXPECT_EQ(shown_for(make_server(), "a.example"), "a.example");
  EXPECT_EQ(choice_.asked.size(), 1u);
}

TEST_F(ChoiceTest, ClientsAreVerifiedAsTheChosenCredentialsSay) {
  other_.trust(authority_);
  other_.options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  const Ref<TlsCredentials> server = make_server();
  const Ref<TlsCredentials> stranger = make_client(authority_);
  Handshake refused(*server, *stranger);
  EXPECT_FALSE(refused.send_name("other.example").shake_hands());
  EXPECT_EQ(refused.server_error(), "peer did not return a certificate");
  Handshake elsewhere(*server, *stranger);
  EXPECT_TRUE(elsewhere.send_name("a.example").shake_hands());
  const Ref<TlsCredentials> known =
      TlsSetup().trust(authority_).show(authority_, authority_.client("known")).make();
  Handshake taken(*server, *known);
  EXPECT_TRUE(taken.send_name("other.example").shake_hands()) << taken.server_error();
  EXPECT_EQ(taken.client_name(), "known");
  EXPECT_EQ(sk_X509_NAME_num(SSL_get_client_CA_list(taken.client())), 1);
}

TEST_F(ChoiceTest, ASessionOfOtherCredentialsDoesNotOpenTheChosenOnes) {
  other_.trust(authority_);
  other_.options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  const Ref<TlsCredentials> server = make_server();
  const Ref<TlsCredentials> stranger = make_client(authority_);
  Handshake first(*server, *stranger);
  ASSERT_TRUE(first.send_name("a.example").shake_hands());
  Handshake second(*server, *stranger);
  second.send_name("other.example").resume(first.session());
  EXPECT_FALSE(second.shake_hands());
}

TEST_F(ChoiceTest, SessionsOfTheChosenCredentialsAreResumedWithThem) {
  const Ref<TlsCredentials> server = make_server();
  const Ref<TlsCredentials> client = make_client(authority_);
  Handshake first(*server, *client);
  ASSERT_TRUE(first.send_name("other.example").shake_hands());
  Handshake second(*server, *client);
  ASSERT_TRUE(second.send_name("other.example").resume(first.session()).shake_hands());
  EXPECT_TRUE(second.resumed());
}

TEST_F(ChoiceTest, VersionsGroupsAndProtocolsAreThoseOfTheChosenCredentials) {
  other_.options.max_version = TCPKIT_TLS_1_2;
  other_.options.groups = "P-384";
  other_.options.alpn = "other/1";
  const Ref<TlsCredentials> server = make_server();
  TlsSetup client_setup;
  client_setup.trust(authority_).options.alpn = "first/1,other/1";
  const Ref<TlsCredentials> client = client_setup.make();
  Handshake handshake(*server, *client);
  ASSERT_TRUE(handshake.send_name("other.example").shake_hands()) << handshake.server_error();
  EXPECT_EQ(SSL_version(handshake.client()), TLS1_2_VERSION);
  EXPECT_EQ(SSL_get_negotiated_group(handshake.server()), NID_secp384r1);
  EXPECT_EQ(handshake.alpn(), "other/1");
}

TEST_F(ChoiceTest, TheHandshakeFailsIfTheCallbackThrowsOrItsChoiceHasNoCertificate) {
  const Ref<TlsCredentials> server = make_server();
  const Ref<TlsCredentials> client = make_client(authority_);
  choice_.chosen = client;
  Handshake without(*server, *client);
  EXPECT_FALSE(without.send_name("other.example").shake_hands());
  setup_.options.choose = [](const char*, void*) -> tcpkit_tls* { throw std::runtime_error("no"); };
  const Ref<TlsCredentials> throwing = setup_.make();
  Handshake thrown(*throwing, *client);
  EXPECT_FALSE(thrown.send_name("a.example").shake_hands());
  EXPECT_EQ(thrown.client_error(), "tlsv1 alert internal error");
}

TEST_F(ChoiceTest, TheChosenCredentialsMayBeGivenUpOnceTheHandshakeIsDone) {
  const Ref<TlsCredentials> server = make_server();
  const Ref<TlsCredentials> client = make_client(authority_);
  Handshake handshake(*server, *client);
  ASSERT_TRUE(handshake.send_name("other.example").shake_hands());
  choice_.chosen = {};
  EXPECT_TRUE(handshake.exchange());
}

}  // namespace
}  // namespace tcpkit::test
