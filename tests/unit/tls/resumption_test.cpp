// Resumption of sessions: by tickets whose keys age, from a cache, and not at all.
#include <gtest/gtest.h>

#include <atomic>

#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

std::atomic<uint64_t> g_now_ms{0};

uint64_t manual_now_ms() noexcept {
  return g_now_ms;
}

class ResumptionTest : public testing::TestWithParam<tcpkit_tls_version> {
 protected:
  ResumptionTest() {
    g_now_ms = 1'000'000;
    server_setup_.show(authority_, authority_.server("a.example"));
    client_setup_.trust(authority_).options.max_version = GetParam();
    client_ = client_setup_.make();
  }

  Ref<TlsCredentials> make_server() { return server_setup_.make(manual_now_ms); }

  SessionPtr connect(const Ref<TlsCredentials>& server) {
    Handshake handshake(*server, *client_);
    EXPECT_TRUE(handshake.shake_hands()) << handshake.server_error();
    EXPECT_FALSE(handshake.resumed());
    return handshake.session();
  }

  // Whether the session is resumed; session becomes the one of that handshake.
  bool resumes(const Ref<TlsCredentials>& server, SessionPtr& session) {
    Handshake handshake(*server, *client_);
    EXPECT_TRUE(handshake.resume(session).shake_hands()) << handshake.server_error();
    session = handshake.session();
    return handshake.resumed();
  }

  // Whether two sessions have tickets of the same key.
  static bool same_ticket_key(const SessionPtr& one, const SessionPtr& other) {
    return ticket_key_name(one) == ticket_key_name(other);
  }
  static std::string ticket_key_name(const SessionPtr& session) {
    const unsigned char* ticket = nullptr;
    size_t size = 0;
    SSL_SESSION_get0_ticket(session.get(), &ticket, &size);
    EXPECT_GE(size, TicketKey::kNameBytes);
    return std::string(reinterpret_cast<const char*>(ticket), size == 0 ? 0 : 16);
  }

  TestAuthority authority_;
  TlsSetup server_setup_;
  TlsSetup client_setup_;
  Ref<TlsCredentials> client_;
};

std::string version_name(const testing::TestParamInfo<tcpkit_tls_version>& info) {
  return info.param == TCPKIT_TLS_1_2 ? "Tls12" : "Tls13";
}
INSTANTIATE_TEST_SUITE_P(Versions, ResumptionTest, testing::Values(TCPKIT_TLS_1_2, TCPKIT_TLS_1_3),
                         version_name);

TEST_P(ResumptionTest, ATicketIsTakenByDefault) {
  const Ref<TlsCredentials> server = make_server();
  SessionPtr session = connect(server);
  EXPECT_TRUE(resumes(server, session));
  EXPECT_TRUE(resumes(server, session)) << "a resumed session can be resumed";
}

TEST_P(ResumptionTest, TicketsAreTakenByWhoeverHasTheSameKeys) {
  const std::string keys(2 * TCPKIT_TLS_TICKET_KEY_SIZE, 'k');
  const Ref<TlsCredentials> one = make_server();
  const Ref<TlsCredentials> two = make_server();
  SessionPtr session = connect(one);
  EXPECT_FALSE(resumes(two, session)) << "each makes keys of its own";
  const ByteView bytes(reinterpret_cast<const uint8_t*>(keys.data()), keys.size());
  ASSERT_EQ(one->set_ticket_keys(bytes), TCPKIT_OK);
  ASSERT_EQ(two->set_ticket_keys(bytes), TCPKIT_OK);
  session = connect(one);
  EXPECT_TRUE(resumes(two, session));
}

std::string two_keys(char first, char second) {
  return std::string(TCPKIT_TLS_TICKET_KEY_SIZE, first) +
         std::string(TCPKIT_TLS_TICKET_KEY_SIZE, second);
}

Status set_keys(const Ref<TlsCredentials>& server, const std::string& keys) {
  return server->set_ticket_keys({reinterpret_cast<const uint8_t*>(keys.data()), keys.size()});
}

TEST_P(ResumptionTest, TheFirstOfTheSetKeysMakesTicketsAndTheOthersAreTakenAndReplaced) {
  const Ref<TlsCredentials> server = make_server();
  ASSERT_EQ(set_keys(server, two_keys('a', 'b')), TCPKIT_OK);
  SessionPtr session = connect(server);
  EXPECT_EQ(ticket_key_name(session), std::string(16, 'a'));
  ASSERT_EQ(set_keys(server, two_keys('c', 'a')), TCPKIT_OK);
  EXPECT_TRUE(resumes(server, session));
  EXPECT_EQ(ticket_key_name(session), std::string(16, 'c')) << "the client got a new ticket";
  ASSERT_EQ(set_keys(server, two_keys('d', 'e')), TCPKIT_OK);
  EXPECT_FALSE(resumes(server, session));
}

TEST_P(ResumptionTest, KeysThatWereSetAreNotRotated) {
  const Ref<TlsCredentials> server = make_server();
  ASSERT_EQ(set_keys(server, two_keys('a', 'b')), TCPKIT_OK);
  g_now_ms += uint64_t{30} * 24 * 3600 * 1000;
  EXPECT_EQ(ticket_key_name(connect(server)), std::string(16, 'a'));
}

