// TLS sessions over the shared wire.
#include "tls_client.h"

#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>

namespace tcpkit::load {
namespace {

constexpr std::size_t kSealedBytes = 256 * 1024;
constexpr std::size_t kRecordBytes = 16 * 1024;
constexpr std::size_t kMostSealed = 64 * 1024;  // at once, so that it stays in the cache

[[noreturn]] void fail_tls(const char* what) {
  ERR_print_errors_fp(stderr);
  errno = EPROTO;
  fail(what);
}

bool wants_more(SSL* ssl, int result) {
  return SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ;
}

}  // namespace

TlsClient::TlsClient(const Options& options, const Pattern& pattern)
    : pattern_(pattern),
      resumes_(options.tls == Tls::kResumed),
      context_(SSL_CTX_new(TLS_client_method())),
      sealed_(kSealedBytes),
      plain_(kRecordBytes) {
  SSL_CTX* context = context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(context, "X25519") != 1) {
    fail_tls("TLS context");
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(
      context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL | SSL_SESS_CACHE_NO_AUTO_CLEAR);
  SSL_CTX_sess_set_new_cb(context, keep_ticket);
  // Ten thousand idle sessions need not keep their buffers.
  if (options.workload == Workload::kIdle) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
}

int TlsClient::keep_ticket(SSL* ssl, SSL_SESSION* session) {
  static_cast<TlsStream*>(SSL_get_app_data(ssl))->ticket.reset(session);
  return 1;
}

void TlsClient::begin(Connection& connection) {
  if (!connection.tls) connection.tls = std::make_unique<TlsStream>();
  TlsStream& stream = *connection.tls;
  stream.ssl.reset(SSL_new(context_.get()));
  SSL* ssl = stream.ssl.get();
  if (ssl == nullptr) fail_tls("TLS session");
  BIO_up_ref(wire_.bio());
  SSL_set_bio(ssl, wire_.bio(), wire_.bio());
  SSL_set_app_data(ssl, &stream);
  SSL_set_connect_state(ssl);
  stream.offered_ticket = resumes_ && stream.ticket != nullptr;
  if (stream.offered_ticket && SSL_set_session(ssl, stream.ticket.get()) != 1) fail_tls("ticket");
  stream.unsent.clear();
  stream.unsent_begin = 0;
}

void TlsClient::end(Connection& connection) {
  if (!connection.tls || !connection.tls->ssl) return;
  if (SSL_is_init_finished(connection.tls->ssl.get())) {
    SSL_shutdown(connection.tls->ssl.get());
    send_output(connection);
  }
  ERR_clear_error();
  connection.tls->ssl.reset();
}

bool TlsClient::is_as_wished(const Connection& connection) const {
  const TlsStream& stream = *connection.tls;
  return (SSL_session_reused(stream.ssl.get()) == 1) == stream.offered_ticket;
}

Outcome TlsClient::send_allowed(Connection& connection) {
  TlsStream& stream = *connection.tls;
  SSL* ssl = stream.ssl.get();
  if (send_unsent(connection) != Outcome::kOk) return break_off();
  if (SSL_in_before(ssl) && !wants_more(ssl, SSL_do_handshake(ssl))) return break_off();
  if (!SSL_is_init_finished(ssl)) return send_output(connection);
  while (connection.sent < connection.allowed && stream.unsent.empty()) {
    const std::size_t piece = std::min<std::uint64_t>(connection.allowed - connection.sent,
                                                      std::min(pattern_.max_piece(), kMostSealed));
    std::size_t sealed = 0;
    if (SSL_write_ex(ssl, pattern_.at(connection.sent), piece, &sealed) != 1) return break_off();
    connection.sent += sealed;
    if (send_output(connection) != Outcome::kOk) return break_off();
  }
  return send_output(connection);
}

// The end of the handshake leaves in one piece with the first message.
Outcome TlsClient::receive_checked(Connection& connection) {
  const bool was_shaking = !SSL_is_init_finished(connection.tls->ssl.get());
  for (;;) {
    const ssize_t size = ::recv(connection.fd, sealed_.data(), sealed_.size(), 0);
    if (size < 0 && errno == EAGAIN) break;
    if (size <= 0) return break_off();
    const auto received = static_cast<std::size_t>(size);
    wire_.set_input({sealed_.data(), received});
    if (!open_input(connection)) return break_off();
    if (received < sealed_.size()) break;
  }
  return was_shaking ? send_allowed(connection) : Outcome::kOk;
}

bool TlsClient::open_input(Connection& connection) {
  SSL* ssl = connection.tls->ssl.get();
  for (;;) {
    std::size_t opened = 0;
    const int result = SSL_read_ex(ssl, plain_.data(), plain_.size(), &opened);
    if (result != 1) return wants_more(ssl, result);
    if (!pattern_.matches(connection.received, plain_.data(), opened)) return false;
    connection.received += opened;
  }
}

// The wire is for everybody: what a broken session left in it must not stay.
Outcome TlsClient::break_off() {
  wire_.set_input({});
  wire_.clear_output();
  ERR_clear_error();
  return Outcome::kBroken;
}

// Sends what the wire has gathered, and keeps what the kernel does not take.
Outcome TlsClient::send_output(Connection& connection) {
  TlsStream& stream = *connection.tls;
  std::span<const std::uint8_t> output = wire_.output();
  if (output.empty()) return Outcome::kOk;
  if (stream.unsent.empty()) {
    const ssize_t sent = ::send(connection.fd, output.data(), output.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return break_off();
    if (sent > 0) output = output.subspan(static_cast<std::size_t>(sent));
  }
  stream.unsent.insert(stream.unsent.end(), output.begin(), output.end());
  wire_.clear_output();
  return Outcome::kOk;
}

Outcome TlsClient::send_unsent(Connection& connection) {
  TlsStream& stream = *connection.tls;
  if (stream.unsent.empty()) return Outcome::kOk;
  const std::span<const std::uint8_t> rest = std::span(stream.unsent).subspan(stream.unsent_begin);
  const ssize_t sent = ::send(connection.fd, rest.data(), rest.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN ? Outcome::kOk : Outcome::kBroken;
  stream.unsent_begin += static_cast<std::size_t>(sent);
  if (stream.unsent_begin < stream.unsent.size()) return Outcome::kOk;
  stream.unsent.clear();
  stream.unsent_begin = 0;
  return Outcome::kOk;
}

}  // namespace tcpkit::load
