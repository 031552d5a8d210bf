// The twin of parse_proxy_header: whatever it makes, that takes.
#include "framing/proxy_encoder.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace tcpkit {
namespace {

constexpr uint8_t kSignature[] = {0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D,
                                  0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A};
constexpr uint8_t kLocalCommand = 0x20;
constexpr uint8_t kProxyCommand = 0x21;
constexpr uint8_t kTcpOverIpv4 = 0x11;
constexpr uint8_t kTcpOverIpv6 = 0x21;

class Writer {
 public:
  explicit Writer(EncodedProxyHeader& header) noexcept : header_(header) {}
  void put(const void* bytes, size_t size) noexcept {
    std::memcpy(header_.bytes.data() + header_.size, bytes, size);
    header_.size += size;
  }
  void put_byte(uint8_t byte) noexcept { put(&byte, 1); }
  void put_number(size_t number) noexcept {
    put_byte(static_cast<uint8_t>(number >> 8));
    put_byte(static_cast<uint8_t>(number));
  }

 private:
  EncodedProxyHeader& header_;
};

void write_line(bool is_ip, bool v4, const ProxyEndpoint& source, const ProxyEndpoint& destination,
                EncodedProxyHeader& header) noexcept {
  // The compiler does not know how long the texts of addresses can be, so there is room for more.
  char line[2 * kMostProxyLineBytes] = "PROXY UNKNOWN\r\n";
  if (is_ip) {
    char source_text[INET6_ADDRSTRLEN] = {};
    char destination_text[INET6_ADDRSTRLEN] = {};
    const int family = v4 ? AF_INET : AF_INET6;
    inet_ntop(family, source.ip, source_text, sizeof source_text);
    inet_ntop(family, destination.ip, destination_text, sizeof destination_text);
    std::snprintf(line, sizeof line, "PROXY %s %s %s %u %u\r\n", v4 ? "TCP4" : "TCP6", source_text,
                  destination_text, unsigned{source.port}, unsigned{destination.port});
  }
  Writer(header).put(line, std::min(std::strlen(line), kMostProxyLineBytes));
}

void write_binary(bool is_ip, bool v4, const ProxyEndpoint& source,
                  const ProxyEndpoint& destination, EncodedProxyHeader& header) noexcept {
  Writer writer(header);
  const size_t ip_size = v4 ? 4 : 16;
  writer.put(kSignature, sizeof kSignature);
  writer.put_byte(is_ip ? kProxyCommand : kLocalCommand);
  writer.put_byte(!is_ip ? 0 : v4 ? kTcpOverIpv4 : kTcpOverIpv6);
  writer.put_number(is_ip ? 2 * (ip_size + 2) : 0);
  if (!is_ip) return;
  writer.put(source.ip, ip_size);
  writer.put(destination.ip, ip_size);
  writer.put_number(source.port);
  writer.put_number(destination.port);
}

}  // namespace

EncodedProxyHeader encode_proxy_header(ProxyVersion version, ProxyFamily family,
                                       const ProxyEndpoint& source,
                                       const ProxyEndpoint& destination) noexcept {
  EncodedProxyHeader header;
  const bool v4 = family == ProxyFamily::kIpv4;
  const bool is_ip = v4 || family == ProxyFamily::kIpv6;
  if (version == ProxyVersion::kV1) {
    write_line(is_ip, v4, source, destination, header);
  } else {
    write_binary(is_ip, v4, source, destination, header);
  }
  return header;
}

}  // namespace tcpkit
