// TLS of tcpkit.hpp as users have it: credentials, servers and connections that speak it.
#include <gtest/gtest.h>
#include <openssl/crypto.h>

#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "integration/cpp_tls_client.h"

namespace {

using cpp_support::Client;
using cpp_support::line_options;
using cpp_support::Mailbox;
using cpp_support::start_on_free_port;
using cpp_support::TlsClient;
using tcpkit::test::Issued;
using tcpkit::test::TemporaryFolder;
using tcpkit::test::TestAuthority;
using namespace std::chrono_literals;

std::shared_ptr<tcpkit::Tls> self_signed() {
  tcpkit::TlsOptions options;
  options.self_signed = "localhost";
  options.alpn = "h9";
  return std::make_shared<tcpkit::Tls>(options);
}

tcpkit::ServerOptions with_tls(const std::shared_ptr<tcpkit::Tls>& tls) {
  tcpkit::ServerOptions options = line_options();
  options.tls = tls;
  return options;
}

tcpkit::Certificate in_memory(const TestAuthority& authority, const Issued& leaf) {
  tcpkit::Certificate certificate;
  certificate.chain_pem = authority.chain_pem(leaf);
  certificate.key_pem = leaf.key_pem();
  return certificate;
}

// What TlsInfo says, beyond the life of its connection.
struct Agreed {
  tcpkit_tls_version version = 0;
  std::string alpn;
  std::string server_name;
  std::string peer_subject;
  bool is_verified = false;
  std::size_t certificate_size = 0;
  bool has_ssl = false;

  static Agreed of(tcpkit::ConnRef conn) {
    const std::optional<tcpkit::TlsInfo> info = conn.tls_info();
    if (!info) return {};
    const auto certificate = conn.tls_peer_certificate();
    return {info->version,
            info->alpn,
            info->server_name,
            info->peer_subject,
            info->peer_verified == 1,
            certificate ? certificate->size() : 0,
            conn.native_tls() != nullptr};
  }
};

TEST(CppTls, AServerTellsWhatTheHandshakeAgreedOn) {
  Mailbox<Agreed> opened;
  tcpkit::Server server{with_tls(self_signed())};
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(Agreed::of(conn)); });
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
  const Client client(start_on_free_port(server));
  TlsClient tls(client);
  tls.offer("h9");
  ASSERT_TRUE(tls.handshake());
  EXPECT_TRUE(tls.send("hello\n"));
  EXPECT_EQ(tls.receive(6), "hello\n");
  const auto agreed = opened.wait_for(1);
  ASSERT_EQ(agreed.size(), 1u);
  EXPECT_EQ(agreed[0].version, TCPKIT_TLS_1_3);
  EXPECT_EQ(agreed[0].alpn, "h9");
  EXPECT_EQ(agreed[0].server_name, "localhost");
  EXPECT_FALSE(agreed[0].is_verified);
  EXPECT_EQ(agreed[0].certificate_size, 0u);
  EXPECT_TRUE(agreed[0].has_ssl);
  EXPECT_EQ(server.metrics().tls_handshakes, 1u);
}

TEST(CppTls, AListenerCanBePlain) {
  Mailbox<Agreed> opened;
  tcpkit::Server server{with_tls(self_signed())};
  server.on_open([&](tcpkit::ConnRef conn) {
    opened.put(Agreed::of(conn));
    conn.send_packet("plain");
  });
  tcpkit::ListenOptions plain;
  plain.tls = TCPKIT_OFF;
  server.listen(cpp_support::kLoopback, plain);
  server.start();
  const Client client(server.listener_address());
  EXPECT_EQ(client.receive(6), "plain\n");
  const auto agreed = opened.wait_for(1);
  ASSERT_EQ(agreed.size(), 1u);
  EXPECT_EQ(agreed[0].version, 0);
  EXPECT_FALSE(agreed[0].has_ssl);
}

TEST(CppTls, CredentialsOutliveTheirOwnerInAServer) {
  tcpkit::Server server{with_tls(self_signed())};
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
  const Client client(start_on_free_port(server));
  TlsClient tls(client);
  ASSERT_TRUE(tls.handshake());
  EXPECT_TRUE(tls.send("kept\n"));
  EXPECT_EQ(tls.receive(5), "kept\n");
}

