// SSL_CTX objects made from settings: everything but the callbacks, which need the generation.
#pragma once

#include <vector>

#include "base/status.h"
#include "tls/certificate_loading.h"
#include "tls/openssl_ptr.h"
#include "tls/tls_settings.h"
#include "tls/trust.h"

namespace tcpkit {

// A context for one side of handshakes that shows these certificates, which have keys of different
// types. A setting that OpenSSL does not take is a failure that names its text.
Status make_server_context(const TlsSettings& settings, const Trust& trust, X509_STORE* store,
                           const std::vector<CertificateRef>& certificates, SslContextPtr& context);
Status make_client_context(const TlsSettings& settings, X509_STORE* store,
                           const std::vector<CertificateRef>& certificates, SslContextPtr& context);

}  // namespace tcpkit
