// TLS of the load generator: moves bytes of one connection through its session, with the interface
// of Transfer. TLS 1.3, AES-128-GCM and X25519 are all that is offered; certificates are not
// verified, for they are the runner's own.
#pragma once

#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "options.h"
#include "outcome.h"
#include "pattern.h"
#include "sockets.h"
#include "tls_wire.h"

namespace tcpkit::load {

class TlsClient {
 public:
  TlsClient(const Options& options, const Pattern& pattern);

  // A new session for the connection, whose socket may be connecting still. With Tls::kResumed it
  // begins with the last ticket that this connection got.
  void begin(Connection& connection);
  // Says goodbye and ends the session; the socket stays open.
  void end(Connection& connection);
  // Whether the session did what was asked for: to resume if it could, or not to.
  bool is_as_wished(const Connection& connection) const;

  // Both make the handshake first, as far as they get.
  Outcome send_allowed(Connection& connection);
  Outcome receive_checked(Connection& connection);

 private:
  struct ContextFree {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };

  static int keep_ticket(SSL* ssl, SSL_SESSION* session);
  bool open_input(Connection& connection);
  Outcome break_off();
  Outcome send_output(Connection& connection);
  Outcome send_unsent(Connection& connection);

  const Pattern& pattern_;
  const bool resumes_;
  TlsWire wire_;
  std::unique_ptr<SSL_CTX, ContextFree> context_;
  std::vector<std::uint8_t> sealed_;  // as received
  std::vector<std::uint8_t> plain_;
};

}  // namespace tcpkit::load
