// Sessions that clients may resume: the newest one of each host that they asked for.
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "tls/openssl_ptr.h"

namespace tcpkit {

using SessionPtr = std::unique_ptr<SSL_SESSION, OpenSslFree<SSL_SESSION_free>>;

// Any thread. One for each generation: where trust has changed, peers are verified anew.
class ClientSessions {
 public:
  static constexpr size_t kMostHosts = 1024;

  // May throw std::bad_alloc; then nothing is kept.
  void keep(std::string_view host, SessionPtr session);
  // Null if there is none. A ticket of TLS 1.3 is for one use, so that nobody on the way can tell
  // that two connections are of the same client.
  SessionPtr take(std::string_view host) noexcept;

 private:
  std::mutex mutex_;
  std::map<std::string, SessionPtr, std::less<>> sessions_;
};

}  // namespace tcpkit
