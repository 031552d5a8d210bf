// Credentials as an object: generations, reload, user data, what is made without files.
#include "tls/credentials.h"

#include <gtest/gtest.h>

#include <atomic>
#include <ctime>
#include <thread>

#include "tls/certificate_text.h"
#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

class Reload : public testing::Test {
 protected:
  Reload() {
    chain_file_ = folder_.path("chain.pem");
    use(authority_.server("one.example"));
    setup_.options.cert_file = chain_file_.c_str();
  }
  void use(const Issued& leaf) {
    folder_.write("chain.pem", authority_.chain_pem(leaf) + leaf.key_pem());
  }
  std::string shown(const Ref<TlsCredentials>& server) {
    const Ref<TlsCredentials> client = make_client(authority_);
    Handshake handshake(*server, *client);
    return handshake.shake_hands() ? handshake.shown_name() : "";
  }

  TestAuthority authority_;
  TemporaryFolder folder_;
  std::string chain_file_;
  TlsSetup setup_;
};

TEST_F(Reload, ShowsTheNewCertificateFromThenOnAndCountsGenerations) {
  const Ref<TlsCredentials> server = setup_.make();
  EXPECT_EQ(server->generation(), 1u);
  EXPECT_EQ(shown(server), "one.example");
  use(authority_.server("two.example"));
  EXPECT_EQ(shown(server), "one.example") << "nothing changes before";
  EXPECT_EQ(server->reload(), TCPKIT_OK);
  EXPECT_EQ(server->generation(), 2u);
  EXPECT_EQ(shown(server), "two.example");
}

TEST_F(Reload, KeepsWhatIsInForceIfItFails) {
  const Ref<TlsCredentials> server = setup_.make();
  folder_.write("chain.pem", "broken");
  EXPECT_EQ(server->reload(), TCPKIT_E_TLS_CREDENTIALS);
  EXPECT_NE(std::string(last_error().message).find(chain_file_), std::string::npos);
  EXPECT_EQ(ERR_peek_error(), 0ul);
  EXPECT_EQ(server->generation(), 1u);
  EXPECT_EQ(shown(server), "one.example");
  use(authority_.server("two.example"));
  EXPECT_EQ(server->reload(), TCPKIT_OK);
  EXPECT_EQ(server->generation(), 2u);
}

TEST_F(Reload, LeavesHandshakesThatAreUnderWayAsTheyBegan) {
  const Ref<TlsCredentials> server = setup_.make();
  const Ref<TlsCredentials> client = make_client(authority_);
  Handshake handshake(*server, *client);
  use(authority_.server("two.example"));
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  EXPECT_TRUE(handshake.shake_hands());
  EXPECT_EQ(handshake.shown_name(), "one.example");
}

TEST_F(Reload, GoesOnWhileOtherThreadsShakeHands) {
  const Ref<TlsCredentials> server = setup_.make();
  const Ref<TlsCredentials> client = make_client(authority_);
  std::atomic<bool> stops{false};
  std::atomic<int> failures{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      while (!stops) {
        Handshake handshake(*server, *client);
        if (!handshake.shake_hands()) ++failures;
      }
    });
  }
  for (int i = 0; i < 30; ++i) EXPECT_EQ(server->reload(), TCPKIT_OK);
  stops = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(server->generation(), 31u);
}

// ---- Expiry ----

Claims ending_in(const std::string& name, long seconds) {
  Claims claims{name, "DNS:" + name};
  claims.ends_in = seconds;
  return claims;
}

