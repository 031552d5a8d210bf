// Options become settings: texts copied, lists taken apart, contradictions told.
#include "tls/tls_settings.h"

#include <algorithm>
#include <cstring>

#include "tls/text_list.h"
#include "tls/tls_options.h"

namespace tcpkit {
namespace {

// Without Diffie-Hellman over finite fields, which costs much, and CBC, which has lost its ground.
constexpr const char* kDefaultCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kDefaultGroups = "X25519:P-256:P-384";

// struct_size of tcpkit_tls_certificate in its first release.
constexpr uint32_t kSmallestCertificate = 72;

// "" is as good as NULL, for settings that come from a config file.
std::string text_or(const char* text, const char* otherwise) {
  return text == nullptr || *text == '\0' ? otherwise : text;
}

struct GivenSource {
  std::string field;  // of the file
  const char* file;
  tcpkit_slice memory;
};

// "chain_file" is "chain_pem" in memory.
Status copy_source(const GivenSource& given, TextSource& source) {
  const std::string stem = given.field.substr(0, given.field.size() - std::strlen("_file"));
  if (given.memory.size != 0 && given.memory.data == nullptr) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: %s_pem.data is NULL", stem.c_str());
  }
  source.file = text_or(given.file, "");
  source.field = given.memory.size == 0 ? given.field : stem + "_pem";
  if (given.memory.size == 0) return TCPKIT_OK;
  if (!source.file.empty()) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "options: both %s_file and %s_pem are given",
                stem.c_str(), stem.c_str());
  }
  char* copy = source.memory.reset(given.memory.size);
  std::memcpy(copy, given.memory.data, given.memory.size);
  return TCPKIT_OK;
}

Status copy_names(const std::string& field, const char* text, std::vector<std::string>& names) {
  if (text == nullptr || *text == '\0') return TCPKIT_OK;
  names = split_commas(lower_case(text));
  for (const std::string& name : names) {
    const bool has_star = name.find('*') != std::string::npos;
    const bool is_wildcard = name.starts_with("*.") && name.find('*', 1) == std::string::npos &&
                             name.size() > std::strlen("*.");
    if (!name.empty() && (!has_star || is_wildcard)) continue;
    return fail(TCPKIT_E_TLS_CREDENTIALS,
                "options: %s: \"%s\" in \"%s\" is no host name; a wildcard is \"*.\" before one",
                field.c_str(), name.c_str(), text);
  }
  return TCPKIT_OK;
}

Status copy_certificate(const tcpkit_tls_certificate& given, const std::string& prefix,
                        CertificateSource& source) {
  Status status =
      copy_source({prefix + "chain_file", given.chain_file, given.chain_pem}, source.chain);
  if (status == TCPKIT_OK) {
    status = copy_source({prefix + "key_file", given.key_file, given.key_pem}, source.key);
  }
  if (status == TCPKIT_OK) {
    status = copy_source({prefix + "ocsp_file", given.ocsp_file, {}}, source.ocsp);
  }
  if (status == TCPKIT_OK) status = copy_names(prefix + "names", given.names, source.names);
  if (status != TCPKIT_OK || source.chain.is_given()) return status;
  return fail(TCPKIT_E_TLS_CREDENTIALS, "options: %schain_file and chain_pem are both missing",
              prefix.c_str());
}

// cert_file, key_file and ocsp_file, or self_signed in their place.
Status copy_first_certificate(const tcpkit_tls_options& options, TlsSettings& settings) {
  const bool has_hosts = !text_or(options.self_signed, "").empty();
  CertificateSource source;
  source.chain = {"cert_file", text_or(options.cert_file, ""), {}};
  source.key = {"key_file", text_or(options.key_file, ""), {}};
  source.ocsp = {"ocsp_file", text_or(options.ocsp_file, ""), {}};
  if (source.chain.is_given()) {
    if (has_hosts) {
      return fail(TCPKIT_E_TLS_CREDENTIALS, "options: both cert_file and self_signed are given");
    }
    settings.certificates.push_back(source);
    return TCPKIT_OK;
  }
  if (source.key.is_given() || source.ocsp.is_given()) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "options: %s is given without cert_file",
                source.key.is_given() ? "key_file" : "ocsp_file");
  }
  return copy_names("self_signed", options.self_signed, settings.self_signed);
}