TEST_P(ResumptionTest, KeysAreReplacedAtTheirAgeAndTakenForALifetimeMore) {
  server_setup_.options.ticket_rotation_ms = 1000;
  server_setup_.options.session_lifetime_ms = 5000;
  const Ref<TlsCredentials> server = make_server();
  const SessionPtr first = connect(server);
  g_now_ms += 999;
  EXPECT_TRUE(same_ticket_key(first, connect(server)));
  g_now_ms += 1;
  EXPECT_FALSE(same_ticket_key(first, connect(server)));
  g_now_ms += 4999;
  SessionPtr renewed(SSL_SESSION_dup(first.get()));
  EXPECT_TRUE(resumes(server, renewed));
  EXPECT_FALSE(same_ticket_key(first, renewed)) << "the client got a new ticket";
  g_now_ms += 1;
  SessionPtr late(SSL_SESSION_dup(first.get()));
  EXPECT_FALSE(resumes(server, late));
}

TEST_P(ResumptionTest, KeysStayForEverWithoutRotation) {
  server_setup_.options.ticket_rotation_ms = TCPKIT_UNLIMITED;
  const Ref<TlsCredentials> server = make_server();
  const SessionPtr first = connect(server);
  g_now_ms += uint64_t{365} * 24 * 3600 * 1000;
  EXPECT_TRUE(same_ticket_key(first, connect(server)));
}

TEST_P(ResumptionTest, TicketsOutliveAReload) {
  const Ref<TlsCredentials> server = make_server();
  SessionPtr session = connect(server);
  ASSERT_EQ(server->reload(), TCPKIT_OK);
  EXPECT_TRUE(resumes(server, session));
}

TEST_P(ResumptionTest, ATicketIsTakenForAnotherNameOfTheSameCredentials) {
  server_setup_.show(authority_, authority_.server("b.example"));
  const Ref<TlsCredentials> server = make_server();
  const SessionPtr session = connect(server);
  Handshake handshake(*server, *client_);
  ASSERT_TRUE(handshake.send_name("b.example").resume(session).shake_hands());
  EXPECT_TRUE(handshake.resumed());
}

TEST_P(ResumptionTest, TheCacheResumesAndGivesNoTicketsOfTls12) {
  server_setup_.options.resumption = TCPKIT_TLS_RESUMPTION_CACHE;
  const Ref<TlsCredentials> server = make_server();
  SessionPtr session = connect(server);
  if (GetParam() == TCPKIT_TLS_1_2) {
    EXPECT_EQ(SSL_SESSION_has_ticket(session.get()), 0);
  }
  EXPECT_TRUE(resumes(server, session));
}

TEST_P(ResumptionTest, TheCacheHoldsNoMoreThanItsSize) {
  server_setup_.options.resumption = TCPKIT_TLS_RESUMPTION_CACHE;
  server_setup_.options.session_cache_size = 2;
  const Ref<TlsCredentials> server = make_server();
  SessionPtr oldest = connect(server);
  connect(server);
  connect(server);
  EXPECT_FALSE(resumes(server, oldest));
}

TEST_P(ResumptionTest, OffResumesNothingAndGivesNothingToResumeBy) {
  server_setup_.options.resumption = TCPKIT_TLS_RESUMPTION_OFF;
  const Ref<TlsCredentials> server = make_server();
  SessionPtr session = connect(server);
  EXPECT_EQ(SSL_SESSION_has_ticket(session.get()), 0);
  EXPECT_FALSE(resumes(server, session));
}

TEST_P(ResumptionTest, WithoutTicketsNothingIsResumed) {
  server_setup_.options.tickets = TCPKIT_TLS_NO_TICKETS;
  const Ref<TlsCredentials> server = make_server();
  SessionPtr session = connect(server);
  EXPECT_EQ(SSL_SESSION_has_ticket(session.get()), 0);
  EXPECT_FALSE(resumes(server, session));
}

TEST_P(ResumptionTest, ASessionSaysHowLongItLives) {
  server_setup_.options.session_lifetime_ms = 90'500;
  const SessionPtr session = connect(make_server());
  EXPECT_EQ(SSL_SESSION_get_ticket_lifetime_hint(session.get()), 91ul);
}

TEST_P(ResumptionTest, AClientThatWasNotVerifiedCannotResumeWhereClientsAre) {
  const std::string keys = two_keys('a', 'b');
  const Ref<TlsCredentials> open = make_server();
  server_setup_.trust(authority_).options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  const Ref<TlsCredentials> strict = make_server();
  ASSERT_EQ(set_keys(open, keys), TCPKIT_OK);
  ASSERT_EQ(set_keys(strict, keys), TCPKIT_OK);
  const SessionPtr session = connect(open);
  Handshake handshake(*strict, *client_);
  EXPECT_FALSE(handshake.resume(session).shake_hands());
}

int count_tickets(SSL_CTX* context) {
  return static_cast<int>(SSL_CTX_get_num_tickets(context));
}

TEST(TicketCount, IsOneByDefaultAndAsManyAsTheOptionSays) {
  const TestAuthority authority;
  TlsSetup setup;
  setup.show(authority, authority.server("a.example"));
  const Ref<TlsCredentials> one = setup.make();
  const SslPtr with_one(one->new_ssl(TCPKIT_TLS_SERVER));
  EXPECT_EQ(count_tickets(SSL_get_SSL_CTX(with_one.get())), 1);
  setup.options.tickets = 3;
  const Ref<TlsCredentials> three = setup.make();
  const SslPtr with_three(three->new_ssl(TCPKIT_TLS_SERVER));
  EXPECT_EQ(count_tickets(SSL_get_SSL_CTX(with_three.get())), 3);
}

}  // namespace
}  // namespace tcpkit::test
