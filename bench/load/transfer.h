// Moves bytes of one connection: sends what is allowed, receives and checks what came back.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "options.h"
#include "outcome.h"
#include "pattern.h"
#include "sockets.h"
#include "tls_client.h"

namespace tcpkit::load {

class Transfer {
 public:
  Transfer(const Options& options, const Pattern& pattern)
      : pattern_(pattern), buffer_(pattern.max_piece()) {
    if (options.tls != Tls::kOff) tls_ = std::make_unique<TlsClient>(options, pattern);
  }

  // For a socket that is new.
  void begin(Connection& connection) {
    if (tls_) tls_->begin(connection);
  }
  // Before the socket is closed in order.
  void end(Connection& connection) {
    if (tls_) tls_->end(connection);
  }
  // For TLS, once there was an answer: the session was resumed if it should be.
  bool is_as_wished(const Connection& connection) const {
    return !tls_ || tls_->is_as_wished(connection);
  }

  // Sends up to connection.allowed, as far as the kernel takes it.
  Outcome send_allowed(Connection& connection) {
    if (tls_) return tls_->send_allowed(connection);
    while (connection.sent < connection.allowed) {
      const std::size_t piece =
          std::min<std::uint64_t>(connection.allowed - connection.sent, pattern_.max_piece());
      const ssize_t sent = ::send(connection.fd, pattern_.at(connection.sent), piece, MSG_NOSIGNAL);
      if (sent < 0) return errno == EAGAIN ? Outcome::kOk : Outcome::kBroken;
      connection.sent += static_cast<std::uint64_t>(sent);
      if (static_cast<std::size_t>(sent) < piece) return Outcome::kOk;
    }
    return Outcome::kOk;
  }

  // Receives until the socket is empty (a short read says so) and checks every byte.
  Outcome receive_checked(Connection& connection) {
    if (tls_) return tls_->receive_checked(connection);
    for (;;) {
      const ssize_t size = ::recv(connection.fd, buffer_.data(), buffer_.size(), 0);
      if (size < 0) return errno == EAGAIN ? Outcome::kOk : Outcome::kBroken;
      if (size == 0) return Outcome::kBroken;
      const auto received = static_cast<std::size_t>(size);
      if (!pattern_.matches(connection.received, buffer_.data(), received)) {
        return Outcome::kBroken;
      }
      connection.received += received;
      if (received < buffer_.size()) return Outcome::kOk;
    }
  }

 private:
  const Pattern& pattern_;
  std::vector<std::uint8_t> buffer_;
  std::unique_ptr<TlsClient> tls_;  // null: plain
};

}  // namespace tcpkit::load
