// Reads PROXY protocol headers. A peer that is not known yet writes them, so everything is as
// strict as the specification: what one receiver takes and the next one refuses is a way to lie.
#include "framing/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

namespace tcpkit {
namespace {

constexpr std::string_view kLineBegin = "PROXY ";
constexpr std::string_view kSignature("\r\n\r\n\0\r\nQUIT\n", 12);

constexpr size_t kFixedBytes = 16;  // signature, version and command, family, length
constexpr size_t kVersionAt = 12;
constexpr size_t kFamilyAt = 13;
constexpr size_t kLengthAt = 14;
constexpr size_t kUnixPathBytes = 108;
constexpr size_t kTlvHeadBytes = 3;
constexpr uint8_t kTlvCrc32c = 0x03;
constexpr size_t kCrcBytes = 4;

ProxyResult proxy_more(size_t needed_size) noexcept {
  return {ProxyParse::kMore, 0, needed_size, nullptr};
}

ProxyResult proxy_header(size_t header_size) noexcept {
  return {ProxyParse::kHeader, header_size, 0, nullptr};
}

ProxyResult proxy_bad(const char* why) noexcept {
  return {ProxyParse::kBad, 0, 0, why};
}

std::string_view as_text(ByteView bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint16_t read_u16(const uint8_t* bytes) noexcept {
  return static_cast<uint16_t>(bytes[0] << 8 | bytes[1]);
}

// True as long as bytes and begin agree, whichever of them is longer.
bool agrees(ByteView bytes, std::string_view begin) noexcept {
  const size_t shared = std::min(bytes.size(), begin.size());
  return as_text(bytes.first(shared)) == begin.substr(0, shared);
}

// Version 1: one line of text.

// Takes the text up to the next space off the front of line, and the space. Without one, all of it.
std::string_view take_word(std::string_view& line) noexcept {
  const size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

// Digits only, and no zero in front, which some would read as octal.
bool read_decimal(std::string_view word, uint32_t most, uint32_t& value) noexcept {
  if (word.empty() || word.size() > 5) return false;
  if (word.size() > 1 && word.front() == '0') return false;
  value = 0;
  for (const char digit : word) {
    if (digit < '0' || digit > '9') return false;
    value = value * 10 + static_cast<uint32_t>(digit - '0');
  }
  return value <= most;
}

bool read_port(std::string_view word, uint16_t& port) noexcept {
  uint32_t value = 0;
  if (!read_decimal(word, 65535, value)) return false;
  port = static_cast<uint16_t>(value);
  return true;
}

bool read_ipv4(std::string_view word, uint8_t* ip) noexcept {
  for (int i = 0; i < 4; ++i) {
    const size_t dot = i < 3 ? word.find('.') : word.size();
    if (dot == std::string_view::npos) return false;
    uint32_t value = 0;
    if (!read_decimal(word.substr(0, dot), 255, value)) return false;
    ip[i] = static_cast<uint8_t>(value);
    if (i < 3) word.remove_prefix(dot + 1);
  }
  return true;
}

// inet_pton stops at a NUL, so a word with one inside would pass for its begin.
bool read_ipv6(std::string_view word, uint8_t* ip) noexcept {
  char text[INET6_ADDRSTRLEN] = {};
  if (word.size() >= sizeof text || word.find('\0') != std::string_view::npos) return false;
  word.copy(text, word.size());
  return inet_pton(AF_INET6, text, ip) == 1;
}

// What is wrong with the four words behind TCP4 or TCP6, or nullptr. An empty word, which is two
// spaces in a row, is no address and no port.
const char* read_line_addresses(std::string_view line, ProxyHeader& header) noexcept {
  const auto read_ip = header.family == ProxyFamily::kIpv4 ? read_ipv4 : read_ipv6;
  if (std::count(line.begin(), line.end(), ' ') != 3) {
    return "PROXY v1: not two addresses and two ports with one space between them";
  }
  if (!read_ip(take_word(line), header.source.ip)) {
    return "PROXY v1: the source address is none of its family";
  }
  if (!read_ip(take_word(line), header.destination.ip)) {
    return "PROXY v1: the destination address is none of its family";
  }
  if (!read_port(take_word(line), header.source.port)) {
    return "PROXY v1: the source port is no number from 0 to 65535";
  }
  if (!read_port(line, header.destination.port)) {
    return "PROXY v1: the destination port is no number from 0 to 65535";
  }
  return nullptr;
}

const char* read_line(std::string_view line, ProxyHeader& header) noexcept {
  if (line.starts_with("UNKNOWN")) return nullptr;
  const std::string_view protocol = take_word(line);
  if (protocol == "TCP4") {
    header.family = ProxyFamily::kIpv4;
  } else if (protocol == "TCP6") {
    header.family = ProxyFamily::kIpv6;
  } else {
    return "PROXY v1: the protocol is not TCP4, TCP6 or UNKNOWN";
  }
  return read_line_addresses(line, header);
}

ProxyResult parse_line(ByteView bytes, ProxyHeader& out) noexcept {
  const std::string_view readable =
      as_text(bytes.first(std::min(bytes.size(), kMostProxyLineBytes)));
  const size_t end = readable.find("\r\n");
  if (end == std::string_view::npos) {
    if (readable.size() < kMostProxyLineBytes) return proxy_more(0);
    return proxy_bad("PROXY v1: no CRLF within 107 bytes");
  }
  ProxyHeader header{};
  const std::string_view line = readable.substr(0, end);
  if (const char* why = read_line(line.substr(kLineBegin.size()), header)) return proxy_bad(why);
  out = header;
  return proxy_header(end + 2);
}

// Version 2: 16 fixed bytes, the addresses, and TLVs.

// CRC32c, reflected, a byte at a time: the header is short and is checked once per connection.
constexpr std::array<uint32_t, 256> make_crc_table() noexcept {
  std::array<uint32_t, 256> table{};
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
    table[i] = crc;
  }
  return table;
}

constexpr std::array<uint32_t, 256> kCrcTable = make_crc_table();

uint32_t add_to_crc(uint32_t crc, ByteView bytes) noexcept {
  for (const uint8_t byte : bytes) crc = kCrcTable[(crc ^ byte) & 0xff] ^ crc >> 8;
  return crc;
}

// The sender computed it over a header whose checksum was zero, so zeros take the place of field,
// which lies inside of header.
bool is_crc_right(ByteView header, ByteView field) noexcept {
  constexpr uint8_t kZeros[kCrcBytes] = {};
  const size_t before = static_cast<size_t>(field.data() - header.data());
  uint32_t crc = add_to_crc(0xFFFFFFFFu, header.first(before));
  crc = add_to_crc(crc, kZeros);
  crc = ~add_to_crc(crc, header.subspan(before + kCrcBytes));
  const uint32_t stated =
      static_cast<uint32_t>(read_u16(field.data())) << 16 | read_u16(field.data() + 2);
  return crc == stated;
}

// Takes one TLV off the front of tlvs. False: there is no whole one.
bool take_tlv(ByteView& tlvs, uint8_t& type, ByteView& value) noexcept {
  if (tlvs.size() < kTlvHeadBytes) return false;
  const size_t size = read_u16(tlvs.data() + 1);
  if (size > tlvs.size() - kTlvHeadBytes) return false;
  type = tlvs[0];
  value = tlvs.subspan(kTlvHeadBytes, size);
  tlvs = tlvs.subspan(kTlvHeadBytes + size);
  return true;
}

// What is wrong with the TLVs at the end of header, or nullptr. Of two checksums it would be
// unclear which of them was zero for the other one.
const char* check_tlvs(ByteView header, ByteView tlvs) noexcept {
  ByteView crc;
  while (!tlvs.empty()) {
    uint8_t type = 0;
    ByteView value;
    if (!take_tlv(tlvs, type, value)) return "PROXY v2: a TLV does not fit the header";
    if (type != kTlvCrc32c) continue;
    if (value.size() != kCrcBytes) return "PROXY v2: the CRC32c is not 4 bytes long";
    if (!crc.empty()) return "PROXY v2: more than one CRC32c";
    crc = value;
  }
  if (!crc.empty() && !is_crc_right(header, crc)) return "PROXY v2: the CRC32c is wrong";
  return nullptr;
}

bool is_local(ByteView bytes) noexcept {
  return bytes[kVersionAt] == 0x20;
}

// What is wrong with the fixed bytes as far as they are there, or nullptr.
const char* check_fixed(ByteView bytes) noexcept {
  if (bytes.size() <= kVersionAt) return nullptr;
  if (bytes[kVersionAt] >> 4 != 2) return "PROXY v2: the version is not 2";
  if ((bytes[kVersionAt] & 0x0f) > 1) return "PROXY v2: the command is not LOCAL or PROXY";
  if (bytes.size() <= kFamilyAt || is_local(bytes)) return nullptr;
  switch (bytes[kFamilyAt]) {
    case 0x00:
    case 0x11:
    case 0x21:
    case 0x31:
      return nullptr;
    case 0x12:
    case 0x22:
    case 0x32:
      return "PROXY v2: a datagram protocol on a TCP connection";
    default:
      return "PROXY v2: the family and protocol are unknown";
  }
}

void take_endpoints(ByteView block, size_t ip_size, ProxyHeader& header) noexcept {
  std::memcpy(header.source.ip, block.data(), ip_size);
  std::memcpy(header.destination.ip, block.data() + ip_size, ip_size);
  header.source.port = read_u16(block.data() + 2 * ip_size);
  header.destination.port = read_u16(block.data() + 2 * ip_size + 2);
}

ByteView cut_at_nul(ByteView path) noexcept {
  return path.first(std::min(as_text(path).find('\0'), path.size()));
}

size_t address_block_size(ProxyFamily family) noexcept {
  switch (family) {
    case ProxyFamily::kIpv4:
      return 12;
    case ProxyFamily::kIpv6:
      return 36;
    case ProxyFamily::kUnix:
      return 2 * kUnixPathBytes;
    case ProxyFamily::kLocal:
      break;
  }
  return 0;
}

ProxyFamily family_of(ByteView bytes) noexcept {
  if (is_local(bytes)) return ProxyFamily::kLocal;
  switch (bytes[kFamilyAt] >> 4) {
    case 1:
      return ProxyFamily::kIpv4;
    case 2:
      return ProxyFamily::kIpv6;
    case 3:
      return ProxyFamily::kUnix;
    default:
      return ProxyFamily::kLocal;
  }
}

void take_addresses(ByteView block, ProxyHeader& header) noexcept {
  switch (header.family) {
    case ProxyFamily::kIpv4:
      take_endpoints(block, 4, header);
      break;
    case ProxyFamily::kIpv6:
      take_endpoints(block, 16, header);
      break;
    case ProxyFamily::kUnix:
      header.unix_source = cut_at_nul(block.first(kUnixPathBytes));
      header.unix_destination = cut_at_nul(block.subspan(kUnixPathBytes));
      break;
    case ProxyFamily::kLocal:
      break;
  }
}

// All that the fixed bytes can tell is checked before the rest is waited for. UNSPEC has an empty
// address block; HAProxy sends it with TLVs when it does not know the addresses itself.
ProxyResult parse_binary(ByteView bytes, ProxyHeader& out) noexcept {
  if (bytes.size() < kSignature.size()) return proxy_more(0);
  if (const char* why = check_fixed(bytes)) return proxy_bad(why);
  if (bytes.size() < kFixedBytes) return proxy_more(kFixedBytes);

  ProxyHeader header{};
  header.family = family_of(bytes);
  const size_t block_size = address_block_size(header.family);
  const size_t header_size = kFixedBytes + read_u16(bytes.data() + kLengthAt);
  if (header_size > kMostProxyHeaderBytes) return proxy_bad("PROXY v2: longer than 4112 bytes");
  if (header_size - kFixedBytes < block_size) {
    return proxy_bad("PROXY v2: too short for the addresses of its family");
  }
  if (bytes.size() < header_size) return proxy_more(header_size);

  const ByteView whole = bytes.first(header_size);
  if (!is_local(bytes)) {
    header.tlvs = whole.subspan(kFixedBytes + block_size);
    if (const char* why = check_tlvs(whole, header.tlvs)) return proxy_bad(why);
    take_addresses(whole.subspan(kFixedBytes, block_size), header);
  }
  out = header;
  return proxy_header(header_size);
}

}  // namespace

ProxyResult parse_proxy_header(ByteView bytes, ProxyHeader& out) noexcept {
  if (bytes.empty()) return proxy_more(0);
  if (agrees(bytes, kLineBegin)) return parse_line(bytes, out);
  if (agrees(bytes, kSignature)) return parse_binary(bytes, out);
  return {ProxyParse::kNone, 0, 0, nullptr};
}

bool has_proxy_signature(ByteView bytes) noexcept {
  return (bytes.size() >= kSignature.size() && agrees(bytes, kSignature)) ||
         (bytes.size() >= kLineBegin.size() && agrees(bytes, kLineBegin));
}

bool find_proxy_tlv(ByteView tlvs, uint8_t type, ByteView& value) noexcept {
  uint8_t found_type = 0;
  ByteView found;
  while (take_tlv(tlvs, found_type, found)) {
    if (found_type != type) continue;
    value = found;
    return true;
  }
  return false;
}

}  // namespace tcpkit
