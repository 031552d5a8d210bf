// Loading of a generation, and SSL objects from it.
#include "tls/generation.h"

#include <openssl/err.h>

#include <algorithm>

#include "tls/certificate_text.h"
#include "tls/context.h"
#include "tls/ssl_callbacks.h"
#include "tls/trust.h"

namespace tcpkit {

Status TlsGeneration::load(const std::shared_ptr<TlsBasis>& basis, Ref<TlsGeneration>& loaded) {
  auto generation = Ref<TlsGeneration>::adopt(new TlsGeneration(basis));
  Status status = generation->load_certificates();
  if (status == TCPKIT_OK) status = generation->make_contexts();
  if (status == TCPKIT_OK) loaded = std::move(generation);
  return status;
}

Status TlsGeneration::load_certificates() {
  if (basis_->self_signed) certificates_.push_back(basis_->self_signed);
  for (const CertificateSource& source : settings().certificates) {
    CertificateRef certificate;
    const Status status = load_certificate(settings(), source, certificate);
    if (status != TCPKIT_OK) return status;
    certificates_.push_back(std::move(certificate));
  }
  names_ = ServerNames(certificates_);
  return TCPKIT_OK;
}

std::vector<CertificateRef> TlsGeneration::certificates_of(const ServerNames::Group& group) const {
  std::vector<CertificateRef> certificates;
  for (const size_t position : group) certificates.push_back(certificates_[position]);
  return certificates;
}

// The system's certificates cost 10 ms and 1 MiB: servers read them only if they use them, clients
// when there is a first one.
Status TlsGeneration::make_contexts() {
  Trust trust;
  Status status = Trust::load(settings(), trust);
  if (status != TCPKIT_OK) return status;
  const StorePtr server_store = trust.make_store();
  if (settings().asks_clients() && settings().servers_trust_system) {
    add_system_trust(server_store.get());
  }
  for (const ServerNames::Group& group : names_.groups()) {
    SslContextPtr& context = server_contexts_.emplace_back();
    status =
        make_server_context(settings(), trust, server_store.get(), certificates_of(group), context);
    if (status != TCPKIT_OK) return status;
    set_server_callbacks(settings(), context.get());
  }
  const StorePtr client_store = trust.make_store();
  client_lacks_system_trust_ = settings().clients_trust_system;
  const std::vector<CertificateRef> own =
      certificates_.empty() ? certificates_ : certificates_of(names_.groups().front());
  status = make_client_context(settings(), client_store.get(), own, client_context_);
  if (status == TCPKIT_OK) set_client_callbacks(settings(), client_context_.get());
  return status;
}

uint64_t TlsGeneration::expires_at_ms() const noexcept {
  uint64_t earliest = TCPKIT_UNLIMITED;
  for (const CertificateRef& certificate : certificates_) {
    const int64_t seconds = std::max<int64_t>(not_after_of(certificate->leaf.get()), 0);
    earliest = std::min(earliest, static_cast<uint64_t>(seconds) * 1000);
  }
  return earliest;
}

SSL_CTX* TlsGeneration::client_context() noexcept {
  const std::lock_guard<std::mutex> lock(client_mutex_);
  if (client_lacks_system_trust_) {
    add_system_trust(SSL_CTX_get_cert_store(client_context_.get()));
    client_lacks_system_trust_ = false;
  }
  return client_context_.get();
}

SslPtr TlsGeneration::new_ssl(tcpkit_tls_role role) noexcept {
  const bool serves = role == TCPKIT_TLS_SERVER;
  if (serves && server_contexts_.empty()) return nullptr;
  SslPtr ssl(SSL_new(serves ? server_contexts_.front().get() : client_context()));
  if (!ssl || !bind_generation(ssl.get(), *this)) {
    ERR_clear_error();
    return nullptr;
  }
  if (serves) {
    SSL_set_accept_state(ssl.get());
  } else {
    SSL_set_connect_state(ssl.get());
  }
  return ssl;
}

SSL_CTX* TlsGeneration::context_for(std::string_view server_name) const {
  if (server_contexts_.empty()) return nullptr;
  return server_contexts_[names_.find(server_name)].get();
}

const StapledResponse* TlsGeneration::response_of(const X509* certificate) const noexcept {
  for (const CertificateRef& own : certificates_) {
    if (own->leaf.get() == certificate && !own->response.der.empty()) return &own->response;
  }
  return nullptr;
}

}  // namespace tcpkit
