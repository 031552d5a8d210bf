// Addresses: their text form, and what the system calls take and give.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/status.h"

namespace tcpkit {

// Takes "tcp://127.0.0.1:7000" apart; the message of a failure names the part that is wrong.
Status parse_address(const char* text, tcpkit_address& address) noexcept;
// Text that parse_address takes; empty if the address is not valid.
std::string format_address(const tcpkit_address& address);

// One socket address with room for any family we speak.
struct SocketAddress {
  union {
    sockaddr header;
    sockaddr_in v4;
    sockaddr_in6 v6;
    sockaddr_un path;
  };
  socklen_t size = 0;

  SocketAddress() noexcept : path{} {}
  int family() const noexcept { return size < sizeof(sa_family_t) ? AF_UNSPEC : header.sa_family; }
  uint16_t port() const noexcept;
};

// The abstract name, if path begins with '@'. It has to fit.
SocketAddress unix_socket_address(std::string_view path) noexcept;
int family_of(tcpkit_network network) noexcept;

// Resolves the host of a tcp address to the first address that can be bound to, or takes over a
// unix path. Blocks while a name is resolved. `text` is the address for messages.
Status resolve_for_listen(const tcpkit_address& address, const char* text, SocketAddress& resolved);

// IPv6 as it is, IPv4 as ::ffff:a.b.c.d: the same host is the same bytes, whichever it came by.
using IpBytes = std::array<uint8_t, 16>;

// The peer of a connection, small enough to keep in each.
class PeerAddress {
 public:
  PeerAddress() = default;
  explicit PeerAddress(const SocketAddress& address) noexcept;
  int family() const noexcept { return family_; }
  bool has_ip() const noexcept { return family_ == AF_INET || family_ == AF_INET6; }
  // All zero for a peer without an IP. The scope of a link-local address is not part of it.
  IpBytes ip_bytes() const noexcept;
  // "192.0.2.7:5000", "[2001:db8::7]:5000", or "unix".
  std::string text() const;

 private:
  uint8_t ip_[16] = {};
  uint32_t scope_id_ = 0;
  uint16_t port_ = 0;
  sa_family_t family_ = AF_UNSPEC;
};

// "192.0.2.7:5000", "[::1]:5000", the unix path, or "unix" for a socket without one.
std::string socket_address_text(const SocketAddress& address);
// The same with its scheme, as parse_address takes it; network says which tcp scheme was asked for.
std::string listener_address_text(const SocketAddress& address, tcpkit_network network);

}  // namespace tcpkit
