// From OpenSSL's error codes, verification results and alerts to TlsFailure.
#include "tls/failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <array>

namespace tcpkit {
namespace {

struct StatusOf {
  int code;
  Status status;
};

// Results of verification. Everything else is TCPKIT_E_TLS_BAD_CERTIFICATE.
constexpr StatusOf kVerifyResults[] = {
    {X509_V_ERR_CERT_HAS_EXPIRED, TCPKIT_E_TLS_EXPIRED},
    {X509_V_ERR_CERT_NOT_YET_VALID, TCPKIT_E_TLS_NOT_YET_VALID},
    {X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, TCPKIT_E_TLS_SELF_SIGNED},
    {X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, TCPKIT_E_TLS_SELF_SIGNED},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, TCPKIT_E_TLS_UNTRUSTED},
    {X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, TCPKIT_E_TLS_UNTRUSTED},
    {X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, TCPKIT_E_TLS_UNTRUSTED},
    {X509_V_ERR_CERT_UNTRUSTED, TCPKIT_E_TLS_UNTRUSTED},
    {X509_V_ERR_HOSTNAME_MISMATCH, TCPKIT_E_TLS_WRONG_HOST},
    {X509_V_ERR_IP_ADDRESS_MISMATCH, TCPKIT_E_TLS_WRONG_HOST},
    {X509_V_ERR_INVALID_PURPOSE, TCPKIT_E_TLS_WRONG_PURPOSE},
    {X509_V_ERR_INVALID_CA, TCPKIT_E_TLS_UNTRUSTED},
};

// Reasons of errors of libssl. Everything else is TCPKIT_E_TLS.
constexpr StatusOf kReasons[] = {
    {SSL_R_HTTP_REQUEST, TCPKIT_E_TLS_NOT_TLS},
    {SSL_R_HTTPS_PROXY_REQUEST, TCPKIT_E_TLS_NOT_TLS},
    {SSL_R_WRONG_VERSION_NUMBER, TCPKIT_E_TLS_NOT_TLS},
    {SSL_R_UNKNOWN_PROTOCOL, TCPKIT_E_TLS_NOT_TLS},
    {SSL_R_NO_SHARED_CIPHER, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_UNSUPPORTED_PROTOCOL, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_VERSION_TOO_LOW, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_NO_PROTOCOLS_AVAILABLE, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_NO_SUITABLE_KEY_SHARE, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_NO_SUITABLE_GROUPS, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_NO_APPLICATION_PROTOCOL, TCPKIT_E_TLS_NO_COMMON},
    {SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, TCPKIT_E_TLS_NO_CERTIFICATE},
};

template <size_t count>
Status find_status(const StatusOf (&table)[count], int code, Status otherwise) noexcept {
  for (const StatusOf& row : table) {
    if (row.code == code) return row.status;
  }
  return otherwise;
}

// Alerts that say: nothing of what you offer.
bool is_no_common(int alert) noexcept {
  return alert == SSL_AD_HANDSHAKE_FAILURE || alert == SSL_AD_PROTOCOL_VERSION ||
         alert == SSL_AD_INSUFFICIENT_SECURITY || alert == SSL_AD_NO_APPLICATION_PROTOCOL;
}

Status status_of(const ssl_st& ssl, unsigned long error, TlsAlert alert) noexcept {
  const int reason = ERR_GET_REASON(error);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    const int result = static_cast<int>(SSL_get_verify_result(&ssl));
    return find_status(kVerifyResults, result, TCPKIT_E_TLS_BAD_CERTIFICATE);
  }
  if (alert.received) {
    return is_no_common(alert.number) ? TCPKIT_E_TLS_NO_COMMON : TCPKIT_E_TLS_ALERT;
  }
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return TCPKIT_E_TLS;
  return find_status(kReasons, reason, TCPKIT_E_TLS);
}

}  // namespace

std::string alert_text(TlsAlert alert) {
  return "alert " + std::to_string(alert.number) + ": " + SSL_alert_desc_string_long(alert.number) +
         (alert.received ? " (received)" : " (sent)");
}

TlsFailure describe_failure(const ssl_st& ssl, unsigned long error, TlsAlert alert) {
  TlsFailure failure{status_of(ssl, error, alert), alert.number, {}};
  const char* reason = ERR_reason_error_string(error);
  if (ERR_GET_REASON(error) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    failure.detail = X509_verify_cert_error_string(SSL_get_verify_result(&ssl));
  } else if (reason != nullptr && !alert.received) {
    failure.detail = reason;
  }
  if (alert.number >= 0) {
    if (!failure.detail.empty()) failure.detail += ", ";
    failure.detail += alert_text(alert);
  }
  return failure;
}

}  // namespace tcpkit