TEST(CppTls, AConnectionGoesOverWithStartTls) {
  const auto tls = self_signed();
  Mailbox<Agreed> gone_over;
  tcpkit::Server server{line_options()};
  server.on_packet([&](tcpkit::ConnRef conn, tcpkit::Bytes packet) {
    if (packet.text() == "STARTTLS") {
      conn.send_packet("go ahead");
      EXPECT_TRUE(conn.start_tls(*tls).ok());
      EXPECT_EQ(conn.start_tls(*tls), TCPKIT_E_INVALID_ARGUMENT);
    } else {
      conn.send_packet(packet);
    }
  });
  server.on_tls([&](tcpkit::ConnRef conn) { gone_over.put(Agreed::of(conn)); });
  const Client client(start_on_free_port(server));
  EXPECT_TRUE(client.send("STARTTLS\n"));
  EXPECT_EQ(client.receive(9), "go ahead\n");
  TlsClient secured(client);
  ASSERT_TRUE(secured.handshake());
  EXPECT_TRUE(secured.send("secret\n"));
  EXPECT_EQ(secured.receive(7), "secret\n");
  const auto agreed = gone_over.wait_for(1);
  ASSERT_EQ(agreed.size(), 1u);
  EXPECT_EQ(agreed[0].server_name, "localhost");
}

TEST(CppTls, AClientShowsItsCertificate) {
  const TestAuthority authority;
  tcpkit::TlsOptions options;
  options.certificates.push_back(in_memory(authority, authority.server("localhost")));
  options.ca_pem = authority.root().pem();
  options.client_auth = TCPKIT_TLS_CLIENT_AUTH_REQUIRED;
  Mailbox<Agreed> opened;
  Mailbox<tcpkit_status> closed;
  tcpkit::Server server{with_tls(std::make_shared<tcpkit::Tls>(options))};
  server.on_open([&](tcpkit::ConnRef conn) {
    opened.put(Agreed::of(conn));
    conn.close();
  });
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) { closed.put(info.status); });
  const std::string address = start_on_free_port(server);
  {
    const Client client(address);
    tcpkit::test::Claims claims{"Ada"};
    claims.usage = "clientAuth";
    const Issued own = tcpkit::test::issue(claims, &authority.root());
    TlsClient known(client, "localhost", &own);
    ASSERT_TRUE(known.handshake());
    EXPECT_EQ(known.receive(1), "");
  }
  const auto agreed = opened.wait_for(1);
  ASSERT_EQ(agreed.size(), 1u);
  EXPECT_TRUE(agreed[0].is_verified);
  EXPECT_EQ(agreed[0].peer_subject, "CN=Ada");
  EXPECT_GT(agreed[0].certificate_size, 100u);
  const Client client(address);
  TlsClient unknown(client);
  unknown.handshake();
  const auto statuses = closed.wait_for(2);
  ASSERT_EQ(statuses.size(), 2u);
  EXPECT_EQ(statuses[1], TCPKIT_E_TLS_NO_CERTIFICATE);
}

TEST(CppTls, APlainClientIsNamedInTheCloseInfo) {
  struct Ended {
    tcpkit_close_reason reason;
    tcpkit_status status;
    std::string detail;
  };
  Mailbox<Ended> closed;
  tcpkit::Server server{with_tls(self_signed())};
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    closed.put({info.reason, info.status, info.detail});
  });
  const Client client(start_on_free_port(server));
  client.send("GET / HTTP/1.0\r\n\r\n");
  const auto ended = closed.wait_for(1);
  ASSERT_EQ(ended.size(), 1u);
  EXPECT_EQ(ended[0].reason, TCPKIT_CLOSE_TLS_ERROR);
  EXPECT_EQ(ended[0].status, TCPKIT_E_TLS_NOT_TLS);
  EXPECT_NE(ended[0].detail, "");
}