TEST(Expiry, IsThatOfTheFirstCertificateOfOursToEnd) {
  const TestAuthority authority;
  const uint64_t before_ms = static_cast<uint64_t>(std::time(nullptr)) * 1000;
  TlsSetup setup;
  setup.show(authority, authority.leaf(ending_in("late.example", 90'000)));
  setup.show(authority, authority.leaf(ending_in("soon.example", 5'000)));
  setup.show(authority, authority.leaf(ending_in("later.example", 190'000)));
  const uint64_t expires_ms = setup.make()->expires_at_ms();
  EXPECT_GE(expires_ms, before_ms + 5'000'000);
  EXPECT_LE(expires_ms, before_ms + 5'060'000);
}

TEST(Expiry, IsNeverWithoutACertificate) {
  EXPECT_EQ(make_client(TestAuthority())->expires_at_ms(), TCPKIT_UNLIMITED);
}

TEST(Credentials, CanServeOnlyWithACertificate) {
  const TestAuthority authority;
  const Ref<TlsCredentials> client = make_client(authority);
  EXPECT_FALSE(client->can_serve());
  EXPECT_EQ(client->new_ssl(TCPKIT_TLS_SERVER), nullptr);
  const Ref<TlsCredentials> server =
      TlsSetup().show(authority, authority.server("a.example")).make();
  EXPECT_TRUE(server->can_serve());
  EXPECT_TRUE(SslPtr(server->new_ssl(TCPKIT_TLS_CLIENT)));
}

// ---- User data ----

void count_free(void* user_data) {
  ++*static_cast<int*>(user_data);
}

TEST(UserDataOfCredentials, IsFreedOnceWithTheLastThatUsesIt) {
  const TestAuthority authority;
  int freed = 0;
  TlsSetup setup;
  setup.show(authority, authority.server("a.example"));
  setup.options.user_data = &freed;
  setup.options.user_data_free = count_free;
  Ref<TlsCredentials> credentials = setup.make();
  SslPtr ssl(credentials->new_ssl(TCPKIT_TLS_SERVER));
  EXPECT_EQ(credentials->reload(), TCPKIT_OK);
  EXPECT_EQ(freed, 0);
  credentials = {};
  EXPECT_EQ(freed, 0) << "an SSL may still call back";
  ssl.reset();
  EXPECT_EQ(freed, 1);
}

TEST(UserDataOfCredentials, IsFreedOnceIfTheCreationFails) {
  for (const bool early : {true, false}) {
    int freed = 0;
    TlsSetup setup;
    setup.options.user_data = &freed;
    setup.options.user_data_free = count_free;
    if (early) setup.options.client_auth = 9;
    if (!early) setup.options.cert_file = "no such file";
    setup.failure(early ? TCPKIT_E_INVALID_ARGUMENT : TCPKIT_E_TLS_CREDENTIALS);
    EXPECT_EQ(freed, 1);
  }
}

// ---- Self-signed ----

X509Ptr shown_by(const Ref<TlsCredentials>& server) {
  TlsSetup setup;
  setup.options.insecure_accept_any_certificate = TCPKIT_ON;
  const Ref<TlsCredentials> client = setup.make();
  Handshake handshake(*server, *client);
  EXPECT_TRUE(handshake.shake_hands()) << handshake.server_error();
  return X509Ptr(SSL_get1_peer_certificate(handshake.client()));
}

TEST(SelfSigned, IsForTheHostsAndAddressesThatAreNamed) {
  TlsSetup setup;
  setup.options.self_signed = "Localhost, 127.0.0.1,::1,*.test.example";
  const Ref<TlsCredentials> server = setup.make();
  EXPECT_TRUE(server->can_serve());
  const X509Ptr shown = shown_by(server);
  ASSERT_TRUE(shown);
  EXPECT_EQ(X509_check_host(shown.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(shown.get(), "a.test.example", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_ip_asc(shown.get(), "127.0.0.1", 0), 1);
  EXPECT_EQ(X509_check_ip_asc(shown.get(), "::1", 0), 1);
  EXPECT_EQ(X509_check_host(shown.get(), "other.example", 0, 0, nullptr), 0);
}

TEST(SelfSigned, IsValidForSevenDaysFromAnHourAgo) {
  TlsSetup setup;
  setup.options.self_signed = "localhost";
  const uint64_t now_ms = static_cast<uint64_t>(std::time(nullptr)) * 1000;
  const Ref<TlsCredentials> server = setup.make();
  const uint64_t end_ms = now_ms + uint64_t{7} * 24 * 3600 * 1000 - 3'600'000;
  EXPECT_GE(server->expires_at_ms(), end_ms);
  EXPECT_LE(server->expires_at_ms(), end_ms + 10'000);
}

TEST(SelfSigned, IsForBothRolesAndTrustedByWhoeverIsGivenIt) {
  TlsSetup setup;
  setup.options.self_signed = "localhost";
  const Ref<TlsCredentials> server = setup.make();
  const X509Ptr shown = shown_by(server);
  EXPECT_EQ(X509_check_purpose(shown.get(), X509_PURPOSE_SSL_SERVER, 0), 1);
  EXPECT_EQ(X509_check_purpose(shown.get(), X509_PURPOSE_SSL_CLIENT, 0), 1);
  const std::string pem = pem_of(shown.get());
  TlsSetup trusting;
  trusting.options.ca_pem = slice_of(pem);
  const Ref<TlsCredentials> client = trusting.make();
  Handshake handshake(*server, *client);
  EXPECT_TRUE(handshake.ask_for("localhost").shake_hands()) << handshake.client_error();
}

TEST(SelfSigned, StaysTheSameOverReloadsAndDiffersElsewhere) {
  TlsSetup setup;
  setup.options.self_signed = "localhost";
  const Ref<TlsCredentials> server = setup.make();
  const X509Ptr before = shown_by(server);
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  EXPECT_EQ(X509_cmp(shown_by(server).get(), before.get()), 0);
  EXPECT_NE(X509_cmp(shown_by(setup.make()).get(), before.get()), 0);
}

TEST(SelfSigned, TakesALongHostName) {
  const std::string host = std::string(60, 'a') + ".example";
  TlsSetup setup;
  setup.options.self_signed = host.c_str();
  EXPECT_EQ(dns_names_of(shown_by(setup.make()).get()), std::vector<std::string>{host});
}

}  // namespace
}  // namespace tcpkit::test
