// getaddrinfo for clients, and the order of what it gives.
#include "loop/targets.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>

namespace tcpkit {
namespace {

// What getaddrinfo says; 0 and the addresses, or its error.
int look_up(const tcpkit_address& address, int flags, Targets& found) {
  addrinfo hints{};
  hints.ai_family = family_of(address.network);
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV | flags;
  const std::string port = std::to_string(address.port);
  const char* host = address.host[0] == '\0' ? nullptr : address.host;
  addrinfo* results = nullptr;
  const int error = getaddrinfo(host, port.c_str(), &hints, &results);
  if (error != 0) return error;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owner(results, freeaddrinfo);
  for (const addrinfo* entry = results; entry != nullptr; entry = entry->ai_next) {
    const bool is_ip = entry->ai_family == AF_INET || entry->ai_family == AF_INET6;
    if (!is_ip || entry->ai_addrlen > sizeof(sockaddr_un)) continue;
    SocketAddress target;
    std::memcpy(&target.path, entry->ai_addr, entry->ai_addrlen);
    target.size = entry->ai_addrlen;
    found.push_back(target);
  }
  return 0;
}

}  // namespace

Status parse_target(const char* text, tcpkit_address& address) noexcept {
  const Status status = parse_address(text, address);
  if (status != TCPKIT_OK) return status;
  if (address.network == TCPKIT_NETWORK_FD) {
    return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\" is to listen on, not to connect to",
                text);
  }
  if (address.network == TCPKIT_NETWORK_UNIX || address.port != 0) return TCPKIT_OK;
  return fail(TCPKIT_E_BAD_ADDRESS, "address \"%.200s\": nobody listens on port 0", text);
}

Targets literal_targets(const tcpkit_address& address) {
  Targets targets;
  if (address.network == TCPKIT_NETWORK_UNIX) {
    targets.push_back(unix_socket_address(address.host));
    return targets;
  }
  (void)look_up(address, AI_NUMERICHOST, targets);
  return targets;
}

Status resolve_targets(const tcpkit_address& address, Targets& resolved) {
  const int error = look_up(address, 0, resolved);
  if (error == 0 && !resolved.empty()) return TCPKIT_OK;
  if (error == EAI_MEMORY) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a host name");
  return fail(TCPKIT_E_RESOLVE, "cannot resolve host \"%s\": %s", address.host,
              error == 0 ? "it has no address" : gai_strerror(error));
}

void order_targets(Targets& targets) {
  Targets ordered;
  ordered.reserve(targets.size());
  size_t next_v6 = 0;
  size_t next_other = 0;
  const auto take_next = [&](size_t& next, bool v6) {
    while (next < targets.size() && (targets[next].family() == AF_INET6) != v6) ++next;
    if (next < targets.size()) ordered.push_back(targets[next++]);
  };
  while (ordered.size() < targets.size()) {
    take_next(next_v6, true);
    take_next(next_other, false);
  }
  targets.swap(ordered);
}

Status parse_ip_endpoint(const char* name, const char* text, SocketAddress& parsed) noexcept {
  const std::string_view whole(text);
  const size_t colon = whole.rfind(':');
  uint32_t port = 0;
  bool valid = colon < 64;  // or there is none
  if (valid) {
    const char* end = whole.data() + whole.size();
    auto [stop, error] = std::from_chars(whole.data() + colon + 1, end, port);
    valid = error == std::errc() && stop == end && port <= 65535;
  }
  if (valid) {
    std::string_view host = whole.substr(0, colon);
    const bool v6 = host.size() > 2 && host.front() == '[' && host.back() == ']';
    if (v6) host = host.substr(1, host.size() - 2);
    char copy[64] = {};
    std::memcpy(copy, host.data(), host.size());
    parsed = SocketAddress();
    const auto port_bytes = htons(static_cast<uint16_t>(port));
    if (v6) {
      parsed.v6.sin6_family = AF_INET6;
      parsed.v6.sin6_port = port_bytes;
      parsed.size = sizeof parsed.v6;
      valid = inet_pton(AF_INET6, copy, &parsed.v6.sin6_addr) == 1;
    } else {
      parsed.v4.sin_family = AF_INET;
      parsed.v4.sin_port = port_bytes;
      parsed.size = sizeof parsed.v4;
      valid = inet_pton(AF_INET, copy, &parsed.v4.sin_addr) == 1;
    }
  }
  if (valid) return TCPKIT_OK;
  return fail(TCPKIT_E_BAD_ADDRESS, "%s: \"%.200s\" is not like \"192.0.2.1:0\" or \"[::1]:0\"",
              name, text);
}

}  // namespace tcpkit