TEST(CppTls, CallablesAreCalledAndDestroyed) {
  const TestAuthority authority;
  const Issued leaf = authority.server("main.example");
  const auto token = std::make_shared<int>(0);
  {
    const auto other = self_signed();
    Mailbox<std::string> key_lines;
    Mailbox<std::string> wanted;
    tcpkit::TlsOptions options;
    options.certificates.push_back(in_memory(authority, leaf));
    options.certificates[0].key_pem = leaf.key_pem("open sesame");
    options.passphrase = [token](std::string_view) { return std::string("open sesame"); };
    options.on_key_log = [&, token](std::string_view line) { key_lines.put(std::string(line)); };
    options.choose = [&, token](std::string_view server_name) {
      wanted.put(std::string(server_name));
      return server_name == "other.example" ? other.get() : nullptr;
    };
    tcpkit::Server server{with_tls(std::make_shared<tcpkit::Tls>(options))};
    const std::string address = start_on_free_port(server);
    for (const char* name : {"main.example", "other.example"}) {
      const Client client(address);
      TlsClient tls(client, name);
      ASSERT_TRUE(tls.handshake());
      EXPECT_EQ(tls.server_common_name(),
                name == std::string("main.example") ? "main.example" : "localhost");
    }
    EXPECT_EQ(wanted.wait_for(2), (std::vector<std::string>{"main.example", "other.example"}));
    EXPECT_FALSE(key_lines.wait_for(1).empty());
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(CppTls, AFailureNamesTheFileAndDestroysTheCallables) {
  const auto token = std::make_shared<int>(0);
  tcpkit::TlsOptions options;
  options.cert_file = "/nowhere/chain.pem";
  options.passphrase = [token](std::string_view) { return std::string(); };
  try {
    const tcpkit::Tls tls{options};
    FAIL() << "a missing file was accepted";
  } catch (const tcpkit::Error& error) {
    EXPECT_EQ(error.status(), TCPKIT_E_TLS_CREDENTIALS);
    EXPECT_NE(std::string(error.what()).find("/nowhere/chain.pem"), std::string::npos);
  }
  options = {};
  EXPECT_EQ(token.use_count(), 1);
}

TEST(CppTls, ReloadTakesNewFilesOrKeepsTheOld) {
  const TemporaryFolder folder;
  const TestAuthority authority;
  const Issued first = authority.server("first");
  const Issued second = authority.server("second");
  tcpkit::TlsOptions options;
  options.cert_file = folder.write("chain.pem", authority.chain_pem(first));
  options.key_file = folder.write("key.pem", first.key_pem());
  const tcpkit::Tls tls{options};
  EXPECT_EQ(tls.generation(), 1u);
  ASSERT_TRUE(tls.expires_at().has_value());
  EXPECT_GT(*tls.expires_at(), std::chrono::system_clock::now() + 23h);
  folder.write("chain.pem", authority.chain_pem(second));
  EXPECT_THROW(tls.reload(), tcpkit::Error);
  EXPECT_EQ(tls.generation(), 1u);
  folder.write("key.pem", second.key_pem());
  tls.reload();
  EXPECT_EQ(tls.generation(), 2u);
}

TEST(CppTls, TicketKeysAreWhole) {
  const auto tls = self_signed();
  EXPECT_NO_THROW(tls->set_ticket_keys(std::string(2 * TCPKIT_TLS_TICKET_KEY_SIZE, 'k')));
  EXPECT_THROW(tls->set_ticket_keys(std::string(TCPKIT_TLS_TICKET_KEY_SIZE + 1, 'k')),
               tcpkit::Error);
  EXPECT_THROW(tls->set_ticket_keys(""), tcpkit::Error);
}

TEST(CppTls, CredentialsOfClientsExpireNever) {
  const tcpkit::Tls tls{tcpkit::TlsOptions()};
  EXPECT_FALSE(tls.expires_at().has_value());
}

// A field that the C struct has and the C++ struct lacks would lose the value here.
TEST(CppTls, OptionsCarryEveryOneThatCanBeSetFromText) {
  for (const tcpkit_option_info& info : tcpkit::tls_option_infos()) {
    const std::string syntax = info.value_syntax;
    const std::string value = syntax == "on|off"                  ? "on"
                              : syntax == "1.2|1.3"               ? "1.3"
                              : syntax == "tickets|cache|off"     ? "cache"
                              : syntax == "off|optional|required" ? "optional"
                              : syntax == "N" || syntax == "MS"   ? "7"
                                                                  : "some text";
    tcpkit::TlsOptions options;
    tcpkit_tls_options raw = TCPKIT_TLS_OPTIONS_INIT;
    ASSERT_EQ(tcpkit_tls_options_set(&raw, info.key, value.c_str()), TCPKIT_OK) << info.key;
    ASSERT_NO_THROW(options.set(info.key, value)) << info.key;
    tcpkit_tls_options carried = TCPKIT_TLS_OPTIONS_INIT;
    tcpkit::detail::copy_plain_tls_options(options, carried);
    std::size_t texts = 0;
    tcpkit::detail::visit_tls_texts(options, raw, [&](const std::string& own, const char*& given) {
      if (given == nullptr) return;
      EXPECT_EQ(own, given) << info.key;
      given = nullptr;
      ++texts;
    });
    EXPECT_EQ(std::memcmp(&carried, &raw, sizeof raw), 0) << info.key;
    EXPECT_EQ(texts, value == "some text" ? 1u : 0u) << info.key;
  }
  tcpkit::TlsOptions options;
  EXPECT_THROW(options.set("min_version", "1.4"), tcpkit::Error);
  EXPECT_THROW(options.set("no_such_key", "1"), tcpkit::Error);
}

}  // namespace
