// The error queue of OpenSSL, which each thread has: read as text, and never left with anything in
// it, because the next call on that thread would take it for its own.
#pragma once

#include <string>

namespace tcpkit {

// Text of the first error in the queue, the cause of those after it; empties the queue.
std::string take_openssl_error();

// Empties the queue at both ends of a scope.
class OpenSslErrorScope {
 public:
  OpenSslErrorScope() noexcept;
  ~OpenSslErrorScope();
  OpenSslErrorScope(const OpenSslErrorScope&) = delete;
  OpenSslErrorScope& operator=(const OpenSslErrorScope&) = delete;
};

}  // namespace tcpkit
