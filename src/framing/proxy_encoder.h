// The PROXY protocol as a sender: what a client puts once before the first byte of a connection.
#pragma once

#include <array>

#include "framing/proxy_header.h"

namespace tcpkit {

enum class ProxyVersion : uint8_t { kV1, kV2 };

struct EncodedProxyHeader {
  std::array<uint8_t, kMostProxyLineBytes>
      bytes{};  // a header of version 2 without TLVs is shorter
  size_t size = 0;

  ByteView view() const noexcept { return {bytes.data(), size}; }
};

// kUnix and kLocal, which name nobody, become UNKNOWN in version 1 and LOCAL in version 2.
EncodedProxyHeader encode_proxy_header(ProxyVersion version, ProxyFamily family,
                                       const ProxyEndpoint& source,
                                       const ProxyEndpoint& destination) noexcept;

}  // namespace tcpkit
