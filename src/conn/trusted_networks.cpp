// Parsing of "10.0.0.0/8,::1,unix,all", and the comparison of prefixes.
#include "conn/trusted_networks.h"

#include <arpa/inet.h>

#include <charconv>
#include <cstring>

namespace tcpkit {
namespace {

constexpr unsigned kMappedBits = 96;

bool same_prefix(const IpBytes& left, const IpBytes& right, unsigned bits) noexcept {
  const unsigned whole = bits / 8;
  if (std::memcmp(left.data(), right.data(), whole) != 0) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((left[whole] ^ right[whole]) >> (8 - rest)) == 0;
}

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// False if it is no number from 0 to most.
bool parse_bits(const std::string& text, unsigned most, unsigned& bits) noexcept {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, bits);
  return !text.empty() && error == std::errc() && stop == end && bits <= most;
}

}  // namespace

Status TrustedNetworks::add(const std::string& text) {
  if (text == "unix" || text == "all") {
    unix_peers_ = true;
    if (text == "all") networks_.push_back({{}, 0});
    return TCPKIT_OK;
  }
  const size_t slash = text.find('/');
  const std::string host = text.substr(0, slash);
  Network network{{}, 128};
  unsigned most = 128;
  if (inet_pton(AF_INET, host.c_str(), &network.ip[12]) == 1) {
    network.ip[10] = network.ip[11] = 0xFF;
    most = 32;
  } else if (inet_pton(AF_INET6, host.c_str(), network.ip.data()) != 1) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: proxy_trusted: \"%s\" is no network",
                text.c_str());
  }
  unsigned bits = most;
  if (slash != std::string::npos && !parse_bits(text.substr(slash + 1), most, bits)) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "options: proxy_trusted: \"%s\" has a prefix outside 0 to %u", text.c_str(), most);
  }
  network.bits = most == 32 ? kMappedBits + bits : bits;
  networks_.push_back(network);
  return TCPKIT_OK;
}

Status TrustedNetworks::parse(const char* text) {
  std::string rest(text);
  for (;;) {
    const size_t comma = rest.find(',');
    const Status status = add(trimmed(rest.substr(0, comma)));
    if (status != TCPKIT_OK || comma == std::string::npos) return status;
    rest.erase(0, comma + 1);
  }
}

bool TrustedNetworks::contains(const PeerAddress& peer) const noexcept {
  if (!peer.has_ip()) return unix_peers_;
  const IpBytes ip = peer.ip_bytes();
  for (const Network& network : networks_) {
    if (same_prefix(ip, network.ip, network.bits)) return true;
  }
  return false;
}

}  // namespace tcpkit
