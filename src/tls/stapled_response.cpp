// Reading of OCSP responses (RFC 6960). Their signature is left to the clients, who trust nobody
// else with it.
#include "tls/stapled_response.h"

#include <openssl/evp.h>

#include <cstring>
#include <ctime>

#include "tls/certificate_text.h"
#include "tls/openssl_errors.h"

namespace tcpkit {
namespace {

struct Hash {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned size = 0;

  bool equals(const ASN1_OCTET_STRING* other) const {
    return static_cast<int>(size) == ASN1_STRING_length(other) &&
           std::memcmp(bytes, ASN1_STRING_get0_data(other), size) == 0;
  }
};

// Serial number, name of the issuer, and its key if the chain has it.
bool is_about(const OCSP_CERTID* id, const RespondedCertificate& certificate) {
  ASN1_OCTET_STRING* name_hash = nullptr;
  ASN1_OCTET_STRING* key_hash = nullptr;
  ASN1_OBJECT* algorithm = nullptr;
  ASN1_INTEGER* serial = nullptr;
  OCSP_id_get0_info(&name_hash, &algorithm, &key_hash, &serial, const_cast<OCSP_CERTID*>(id));
  if (ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(certificate.subject)) != 0) return false;
  const EVP_MD* digest = EVP_get_digestbyobj(algorithm);
  Hash name;
  const bool has_name =
      digest != nullptr && X509_NAME_digest(X509_get_issuer_name(certificate.subject), digest,
                                            name.bytes, &name.size) == 1;
  if (!has_name || !name.equals(name_hash)) return false;
  if (certificate.issuer == nullptr) return true;
  Hash key;
  return X509_pubkey_digest(certificate.issuer, digest, key.bytes, &key.size) == 1 &&
         key.equals(key_hash);
}

int64_t seconds_of(const ASN1_GENERALIZEDTIME* time, int64_t otherwise) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return otherwise;
  return timegm(&parts);
}

OCSP_SINGLERESP* find_single(OCSP_BASICRESP* basic, const RespondedCertificate& certificate) {
  for (int i = 0; i < OCSP_resp_count(basic); ++i) {
    OCSP_SINGLERESP* single = OCSP_resp_get0(basic, i);
    if (is_about(OCSP_SINGLERESP_get0_id(single), certificate)) return single;
  }
  return nullptr;
}

}  // namespace

Status read_response(const std::string& where, std::string_view der,
                     const RespondedCertificate& certificate, StapledResponse& response) {
  const auto* data = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* next = data;
  const OcspResponsePtr parsed(d2i_OCSP_RESPONSE(nullptr, &next, static_cast<long>(der.size())));
  if (!parsed || next != data + der.size()) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "%s is no OCSP response in DER: %s", where.c_str(),
                parsed ? "more follows it" : take_openssl_error().c_str());
  }
  const int outcome = OCSP_response_status(parsed.get());
  if (outcome != OCSP_RESPONSE_STATUS_SUCCESSFUL) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "%s is the OCSP response \"%s\", not a successful one",
                where.c_str(), OCSP_response_status_str(outcome));
  }
  const OcspBasicPtr basic(OCSP_response_get1_basic(parsed.get()));
  if (!basic) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "%s: the OCSP response cannot be read: %s", where.c_str(),
                take_openssl_error().c_str());
  }
  OCSP_SINGLERESP* single = find_single(basic.get(), certificate);
  if (single == nullptr) {
    return fail(TCPKIT_E_TLS_CREDENTIALS,
                "%s: the OCSP response is not about the certificate of %s", where.c_str(),
                subject_of(certificate.subject).c_str());
  }
  ASN1_GENERALIZEDTIME* from = nullptr;
  ASN1_GENERALIZEDTIME* until = nullptr;
  OCSP_single_get0_status(single, nullptr, nullptr, &from, &until);
  response.der.assign(data, data + der.size());
  response.valid_from = seconds_of(from, 0);
  response.valid_until = seconds_of(until, INT64_MAX);
  return TCPKIT_OK;
}

}  // namespace tcpkit
