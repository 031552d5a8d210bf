// Settings of contexts. What is not set here is as OpenSSL has it by default.
#include "tls/context.h"

#include <new>
#include <utility>

#include "tls/openssl_errors.h"

namespace tcpkit {
namespace {

constexpr int kSecurityLevel = 2;  // 112 bits: RSA from 2048 bits on, no SHA-1
constexpr int kMaxIntermediates = 8;

struct ChainFree {
  // Only the list: the certificates stay with their owner.
  void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_free(chain); }
};

Status fail_setting(const char* field, const std::string& text) {
  return fail(TCPKIT_E_TLS_CREDENTIALS, "options: %s: \"%s\" is not usable: %s", field,
              text.c_str(), take_openssl_error().c_str());
}

Status set_algorithms(const TlsSettings& settings, SSL_CTX* context) {
  if (SSL_CTX_set_cipher_list(context, settings.ciphers.c_str()) != 1) {
    return fail_setting("ciphers", settings.ciphers);
  }
  const bool has_suites = !settings.cipher_suites.empty();
  if (has_suites && SSL_CTX_set_ciphersuites(context, settings.cipher_suites.c_str()) != 1) {
    return fail_setting("cipher_suites", settings.cipher_suites);
  }
  if (SSL_CTX_set1_groups_list(context, settings.groups.c_str()) != 1) {
    return fail_setting("groups", settings.groups);
  }
  return TCPKIT_OK;
}

Status use_certificate(const LoadedCertificate& certificate, SSL_CTX* context) {
  const std::unique_ptr<STACK_OF(X509), ChainFree> chain(sk_X509_new_null());
  if (!chain) throw std::bad_alloc();
  for (const X509Ptr& intermediate : certificate.intermediates) {
    if (sk_X509_push(chain.get(), intermediate.get()) <= 0) throw std::bad_alloc();
  }
  constexpr int kOverride = 1;
  if (SSL_CTX_use_cert_and_key(context, certificate.leaf.get(), certificate.key.get(), chain.get(),
                               kOverride) == 1) {
    return TCPKIT_OK;
  }
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s is not usable: %s", certificate.where.c_str(),
              take_openssl_error().c_str());
}

void set_behaviour(SSL_CTX* context) {
  SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // A stream that ends without close_notify may have been cut by somebody in between.
  SSL_CTX_clear_options(context, SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Only what was given is sent: trust in clients is no part of our chain.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_security_level(context, kSecurityLevel);
  SSL_CTX_set_verify_depth(context, kMaxIntermediates);
}

Status make_context(const TlsSettings& settings, const SSL_METHOD* method, X509_STORE* store,
                    const std::vector<CertificateRef>& certificates, SslContextPtr& context) {
  context.reset(SSL_CTX_new(method));
  if (!context) throw std::bad_alloc();
  set_behaviour(context.get());
  if (SSL_CTX_set_min_proto_version(context.get(), settings.min_version) != 1 ||
      SSL_CTX_set_max_proto_version(context.get(), settings.max_version) != 1) {
    return fail_setting("min_version and max_version", "TLS");
  }
  SSL_CTX_set1_cert_store(context.get(), store);
  Status status = set_algorithms(settings, context.get());
  for (size_t i = 0; status == TCPKIT_OK && i < certificates.size(); ++i) {
    status = use_certificate(*certificates[i], context.get());
  }
  return status;
}

// A session says under which trust it was made; where that differs it is not resumed.
void set_client_auth(const TlsSettings& settings, const Trust& trust, SSL_CTX* context) {
  const Trust::Fingerprint fingerprint =
      trust.fingerprint(settings.client_auth, settings.servers_trust_system);
  static_assert(std::tuple_size_v<Trust::Fingerprint> <= SSL_MAX_SID_CTX_LENGTH);
  if (SSL_CTX_set_session_id_context(context, fingerprint.data(), fingerprint.size()) != 1) {
    throw std::bad_alloc();
  }
  if (!settings.asks_clients()) return;
  int mode = SSL_VERIFY_PEER;
  if (settings.client_auth == TCPKIT_TLS_CLIENT_AUTH_REQUIRED) {
    mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  }
  SSL_CTX_set_verify(context, mode, nullptr);
  trust.add_names_to(context);
}

void set_resumption(const TlsSettings& settings, SSL_CTX* context) {
  const bool by_cache = settings.resumption == TCPKIT_TLS_RESUMPTION_CACHE;
  const bool by_tickets =
      settings.resumption == TCPKIT_TLS_RESUMPTION_TICKETS && settings.tickets > 0;
  constexpr uint64_t kMsPerSecond = 1000;
  const uint64_t lifetime_s = (settings.session_lifetime_ms + kMsPerSecond - 1) / kMsPerSecond;
  SSL_CTX_set_timeout(context, static_cast<long>(lifetime_s));
  SSL_CTX_set_session_cache_mode(context, by_cache ? SSL_SESS_CACHE_SERVER : SSL_SESS_CACHE_OFF);
  if (by_cache) {
    SSL_CTX_sess_set_cache_size(context, static_cast<long>(settings.session_cache_size));
  }
  if (!by_tickets) SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  // In TLS 1.3 a session of the cache is named by a ticket too.
  const bool resumes = by_tickets || by_cache;
  SSL_CTX_set_num_tickets(context, resumes ? settings.tickets : 0);
}

}  // namespace

Status make_server_context(const TlsSettings& settings, const Trust& trust, X509_STORE* store,
                           const std::vector<CertificateRef>& certificates,
                           SslContextPtr& context) {
  const Status status = make_context(settings, TLS_server_method(), store, certificates, context);
  if (status != TCPKIT_OK) return status;
  set_client_auth(settings, trust, context.get());
  set_resumption(settings, context.get());
  return TCPKIT_OK;
}

Status make_client_context(const TlsSettings& settings, X509_STORE* store,
                           const std::vector<CertificateRef>& certificates,
                           SslContextPtr& context) {
  const Status status = make_context(settings, TLS_client_method(), store, certificates, context);
  if (status != TCPKIT_OK) return status;
  SSL_CTX_set_verify(context.get(), settings.clients_accept_any ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
                     nullptr);
  SSL_CTX_set_session_cache_mode(context.get(),
                                 SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL_STORE);
  // SSL_CTX_set_alpn_protos is one of the few that return 0 for success.
  const std::vector<uint8_t>& alpn = settings.alpn;
  if (!alpn.empty() && SSL_CTX_set_alpn_protos(context.get(), alpn.data(),
                                               static_cast<unsigned>(alpn.size())) != 0) {
    throw std::bad_alloc();
  }
  return TCPKIT_OK;
}

}  // namespace tcpkit
