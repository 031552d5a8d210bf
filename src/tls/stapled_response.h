// An OCSP response that a server staples to its certificate.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "tls/openssl_ptr.h"

namespace tcpkit {

struct StapledResponse {
  std::vector<uint8_t> der;
  int64_t valid_from = 0;   // seconds since 1970
  int64_t valid_until = 0;  // the same; INT64_MAX if it does not say

  // Whether it may be sent at that time: an outdated one would make clients refuse us.
  bool is_valid_at(int64_t now) const noexcept {
    return !der.empty() && now >= valid_from && now < valid_until;
  }
};

struct RespondedCertificate {
  const X509* subject;
  const X509* issuer;  // null: it is not in the chain
};

// Reads a response and checks that it is one about that certificate.
Status read_response(const std::string& where, std::string_view der,
                     const RespondedCertificate& certificate, StapledResponse& response);

}  // namespace tcpkit
