// A throw-away certificate with its key, for experiments and tests.
#pragma once

#include <string>
#include <vector>

#include "base/status.h"
#include "tls/certificate_loading.h"

namespace tcpkit {

// ECDSA on P-256, for these host names and IP addresses, valid for 7 days from an hour ago.
Status make_self_signed(const std::vector<std::string>& hosts, CertificateRef& made);

}  // namespace tcpkit
