// A map under a lock: it is asked once per handshake.
#include "tls/client_sessions.h"

#include <utility>

namespace tcpkit {

void ClientSessions::keep(std::string_view host, SessionPtr session) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(host);
  if (found != sessions_.end()) {
    found->second = std::move(session);
    return;
  }
  // Which one goes does not matter: its host costs one full handshake more.
  if (sessions_.size() >= kMostHosts) sessions_.erase(sessions_.begin());
  sessions_.emplace(host, std::move(session));
}

SessionPtr ClientSessions::take(std::string_view host) noexcept {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = sessions_.find(host);
  if (found == sessions_.end()) return nullptr;
  if (SSL_SESSION_get_protocol_version(found->second.get()) < TLS1_3_VERSION) {
    SSL_SESSION_up_ref(found->second.get());
    return SessionPtr(found->second.get());
  }
  SessionPtr taken = std::move(found->second);
  sessions_.erase(found);
  return taken;
}

}  // namespace tcpkit
