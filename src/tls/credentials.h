// Certificates, keys, trust and settings of TLS, as one object that servers and clients share, and
// its generations: what a reload puts in place of what was there before.
#pragma once

#include <memory>
#include <mutex>

#include "base/bytes.h"
#include "base/fork_guard.h"
#include "base/ref.h"
#include "base/status.h"
#include "tls/ticket_keys.h"

struct ssl_st;

namespace tcpkit {

class TlsGeneration;
struct TlsBasis;

uint64_t ticket_clock_ms() noexcept;

// The tcpkit_tls of the interface. Any thread.
class TlsCredentials final : public RefCounted<TlsCredentials> {
 public:
  // `options` has all fields; takes over user_data, which is freed also on failure. Ticket keys age
  // by now_ms.
  static Status create(const tcpkit_tls_options& options, Ref<TlsCredentials>& created,
                       TicketKeys::NowMs now_ms = ticket_clock_ms);
  ~TlsCredentials();
  TlsCredentials(const TlsCredentials&) = delete;
  TlsCredentials& operator=(const TlsCredentials&) = delete;
  void destroy() noexcept { delete this; }

  static TlsCredentials* from_handle(tcpkit_tls* handle) noexcept {
    return reinterpret_cast<TlsCredentials*>(handle);
  }
  tcpkit_tls* handle() noexcept { return reinterpret_cast<tcpkit_tls*>(this); }

  Status reload();
  uint64_t generation() const noexcept;
  uint64_t expires_at_ms() const noexcept;
  Status set_ticket_keys(ByteView keys);

  // Whether it has a certificate, which a server needs.
  bool can_serve() const noexcept;
  bool accepts_any_certificate() const noexcept;
  // TCPKIT_E_FORKED in a child of the process that made them.
  Status fork_check() const noexcept { return fork_guard_.check(); }

  // The generation in force.
  Ref<TlsGeneration> current() const noexcept;
  // A new SSL of the generation in force, in the accept or connect state of that role, with
  // everything set but the BIOs and the host name; null if memory ran out, and for a server that
  // cannot serve. It keeps its generation, and with it user_data, until SSL_free.
  ssl_st* new_ssl(tcpkit_tls_role role) noexcept;

 private:
  explicit TlsCredentials(std::shared_ptr<TlsBasis> basis) noexcept;

  const std::shared_ptr<TlsBasis> basis_;
  ForkGuard fork_guard_;
  mutable std::mutex mutex_;
  Ref<TlsGeneration> current_;  // under mutex_
  uint64_t generation_ = 1;     // the same
};

}  // namespace tcpkit