// All elements have the struct_size of the first, which is their distance in the caller's array.
Status copy_certificates(const tcpkit_tls_options& options, TlsSettings& settings) {
  if (options.certificate_count == 0) return TCPKIT_OK;
  if (options.certificates == nullptr) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "options: certificate_count is %u, certificates is NULL",
                options.certificate_count);
  }
  const uint32_t size = options.certificates->struct_size;
  const auto* bytes = reinterpret_cast<const unsigned char*>(options.certificates);
  for (uint32_t i = 0; i < options.certificate_count; ++i) {
    const unsigned char* element = bytes + size_t{i} * size;
    tcpkit_tls_certificate given = TCPKIT_TLS_CERTIFICATE_INIT;
    uint32_t own_size = 0;
    std::memcpy(&own_size, element, sizeof own_size);
    if (own_size < kSmallestCertificate || own_size != size) {
      return fail(
          TCPKIT_E_STRUCT_SIZE,
          "options: certificates[%u]: struct_size is %u, at least %u is needed, and the same "
          "in all; use its INIT",
          i, own_size, kSmallestCertificate);
    }
    std::memcpy(&given, element, std::min<size_t>(size, sizeof given));
    CertificateSource source;
    const std::string prefix = "certificates[" + std::to_string(i) + "].";
    const Status status = copy_certificate(given, prefix, source);
    if (status != TCPKIT_OK) return status;
    settings.certificates.push_back(source);
  }
  return TCPKIT_OK;
}

Status copy_trust(const tcpkit_tls_options& options, TlsSettings& settings) {
  settings.ca_dir = text_or(options.ca_dir, "");
  const std::string ca_file = text_or(options.ca_file, "");
  if (!ca_file.empty()) settings.authorities.push_back({"ca_file", ca_file, {}});
  if (options.ca_pem.size != 0) {
    TextSource source;
    const Status status = copy_source({"ca_file", nullptr, options.ca_pem}, source);
    if (status != TCPKIT_OK) return status;
    settings.authorities.push_back(source);
  }
  const bool has_own = !settings.authorities.empty() || !settings.ca_dir.empty();
  settings.servers_trust_system = options.system_trust == TCPKIT_ON;
  settings.clients_trust_system =
      options.system_trust == TCPKIT_ON || (options.system_trust == TCPKIT_DEFAULT && !has_own);
  settings.clients_accept_any = options.insecure_accept_any_certificate == TCPKIT_ON;
  settings.client_auth = options.client_auth;
  if (!settings.asks_clients() || has_own || settings.servers_trust_system) return TCPKIT_OK;
  return fail(
      TCPKIT_E_TLS_CREDENTIALS,
      "options: client_auth needs somebody to trust: ca_file, ca_dir, ca_pem or system_trust");
}

Status copy_alpn(const char* text, std::vector<uint8_t>& alpn) {
  constexpr size_t kMaxListBytes = 65'535;
  if (text == nullptr || *text == '\0') return TCPKIT_OK;
  for (const std::string& protocol : split_commas(text)) {
    if (protocol.empty() || protocol.size() > UINT8_MAX) {
      return fail(TCPKIT_E_TLS_CREDENTIALS,
                  "options: alpn: \"%s\" in \"%s\" is no protocol: 1 to 255 bytes",
                  protocol.c_str(), text);
    }
    alpn.push_back(static_cast<uint8_t>(protocol.size()));
    alpn.insert(alpn.end(), protocol.begin(), protocol.end());
  }
  if (alpn.size() <= kMaxListBytes) return TCPKIT_OK;
  return fail(TCPKIT_E_TLS_CREDENTIALS, "options: alpn: \"%.64s...\" has more than %zu bytes", text,
              kMaxListBytes);
}

void copy_numbers(const tcpkit_tls_options& options, TlsSettings& settings) noexcept {
  settings.min_version = options.min_version;
  settings.max_version = options.max_version;
  settings.resumption = options.resumption;
  settings.tickets = options.tickets == TCPKIT_TLS_NO_TICKETS ? 0 : options.tickets;
  settings.session_lifetime_ms = options.session_lifetime_ms;
  settings.session_cache_size = options.session_cache_size;
  settings.ticket_rotation_ms = options.ticket_rotation_ms;
  settings.passphrase = options.passphrase;
  settings.on_key_log = options.on_key_log;
  settings.choose = options.choose;
}

}  // namespace

Status copy_options(const tcpkit_tls_options& options, TlsSettings& settings) {
  tcpkit_tls_options resolved = options;
  Status status = resolve_tls_options(resolved);
  if (status == TCPKIT_OK) status = copy_first_certificate(resolved, settings);
  if (status == TCPKIT_OK) status = copy_certificates(resolved, settings);
  if (status == TCPKIT_OK) status = copy_trust(resolved, settings);
  if (status == TCPKIT_OK) status = copy_alpn(resolved.alpn, settings.alpn);
  if (status != TCPKIT_OK) return status;
  copy_numbers(resolved, settings);
  settings.ciphers = text_or(resolved.ciphers, kDefaultCiphers);
  settings.cipher_suites = text_or(resolved.cipher_suites, "");
  settings.groups = text_or(resolved.groups, kDefaultGroups);
  return TCPKIT_OK;
}

}  // namespace tcpkit
