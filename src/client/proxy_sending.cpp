// From addresses to the ends of a PROXY header.
#include "client/proxy_sending.h"

#include <cstring>

#include "loop/targets.h"

namespace tcpkit {
namespace {

ProxyEndpoint endpoint_of(const SocketAddress& address, ProxyFamily family) noexcept {
  ProxyEndpoint endpoint{};
  const IpBytes ip = PeerAddress(address).ip_bytes();
  if (family == ProxyFamily::kIpv4) {
    std::memcpy(endpoint.ip, ip.data() + 12, 4);
  } else {
    std::memcpy(endpoint.ip, ip.data(), ip.size());
  }
  endpoint.port = address.port();
  return endpoint;
}

// IPv4 only if both are; one of each are both told as IPv6.
ProxyFamily family_of_both(const PeerAddress& source, const PeerAddress& destination) noexcept {
  if (!source.has_ip() || !destination.has_ip()) return ProxyFamily::kLocal;
  const bool v4 = source.family() == AF_INET && destination.family() == AF_INET;
  return v4 ? ProxyFamily::kIpv4 : ProxyFamily::kIpv6;
}

Status read_end(const char* name, const char* text, SocketAddress& end) noexcept {
  if (std::strcmp(text, "unix") == 0) return TCPKIT_OK;
  return parse_ip_endpoint(name, text, end);
}

}  // namespace

Status read_proxy_sending(const tcpkit_client_options& options, ProxySending& sending) noexcept {
  sending.wanted = options.send_proxy != TCPKIT_SEND_PROXY_OFF;
  sending.version =
      options.send_proxy == TCPKIT_SEND_PROXY_V2 ? ProxyVersion::kV2 : ProxyVersion::kV1;
  sending.names_ends = options.proxy_source != nullptr;
  if (!sending.names_ends) return TCPKIT_OK;
  const Status status = read_end("proxy_source", options.proxy_source, sending.source);
  if (status != TCPKIT_OK) return status;
  return read_end("proxy_destination", options.proxy_destination, sending.destination);
}

EncodedProxyHeader proxy_header_of(const ProxySending& sending, int fd,
                                   const SocketAddress& peer) noexcept {
  if (!sending.wanted) return {};
  SocketAddress source = sending.source;
  SocketAddress destination = sending.destination;
  if (!sending.names_ends) {
    destination = peer;
    source.size = sizeof source.path;
    if (getsockname(fd, &source.header, &source.size) != 0) source.size = 0;
  }
  const ProxyFamily family = family_of_both(PeerAddress(source), PeerAddress(destination));
  if (family == ProxyFamily::kLocal) return encode_proxy_header(sending.version, family, {}, {});
  return encode_proxy_header(sending.version, family, endpoint_of(source, family),
                             endpoint_of(destination, family));
}

}  // namespace tcpkit
