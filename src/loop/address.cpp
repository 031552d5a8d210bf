// Parsing and formatting of addresses. Names are resolved with getaddrinfo, in listen calls only.
#include "loop/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <string_view>

namespace tcpkit {
namespace {

struct Scheme {
  std::string_view prefix;
  tcpkit_network network;
};

constexpr Scheme kSchemes[] = {{"tcp://", TCPKIT_NETWORK_TCP},
                               {"tcp4://", TCPKIT_NETWORK_TCP4},
                               {"tcp6://", TCPKIT_NETWORK_TCP6},
                               {"unix://", TCPKIT_NETWORK_UNIX},
                               {"fd://", TCPKIT_NETWORK_FD}};

constexpr uint32_t kLargestPort = 65535;
constexpr uint32_t kLargestDescriptor = 0x7FFFFFFF;

const Scheme* find_scheme(tcpkit_network network) noexcept {
  for (const Scheme& scheme : kSchemes) {
    if (scheme.network == network) return &scheme;
  }
  return nullptr;
}

// Of a part that a message names; what is longer is cut, so that the reason behind it is not.
int shown_length(std::string_view part) noexcept {
  return static_cast<int>(std::min<size_t>(part.size(), 40));
}

bool parse_number(std::string_view text, uint32_t largest, uint32_t& number) noexcept {
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, number);
  return !text.empty() && error == std::errc() && stop == end && number <= largest;
}

Status parse_host_and_port(const char* text, std::string_view rest, tcpkit_address& address) {
  const size_t colon = rest.rfind(':');
  if (colon == std::string_view::npos) {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\" has no port", text);
  }
  const std::string_view port = rest.substr(colon + 1);
  if (!parse_number(port, kLargestPort, address.port)) {
    return fail(TCPKIT_E_BAD_ADDRESS,
                "address \"%.200s\": port \"%.*s\" is not a number from 0 to 65535", text,
                shown_length(port), port.data());
  }
  std::string_view host = rest.substr(0, colon);
  if (host.starts_with('[') != host.ends_with(']')) {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\": brackets do not match", text);
  }
  const bool bracketed = host.starts_with('[');
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (!bracketed && host.find(':') != std::string_view::npos) {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\": an IPv6 address needs brackets", text);
  }
  if (host.size() >= sizeof address.host) {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\": the host has more than 255 bytes", text);
  }
  std::memcpy(address.host, host.data(), host.size());
  return TCPKIT_OK;
}

bool is_unix_path(std::string_view path) noexcept {
  return !path.empty() && path != "@" && path.size() < sizeof(sockaddr_un::sun_path);
}

Status parse_unix_path(const char* text, std::string_view path, tcpkit_address& address) {
  if (path.empty() || path == "@") {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\" has no path", text);
  }
  if (path.size() >= sizeof(sockaddr_un::sun_path)) {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\": the path has more than %zu bytes", text,
                sizeof(sockaddr_un::sun_path) - 1);
  }
  std::memcpy(address.host, path.data(), path.size());
  return TCPKIT_OK;
}

std::string ip_text(int family, const void* ip, uint32_t scope_id) {
  char text[INET6_ADDRSTRLEN] = {};
  inet_ntop(family, ip, text, sizeof text);
  std::string result = text;
  char name[IF_NAMESIZE] = {};
  if (scope_id != 0 && if_indextoname(scope_id, name) != nullptr) result += std::string("%") + name;
  return result;
}

