// Handshakes in memory: two SSL objects joined by a BIO pair, without a socket.
#pragma once

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "tls/credentials.h"
#include "tls/openssl_ptr.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {

inline tcpkit_slice slice_of(const std::string& text) {
  return {text.data(), text.size()};
}

// Options with what they point to.
struct TlsSetup {
  TlsSetup() = default;
  TlsSetup(const TlsSetup&) = delete;
  TlsSetup& operator=(const TlsSetup&) = delete;

  // One more certificate, from memory.
  TlsSetup& show(const std::string& chain, const std::string& key, const std::string& names = "") {
    tcpkit_tls_certificate& certificate = certificates.emplace_back();
    certificate = TCPKIT_TLS_CERTIFICATE_INIT;
    certificate.chain_pem = slice_of(texts.emplace_back(chain));
    certificate.key_pem = slice_of(texts.emplace_back(key));
    if (!names.empty()) certificate.names = texts.emplace_back(names).c_str();
    options.certificates = certificates.data();
    options.certificate_count = static_cast<uint32_t>(certificates.size());
    return *this;
  }
  TlsSetup& show(const TestAuthority& authority, const Issued& leaf,
                 const std::string& names = "") {
    return show(authority.chain_pem(leaf), leaf.key_pem(), names);
  }
  TlsSetup& trust(const TestAuthority& authority) {
    options.ca_pem = slice_of(texts.emplace_back(authority.root().pem()));
    return *this;
  }

  Ref<TlsCredentials> make(TicketKeys::NowMs now_ms = ticket_clock_ms) const {
    Ref<TlsCredentials> created;
    const Status status = TlsCredentials::create(options, created, now_ms);
    EXPECT_EQ(status, TCPKIT_OK) << last_error().message;
    return created;
  }
  // What the creation fails with.
  std::string failure(Status expected = TCPKIT_E_TLS_CREDENTIALS) const {
    Ref<TlsCredentials> created;
    const Status status = TlsCredentials::create(options, created);
    EXPECT_EQ(status, expected);
    EXPECT_FALSE(created);
    EXPECT_EQ(ERR_peek_error(), 0ul) << "the queue of OpenSSL is left empty";
    return status == TCPKIT_OK ? "" : last_error().message;
  }

  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  std::deque<std::string> texts;
  std::vector<tcpkit_tls_certificate> certificates;
};

// A client that trusts an authority.
inline Ref<TlsCredentials> make_client(const TestAuthority& authority) {
  return TlsSetup().trust(authority).make();
}

struct SessionFree {
  void operator()(SSL_SESSION* session) const noexcept { SSL_SESSION_free(session); }
};
using SessionPtr = std::unique_ptr<SSL_SESSION, SessionFree>;

// One connection in memory. Settings of its SSL objects are made before shake_hands.
class Handshake {
 public:
  Handshake(TlsCredentials& server, TlsCredentials& client)
      : server_(server.new_ssl(TCPKIT_TLS_SERVER)), client_(client.new_ssl(TCPKIT_TLS_CLIENT)) {
    BIO* server_side = nullptr;
    BIO* client_side = nullptr;
    BIO_new_bio_pair(&server_side, kRoom, &client_side, kRoom);
    SSL_set_bio(server_.get(), server_side, server_side);
    SSL_set_bio(client_.get(), client_side, client_side);
  }

  // Both sides have said goodbye: an SSL that is freed without takes its session with it.
  ~Handshake() {
    SSL_set_shutdown(server_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(client_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  Handshake(const Handshake&) = delete;
  Handshake& operator=(const Handshake&) = delete;

  SSL* server() const { return server_.get(); }
  SSL* client() const { return client_.get(); }

  // Asks for that host and wants its certificate.
  Handshake& ask_for(const std::string& host) {
    SSL_set1_host(client_.get(), host.c_str());
    return send_name(host);
  }
  // Asks for that host and takes any certificate that is trusted.
  Handshake& send_name(std::string host) {
    SSL_ctrl(client_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
    return *this;
  }
  Handshake& resume(const SessionPtr& session) {
    SSL_set_session(client_.get(), session.get());
    return *this;
  }

  // True if both sides are done; then tickets have come too.
  bool shake_hands() {
    bool server_done = false;
    bool client_done = false;
    for (int turn = 0; turn < kMaxTurns && !(server_done && client_done); ++turn) {
      client_done = client_done || step(client_.get(), client_error_);
      server_done = server_done || step(server_.get(), server_error_);
    }
    if (!server_done || !client_done) {
      take_alerts();
      return false;
    }
    return exchange();
  }

  // A byte each way: what follows the handshake of TLS 1.3, tickets and late alerts, is read by it.
  bool exchange() {
    char byte = 'x';
    const bool to_client = SSL_write(server_.get(), &byte, 1) == 1 && read(client_.get());
    const bool to_server = to_client && SSL_write(client_.get(), &byte, 1) == 1;
    const bool done = to_server && read(server_.get());
    if (!done) take_alerts();
    ERR_clear_error();
    return done;
  }

  // Session to resume; a ticket has come.
  SessionPtr session() const { return SessionPtr(SSL_get1_session(client_.get())); }
  bool resumed() const {
    EXPECT_EQ(SSL_session_reused(server_.get()), SSL_session_reused(client_.get()));
    return SSL_session_reused(server_.get()) == 1;
  }
  // Common name of the certificate that the server has shown.
  std::string shown_name() const { return common_name(SSL_get0_peer_certificate(client_.get())); }
  std::string client_name() const { return common_name(SSL_get0_peer_certificate(server_.get())); }
  int shown_key_type() const {
    return EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(client_.get())));
  }
  std::string alpn() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(client_.get(), &name, &size);
    return std::string(reinterpret_cast<const char*>(name), size);
  }
  // Reasons of the failures of both sides.
  const std::string& server_error() const { return server_error_; }
  const std::string& client_error() const { return client_error_; }

 private:
  static constexpr size_t kRoom = 65536;
  static constexpr int kMaxTurns = 20;

  static std::string common_name(X509* certificate) {
    char name[128] = "";
    if (certificate == nullptr) return "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name,
                              sizeof name);
    return name;
  }

  static bool step(SSL* ssl, std::string& error) {
    ERR_clear_error();
    const int outcome = SSL_do_handshake(ssl);
    if (outcome == 1) return true;
    note_error(ssl, outcome, error);
    return false;
  }

  static void note_error(SSL* ssl, int outcome, std::string& error) {
    if (SSL_get_error(ssl, outcome) != SSL_ERROR_SSL || !error.empty()) return;
    const char* reason = ERR_reason_error_string(ERR_peek_error());
    error = reason == nullptr ? "?" : reason;
    ERR_clear_error();
  }

  bool read(SSL* ssl) {
    char byte = 0;
    ERR_clear_error();
    const int outcome = SSL_read(ssl, &byte, 1);
    if (outcome != 1) note_error(ssl, outcome, ssl == server() ? server_error_ : client_error_);
    return outcome == 1;
  }

  void take_alerts() {
    (void)read(client_.get());
    (void)read(server_.get());
    ERR_clear_error();
  }

  SslPtr server_;
  SslPtr client_;
  std::string server_error_;
  std::string client_error_;
};

}  // namespace tcpkit::test
