// Where a client connects: the socket addresses of a host, in the order in which they are tried.
#pragma once

#include <vector>

#include "loop/address.h"

namespace tcpkit {

using Targets = std::vector<SocketAddress>;

// Takes an address apart and refuses what cannot be connected to; the message names the part.
Status parse_target(const char* text, tcpkit_address& address) noexcept;

// The targets of an address whose host need not be asked for: a path, an IP address, this machine.
// Never blocks. Empty for a host name.
Targets literal_targets(const tcpkit_address& address);

// Asks the resolver of the system, which may take many seconds. The message of a failure names the
// host.
Status resolve_targets(const tcpkit_address& address, Targets& resolved);

// Families take turns, IPv6 begins, and what the resolver prefers of each stays first (RFC 8305,
// 4).
void order_targets(Targets& targets);

// "192.0.2.1:0" or "[::1]:0"; the message of a failure begins with `name`.
Status parse_ip_endpoint(const char* name, const char* text, SocketAddress& parsed) noexcept;

}  // namespace tcpkit
