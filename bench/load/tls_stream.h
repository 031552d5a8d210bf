// What a connection of the load generator has besides when it speaks TLS.
#pragma once

#include <openssl/ssl.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace tcpkit::load {

struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct SslSessionFree {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};

struct TlsStream {
  std::unique_ptr<SSL, SslFree> ssl;
  std::unique_ptr<SSL_SESSION, SslSessionFree> ticket;  // to resume with, the newest
  bool offered_ticket = false;
  std::vector<std::uint8_t> unsent;  // sealed bytes that the kernel has not taken
  std::size_t unsent_begin = 0;
};

}  // namespace tcpkit::load