std::string host_port_text(const std::string& host, uint16_t port) {
  const bool has_colon = host.find(':') != std::string::npos;
  return (has_colon ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string unix_path_text(const SocketAddress& address) {
  if (address.size <= offsetof(sockaddr_un, sun_path)) return "unix";
  // The kernel counts a NUL behind a path that fills the whole of sun_path.
  const size_t size = std::min<size_t>(address.size - offsetof(sockaddr_un, sun_path),
                                       sizeof address.path.sun_path);
  const char* path = address.path.sun_path;
  if (path[0] == '\0') return "@" + std::string(path + 1, size - 1);
  return std::string(path, strnlen(path, size));
}

bool has_ipv6() noexcept {
  const int probe = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  close(probe);
  return true;
}

// "" listens everywhere: on IPv6, which takes IPv4 too, unless only IPv4 was asked for or the
// system has no IPv6.
SocketAddress wildcard(tcpkit_network network, uint16_t port) noexcept {
  SocketAddress resolved;
  if (network == TCPKIT_NETWORK_TCP4 || (network == TCPKIT_NETWORK_TCP && !has_ipv6())) {
    resolved.v4.sin_family = AF_INET;
    resolved.v4.sin_port = htons(port);
    resolved.size = sizeof resolved.v4;
  } else {
    resolved.v6.sin6_family = AF_INET6;
    resolved.v6.sin6_port = htons(port);
    resolved.v6.sin6_addr = in6addr_any;
    resolved.size = sizeof resolved.v6;
  }
  return resolved;
}

Status resolve_host(const tcpkit_address& address, const char* text, SocketAddress& resolved) {
  addrinfo hints{};
  hints.ai_family = family_of(address.network);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* results = nullptr;
  const std::string port = std::to_string(address.port);
  const int error = getaddrinfo(address.host, port.c_str(), &hints, &results);
  if (error != 0) {
    return fail(TCPKIT_E_RESOLVE, "cannot resolve host \"%s\" of \"%s\": %s", address.host, text,
                gai_strerror(error));
  }
  std::memcpy(&resolved.path, results->ai_addr, results->ai_addrlen);
  resolved.size = results->ai_addrlen;
  freeaddrinfo(results);
  return TCPKIT_OK;
}

}  // namespace

SocketAddress unix_socket_address(std::string_view path) noexcept {
  SocketAddress resolved;
  resolved.path.sun_family = AF_UNIX;
  std::memcpy(resolved.path.sun_path, path.data(), path.size());
  resolved.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (path.starts_with('@')) {
    resolved.path.sun_path[0] = '\0';
  } else {
    resolved.size += 1;
  }
  return resolved;
}

int family_of(tcpkit_network network) noexcept {
  if (network == TCPKIT_NETWORK_TCP4) return AF_INET;
  if (network == TCPKIT_NETWORK_TCP6) return AF_INET6;
  return AF_UNSPEC;
}

uint16_t SocketAddress::port() const noexcept {
  if (family() == AF_INET) return ntohs(v4.sin_port);
  if (family() == AF_INET6) return ntohs(v6.sin6_port);
  return 0;
}

Status parse_address(const char* text, tcpkit_address& address) noexcept {
  const std::string_view whole(text);
  for (const Scheme& scheme : kSchemes) {
    if (!whole.starts_with(scheme.prefix)) continue;
    const std::string_view rest = whole.substr(scheme.prefix.size());
    address = TCPKIT_ADDRESS_INIT;
    address.network = scheme.network;
    if (scheme.network == TCPKIT_NETWORK_UNIX) return parse_unix_path(text, rest, address);
    if (scheme.network != TCPKIT_NETWORK_FD) return parse_host_and_port(text, rest, address);
    if (parse_number(rest, kLargestDescriptor, address.port)) return TCPKIT_OK;
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\": \"%.*s\" is not a descriptor number",
                text, shown_length(rest), rest.data());
  }
  return fail(TCPKIT_E_BAD_ADDRESS,
              "address \"%.200s\" does not begin with tcp://, tcp4://, tcp6://, unix:// or fd://",
              text);
}

std::string format_address(const tcpkit_address& address) {
  const Scheme* scheme = find_scheme(address.network);
  if (scheme == nullptr) return {};
  const std::string prefix(scheme->prefix);
  const std::string host(address.host, strnlen(address.host, sizeof address.host));
  if (host.size() == sizeof address.host) return {};
  if (address.network == TCPKIT_NETWORK_FD) {
    return address.port > kLargestDescriptor ? std::string()
                                             : prefix + std::to_string(address.port);
  }
  if (address.network == TCPKIT_NETWORK_UNIX) return is_unix_path(host) ? prefix + host : "";
  if (address.port > kLargestPort) return {};
  return prefix + host_port_text(host, static_cast<uint16_t>(address.port));
}

Status resolve_for_listen(const tcpkit_address& address, const char* text,
                          SocketAddress& resolved) {
  if (address.network == TCPKIT_NETWORK_UNIX) {
    resolved = unix_socket_address(address.host);
    return TCPKIT_OK;
  }
  const std::string_view host(address.host);
  const auto port = static_cast<uint16_t>(address.port);
  if (host.empty()) {
    resolved = wildcard(address.network, port);
    return TCPKIT_OK;
  }
  return resolve_host(address, text, resolved);
}

PeerAddress::PeerAddress(const SocketAddress& address) noexcept
    : family_(static_cast<sa_family_t>(address.family())) {
  if (family_ == AF_INET) std::memcpy(ip_, &address.v4.sin_addr, sizeof address.v4.sin_addr);
  if (family_ == AF_INET6) {
    std::memcpy(ip_, &address.v6.sin6_addr, sizeof address.v6.sin6_addr);
    scope_id_ = address.v6.sin6_scope_id;
  }
  if (family_ == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address.v6.sin6_addr)) {
    std::memcpy(ip_, &address.v6.sin6_addr.s6_addr[12], sizeof address.v4.sin_addr);
    family_ = AF_INET;
  }
  port_ = address.port();
}

IpBytes PeerAddress::ip_bytes() const noexcept {
  IpBytes bytes{};
  if (family_ == AF_INET6) std::memcpy(bytes.data(), ip_, bytes.size());
  if (family_ == AF_INET) {
    bytes[10] = bytes[11] = 0xFF;
    std::memcpy(&bytes[12], ip_, sizeof(in_addr));
  }
  return bytes;
}

std::string PeerAddress::text() const {
  if (!has_ip()) return "unix";
  return host_port_text(ip_text(family_, ip_, scope_id_), port_);
}

std::string socket_address_text(const SocketAddress& address) {
  if (address.family() == AF_UNIX) return unix_path_text(address);
  return PeerAddress(address).text();
}

std::string listener_address_text(const SocketAddress& address, tcpkit_network network) {
  if (address.family() == AF_UNIX) return "unix://" + unix_path_text(address);
  const Scheme* scheme = find_scheme(network);
  const bool is_tcp = scheme != nullptr && network != TCPKIT_NETWORK_FD;
  return std::string(is_tcp ? scheme->prefix : "tcp://") + socket_address_text(address);
}

}  // namespace tcpkit
