// A certificate with its intermediate ones, its key and its OCSP response, read and held against
// each other: whatever does not fit is told by file and place.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "tls/openssl_ptr.h"
#include "tls/stapled_response.h"
#include "tls/tls_settings.h"

namespace tcpkit {

struct LoadedCertificate {
  std::string where;  // its chain came from, for messages
  X509Ptr leaf;
  std::vector<X509Ptr> intermediates;
  PkeyPtr key;
  std::vector<std::string> names;  // in lower case
  StapledResponse response;

  // RSA, EC, ...: a context has room for one of each.
  int key_type() const noexcept { return EVP_PKEY_get_base_id(key.get()); }
};

using CertificateRef = std::shared_ptr<const LoadedCertificate>;

// All certificates of a PEM text, in its order; none at all is a failure.
Status read_certificates(const std::string& where, std::string_view text,
                         std::vector<X509Ptr>& certificates);

Status load_certificate(const TlsSettings& settings, const CertificateSource& source,
                        CertificateRef& loaded);

}  // namespace tcpkit
