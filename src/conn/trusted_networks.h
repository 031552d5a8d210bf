// Networks whose PROXY headers are believed: a list from text, asked once per connection.
#pragma once

#include <string>
#include <vector>

#include "loop/address.h"

namespace tcpkit {

// Immutable once parsed, so any thread may ask.
class TrustedNetworks {
 public:
  // Once, into an empty list. The message of a failure names the entry. May throw std::bad_alloc.
  Status parse(const char* text);
  bool contains(const PeerAddress& peer) const noexcept;

 private:
  // IPv4 as ::ffff:a.b.c.d, with 96 bits more.
  struct Network {
    IpBytes ip;
    unsigned bits;
  };
  Status add(const std::string& text);

  std::vector<Network> networks_;
  bool unix_peers_ = false;
};

}  // namespace tcpkit
