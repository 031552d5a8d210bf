// What a PROXY header said of a connection; kept for those that had one.
#pragma once

#include <cstring>
#include <memory>
#include <string>

#include "framing/proxy_header.h"
#include "loop/address.h"

namespace tcpkit {

struct ProxyInfo {
  ProxyFamily family = ProxyFamily::kLocal;
  PeerAddress source;        // of kIpv4 and kIpv6
  char unix_path[109] = {};  // of kUnix
  std::unique_ptr<uint8_t[]> tlv_bytes;
  ByteView tlvs;
  mutable bool is_counted = false;  // its source was admitted; the loop's alone

  // "" where the header named nobody.
  std::string text() const {
    if (family == ProxyFamily::kLocal) return {};
    if (family != ProxyFamily::kUnix) return source.text();
    return unix_path[0] == '\0' ? "unix" : unix_path;
  }
};

}  // namespace tcpkit
