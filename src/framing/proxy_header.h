// The PROXY protocol, versions 1 and 2, as a receiver: what a load balancer puts once before the
// first byte of a connection, to tell who really connected. Pure, before TLS, filters and framing.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace tcpkit {

// Bytes of the longest line of version 1, with its CRLF; the specification says so.
inline constexpr size_t kMostProxyLineBytes = 107;
// Bytes of the longest header of version 2. Its length field could say 65535, which no proxy needs,
// and which a peer that is not known yet should not make us keep.
inline constexpr size_t kMostProxyHeaderBytes = 16 + 4096;

struct ProxyEndpoint {
  uint8_t ip[16];  // as on the wire; IPv4 is in the first 4, the others are zero
  uint16_t port;   // in the byte order of the host
};

enum class ProxyFamily : uint8_t {
  kLocal,  // LOCAL, UNKNOWN or UNSPEC: the header names nobody, the real peer counts
  kIpv4,
  kIpv6,
  kUnix,
};

// The views point into the parsed bytes and live as long as those.
struct ProxyHeader {
  ProxyFamily family;
  ProxyEndpoint source;  // of kIpv4 and kIpv6; all zero otherwise
  ProxyEndpoint destination;
  ByteView unix_source;  // of kUnix: up to 108 bytes without the NUL; an abstract name is empty
  ByteView unix_destination;
  ByteView tlvs;  // of version 2: well formed; empty after LOCAL, whose rest is not looked at
};

enum class ProxyParse : uint8_t {
  kMore,    // so far it can become a header
  kHeader,  // a complete and valid one
  kNone,    // begins like neither version; told at the first byte that differs
  kBad,     // begins like a header and is none: the connection is not to be trusted
};

struct ProxyResult {
  ProxyParse parse;
  size_t header_size;  // kHeader: bytes to drop from the front; 0 otherwise
  size_t needed_size;  // kMore: bytes that must be there in all, at least; 0 if nothing told yet
  const char* why;     // kBad: static text that names what is wrong; nullptr otherwise
};

// Looks at bytes from their begin each time, so call it with all bytes received so far. Bytes
// behind the header change nothing. Writes out only for kHeader.
ProxyResult parse_proxy_header(ByteView bytes, ProxyHeader& out) noexcept;

// Whether bytes begin as only a header does: with all of the fixed bytes of either version.
bool has_proxy_signature(ByteView bytes) noexcept;

// The value of the first TLV of that type, in the tlvs of a header. False: there is none. The TLVs
// inside of another one, as PP2_TYPE_SSL has them, are not searched.
bool find_proxy_tlv(ByteView tlvs, uint8_t type, ByteView& value) noexcept;

}  // namespace tcpkit
