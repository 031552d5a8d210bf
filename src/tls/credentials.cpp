// Credentials: which generation is in force, and the change from one to the next.
#include "tls/credentials.h"

#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "tls/generation.h"
#include "tls/openssl_errors.h"
#include "tls/self_signed.h"
#include "tls/tls_settings.h"

namespace tcpkit {

uint64_t ticket_clock_ms() noexcept {
  return monotonic_ns() / 1'000'000;
}

TlsCredentials::TlsCredentials(std::shared_ptr<TlsBasis> basis) noexcept
    : basis_(std::move(basis)) {}
TlsCredentials::~TlsCredentials() = default;

Status TlsCredentials::create(const tcpkit_tls_options& options, Ref<TlsCredentials>& created,
                              TicketKeys::NowMs now_ms) {
  const OpenSslErrorScope clean_queue;
  TlsSettings settings;
  settings.user_data = UserData(options.user_data, options.user_data_free);
  Status status = copy_options(options, settings);
  if (status != TCPKIT_OK) return status;
  auto basis = std::make_shared<TlsBasis>(std::move(settings), now_ms);
  const std::vector<std::string>& hosts = basis->settings.self_signed;
  if (!hosts.empty()) status = make_self_signed(hosts, basis->self_signed);
  if (status != TCPKIT_OK) return status;
  auto credentials = Ref<TlsCredentials>::adopt(new TlsCredentials(basis));
  if (!credentials->fork_guard_.arm()) {
    return fail_errno(errno, "cannot map the page that tells a fork");
  }
  status = TlsGeneration::load(basis, credentials->current_);
  if (status == TCPKIT_OK) created = std::move(credentials);
  return status;
}

// Files are read, and passphrases asked for, without the lock, which handshakes take. Of several at
// a time the last to be done stays.
Status TlsCredentials::reload() {
  const OpenSslErrorScope clean_queue;
  Ref<TlsGeneration> next;
  const Status status = TlsGeneration::load(basis_, next);
  if (status != TCPKIT_OK) return status;
  const std::lock_guard<std::mutex> lock(mutex_);
  std::swap(current_, next);
  ++generation_;
  return TCPKIT_OK;
}

Ref<TlsGeneration> TlsCredentials::current() const noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  return current_;
}

uint64_t TlsCredentials::generation() const noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  return generation_;
}

uint64_t TlsCredentials::expires_at_ms() const noexcept {
  return current()->expires_at_ms();
}

Status TlsCredentials::set_ticket_keys(ByteView keys) {
  return basis_->ticket_keys.set(keys);
}

bool TlsCredentials::can_serve() const noexcept {
  return basis_->settings.can_serve();
}

bool TlsCredentials::accepts_any_certificate() const noexcept {
  return basis_->settings.clients_accept_any;
}

ssl_st* TlsCredentials::new_ssl(tcpkit_tls_role role) noexcept {
  return current()->new_ssl(role).release();
}

}  // namespace tcpkit
