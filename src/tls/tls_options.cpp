// The table of options of TLS.
#include "tls/tls_options.h"

#include <cstddef>

namespace tcpkit {
namespace {

constexpr uint64_t kMaxSessions = 0x7FFFFFFF;
// RFC 8446, 4.6.1: a client keeps no ticket for longer than a week.
constexpr uint64_t kMaxLifetime = uint64_t{7} * 24 * 3600 * 1000;

constexpr NamedValue kVersionNames[] = {{"1.2", TCPKIT_TLS_1_2}, {"1.3", TCPKIT_TLS_1_3}};
constexpr NamedValue kClientAuthNames[] = {{"off", TCPKIT_TLS_CLIENT_AUTH_OFF},
                                           {"optional", TCPKIT_TLS_CLIENT_AUTH_OPTIONAL},
                                           {"required", TCPKIT_TLS_CLIENT_AUTH_REQUIRED}};
constexpr NamedValue kResumptionNames[] = {{"tickets", TCPKIT_TLS_RESUMPTION_TICKETS},
                                           {"cache", TCPKIT_TLS_RESUMPTION_CACHE},
                                           {"off", TCPKIT_TLS_RESUMPTION_OFF}};

using enum OptionType;

#define TCPKIT_FIELD(name) #name, offsetof(tcpkit_tls_options, name)

constexpr OptionRow kTable[] = {
    text_of({TCPKIT_FIELD(cert_file)}, "FILE", "none",
            "Certificate chain in PEM: the certificate first, then the intermediate ones."),
    text_of({TCPKIT_FIELD(key_file)}, "FILE", "in cert_file", "Private key in PEM."),
    text_of({TCPKIT_FIELD(ocsp_file)}, "FILE", "none", "OCSP response in DER to staple."),
    text_of({TCPKIT_FIELD(self_signed)}, "HOST[,HOST...]", "none",
            "Make a throw-away certificate for these hosts, for experiments and tests."),
    text_of({TCPKIT_FIELD(ca_file)}, "FILE", "none", "Certificates to trust in PEM."),
    text_of({TCPKIT_FIELD(ca_dir)}, "FOLDER", "none",
            "Folder of certificates to trust, named by hash (openssl rehash)."),
    on_or_off({TCPKIT_FIELD(system_trust)}, "clients without ca",
              "Trust what the system trusts too."),
    choice({TCPKIT_FIELD(min_version)}, kVersionNames, "1.2|1.3", "1.2", "Least version of TLS."),
    choice({TCPKIT_FIELD(max_version)}, kVersionNames, "1.2|1.3", "1.3", "Newest version of TLS."),
    choice({TCPKIT_FIELD(client_auth)}, kClientAuthNames, "off|optional|required", "off",
           "Whether clients must show a certificate."),
    choice({TCPKIT_FIELD(resumption)}, kResumptionNames, "tickets|cache|off", "tickets",
           "How sessions are resumed."),
    or_unlimited(with_range(number({TCPKIT_FIELD(tickets)}, kCount32, "1",
                                   "Tickets after a handshake of TLS 1.3, or \"none\"."),
                            1, 1, 16),
                 "none"),
    text_of({TCPKIT_FIELD(ciphers)}, "CIPHER[:CIPHER...]", "forward secrecy with AEAD",
            "Ciphers of TLS 1.2 in the notation of OpenSSL."),
    text_of({TCPKIT_FIELD(cipher_suites)}, "SUITE[:SUITE...]", "those of OpenSSL",
            "Cipher suites of TLS 1.3."),
    text_of({TCPKIT_FIELD(groups)}, "GROUP[:GROUP...]", "X25519:P-256:P-384",
            "Groups of the key exchange."),
    text_of({TCPKIT_FIELD(alpn)}, "PROTOCOL[,PROTOCOL...]", "none",
            "Application protocols (ALPN), the preferred one first."),
    with_range(number({TCPKIT_FIELD(session_lifetime_ms)}, kMilliseconds, "7200000",
                      "How long a session can be resumed."),
               7'200'000, 1, kMaxLifetime),
    with_range(number({TCPKIT_FIELD(session_cache_size)}, kCount64, "20480",
                      "Sessions that a server keeps with resumption cache."),
               20'480, 1, kMaxSessions),
    or_unlimited(with_range(number({TCPKIT_FIELD(ticket_rotation_ms)}, kMilliseconds, "3600000",
                                   "Age at which ticket keys are replaced."),
                            3'600'000, 1, UINT64_MAX - 1)),
    on_or_off({TCPKIT_FIELD(insecure_accept_any_certificate)}, "off",
              "Clients take any certificate from anybody, for experiments only."),
};

#undef TCPKIT_FIELD

}  // namespace

std::span<const OptionRow> tls_option_table() noexcept {
  return kTable;
}

Status set_tls_option_from_text(tcpkit_tls_options& options, const char* key,
                                const char* text) noexcept {
  const OptionRow* row = find_option(kTable, key);
  return row == nullptr ? TCPKIT_E_UNKNOWN_OPTION : set_field(*row, &options, text);
}

Status resolve_tls_options(tcpkit_tls_options& options) noexcept {
  const Status status = resolve_fields(kTable, &options);
  if (status != TCPKIT_OK) return status;
  if (options.reserved != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: reserved is not zero");
  }
  if (options.min_version <= options.max_version) return TCPKIT_OK;
  return fail(TCPKIT_E_TLS_CREDENTIALS,
              "options: min_version, TLS 1.3, is newer than max_version, TLS 1.2");
}

}  // namespace tcpkit
