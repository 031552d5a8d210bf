// Whose signatures count: the certificates of ca_file, ca_dir and ca_pem, and those of the system.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "tls/openssl_ptr.h"
#include "tls/tls_settings.h"

namespace tcpkit {

// All of ca_dir is read at once, not by hash when a chain needs it: so a reload is the one moment
// at which trust changes, and what it consists of can be told.
class Trust {
 public:
  static Status load(const TlsSettings& settings, Trust& trust);

  // A store of the certificates, without the system's.
  StorePtr make_store() const;
  // Subjects of the certificates, which clients choose theirs by.
  void add_names_to(SSL_CTX* context) const;

  // The same for the same certificates: of sessions that were made while we trusted others nothing
  // may be believed.
  using Fingerprint = std::array<uint8_t, 32>;
  Fingerprint fingerprint(tcpkit_tls_client_auth client_auth, bool with_system) const;

 private:
  Status add(const TextSource& source);

  std::vector<X509Ptr> authorities_;  // each once
};

// Adds what the system trusts: a bundle of some MiB, read now.
void add_system_trust(X509_STORE* store);

}  // namespace tcpkit
