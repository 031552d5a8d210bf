// What tcpkit_tls_options says, copied: all that each generation of the credentials is loaded by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"
#include "base/user_data.h"
#include "tls/pem.h"

namespace tcpkit {

struct CertificateSource {
  TextSource chain;
  TextSource key;  // not given: it is in the chain
  TextSource ocsp;
  std::vector<std::string> names;  // in lower case; empty: those in the certificate
};

struct TlsSettings {
  std::vector<CertificateSource> certificates;
  std::vector<std::string> self_signed;  // hosts
  std::vector<TextSource> authorities;
  std::string ca_dir;
  bool servers_trust_system = false;
  bool clients_trust_system = false;
  bool clients_accept_any = false;
  tcpkit_tls_version min_version = TCPKIT_TLS_DEFAULT;
  tcpkit_tls_version max_version = TCPKIT_TLS_DEFAULT;
  tcpkit_tls_client_auth client_auth = TCPKIT_TLS_CLIENT_AUTH_OFF;
  tcpkit_tls_resumption resumption = TCPKIT_TLS_RESUMPTION_TICKETS;
  uint32_t tickets = 0;  // TCPKIT_TLS_NO_TICKETS is 0 here
  std::string ciphers;
  std::string cipher_suites;
  std::string groups;
  std::vector<uint8_t> alpn;  // protocols, each behind its length
  uint64_t session_lifetime_ms = 0;
  uint64_t session_cache_size = 0;
  uint64_t ticket_rotation_ms = 0;
  tcpkit_tls_passphrase_fn passphrase = nullptr;
  tcpkit_tls_key_log_fn on_key_log = nullptr;
  tcpkit_tls_choose_fn choose = nullptr;
  UserData user_data;

  bool can_serve() const noexcept { return !certificates.empty() || !self_signed.empty(); }
  bool asks_clients() const noexcept { return client_auth != TCPKIT_TLS_CLIENT_AUTH_OFF; }
};

// Copies options, whose user_data the settings have taken over already, and checks all that can be
// checked without a file.
Status copy_options(const tcpkit_tls_options& options, TlsSettings& settings);

}  // namespace tcpkit
