// What one load of the credentials gave: certificates in their contexts, by host name. It never
// changes, and lives as long as the last SSL that was made from it.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "base/ref.h"
#include "base/status.h"
#include "tls/certificate_loading.h"
#include "tls/client_sessions.h"
#include "tls/openssl_ptr.h"
#include "tls/server_names.h"
#include "tls/ticket_keys.h"
#include "tls/tls_settings.h"

namespace tcpkit {

// What all generations of the same credentials share.
struct TlsBasis {
  TlsBasis(TlsSettings taken, TicketKeys::NowMs now_ms)
      : settings(std::move(taken)),
        ticket_keys(settings.ticket_rotation_ms, settings.session_lifetime_ms, now_ms) {}

  const TlsSettings settings;
  CertificateRef self_signed;  // null: there is none
  TicketKeys ticket_keys;
};

// Any thread.
class TlsGeneration final : public RefCounted<TlsGeneration> {
 public:
  static Status load(const std::shared_ptr<TlsBasis>& basis, Ref<TlsGeneration>& loaded);
  void destroy() noexcept { delete this; }

  uint64_t expires_at_ms() const noexcept;
  const TlsSettings& settings() const noexcept { return basis_->settings; }
  TicketKeys& ticket_keys() const noexcept { return basis_->ticket_keys; }
  ClientSessions& client_sessions() noexcept { return client_sessions_; }

  // Null if memory ran out, or for a server without a certificate.
  SslPtr new_ssl(tcpkit_tls_role role) noexcept;
  // The context for a host name that a client asks for, "" if it names none; null without a
  // certificate.
  SSL_CTX* context_for(std::string_view server_name) const;
  // The response to staple to a certificate of ours; null if there is none.
  const StapledResponse* response_of(const X509* certificate) const noexcept;

 private:
  explicit TlsGeneration(std::shared_ptr<TlsBasis> basis) : basis_(std::move(basis)) {}
  Status load_certificates();
  Status make_contexts();
  std::vector<CertificateRef> certificates_of(const ServerNames::Group& group) const;
  SSL_CTX* client_context() noexcept;

  const std::shared_ptr<TlsBasis> basis_;
  std::vector<CertificateRef> certificates_;
  ServerNames names_{{}};
  std::vector<SslContextPtr> server_contexts_;  // one for each group of names_
  SslContextPtr client_context_;
  ClientSessions client_sessions_;
  std::mutex client_mutex_;
  bool client_lacks_system_trust_ = false;  // under client_mutex_
};

}  // namespace tcpkit
