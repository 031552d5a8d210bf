// The PROXY header of a client: whom it names, for which connection.
#pragma once

#include "framing/proxy_encoder.h"
#include "loop/address.h"

namespace tcpkit {

struct ProxySending {
  bool wanted = false;
  ProxyVersion version = ProxyVersion::kV1;
  // Size 0: an end of the connection itself. Without an IP: told as unknown.
  SocketAddress source;
  SocketAddress destination;
  bool names_ends = false;  // source and destination were given
};

// Reads what tcpkit_client_options says.
Status read_proxy_sending(const tcpkit_client_options& options, ProxySending& sending) noexcept;

// For one connected descriptor.
EncodedProxyHeader proxy_header_of(const ProxySending& sending, int fd,
                                   const SocketAddress& peer) noexcept;

}  // namespace tcpkit
