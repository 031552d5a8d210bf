// Moves bytes of one connection: sends what is allowed, receives and checks what came back.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "pattern.h"
#include "sockets.h"

namespace tcpkit::load {

enum class Outcome { kOk, kBroken };

class Transfer {
 public:
  explicit Transfer(const Pattern& pattern) : pattern_(pattern), buffer_(pattern.max_piece()) {}

  // Sends up to connection.allowed, as far as the kernel takes it.
  Outcome send_allowed(Connection& connection) {
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
};

}  // namespace tcpkit::load
