// Making of a self-signed certificate.
#include "tls/self_signed.h"

#include <openssl/rand.h>

#include <ctime>

#include "tls/openssl_errors.h"

namespace tcpkit {
namespace {

constexpr time_t kBackdatedSeconds = 3600;  // for peers whose clocks are behind
constexpr time_t kValidSeconds = time_t{7} * 24 * 3600;

bool add_host(const std::string& host, GENERAL_NAMES* names) {
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (name == nullptr || sk_GENERAL_NAME_push(names, name) <= 0) {
    GENERAL_NAME_free(name);
    return false;
  }
  ASN1_OCTET_STRING* address = a2i_IPADDRESS(host.c_str());
  if (address != nullptr) {
    GENERAL_NAME_set0_value(name, GEN_IPADD, address);
    return true;
  }
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  if (text == nullptr) return false;
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  return ASN1_STRING_set(text, host.data(), static_cast<int>(host.size())) == 1;
}

bool add_hosts(const std::vector<std::string>& hosts, X509* certificate) {
  const GeneralNamesPtr names(GENERAL_NAMES_new());
  if (!names) return false;
  for (const std::string& host : hosts) {
    if (!add_host(host, names.get())) return false;
  }
  return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names.get(), 0, X509V3_ADD_DEFAULT) ==
         1;
}

bool add_extension(X509* certificate, int kind, const char* value) {
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
  const bool added = extension != nullptr && X509_add_ext(certificate, extension, -1) == 1;
  X509_EXTENSION_free(extension);
  return added;
}

// Browsers remember a certificate by issuer and serial number: two of ours must not share theirs.
bool set_serial(X509* certificate) {
  uint64_t serial = 0;
  if (RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial) != 1) return false;
  return ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), serial) == 1;
}

bool set_subject(const std::string& host, X509* certificate) {
  constexpr size_t kMaxCommonName = 64;
  X509_NAME* subject = X509_get_subject_name(certificate);
  const std::string name = host.size() <= kMaxCommonName ? host : "self-signed";
  return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(name.data()),
                                    static_cast<int>(name.size()), -1, 0) == 1 &&
         X509_set_issuer_name(certificate, subject) == 1;
}

bool set_times(X509* certificate) {
  const time_t begin = std::time(nullptr) - kBackdatedSeconds;
  return ASN1_TIME_set(X509_getm_notBefore(certificate), begin) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), begin + kValidSeconds) != nullptr;
}

bool fill(const std::vector<std::string>& hosts, X509* certificate, EVP_PKEY* key) {
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         set_subject(hosts.front(), certificate) && set_times(certificate) &&
         X509_set_pubkey(certificate, key) == 1 && add_hosts(hosts, certificate) &&
         add_extension(certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_extension(certificate, NID_key_usage, "critical,digitalSignature") &&
         add_extension(certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
         X509_sign(certificate, key, EVP_sha256()) > 0;
}

}  // namespace

Status make_self_signed(const std::vector<std::string>& hosts, CertificateRef& made) {
  auto certificate = std::make_shared<LoadedCertificate>();
  certificate->where = "self_signed";
  certificate->key.reset(EVP_EC_gen("P-256"));
  certificate->leaf.reset(X509_new());
  certificate->names = hosts;
  if (!certificate->key || !certificate->leaf ||
      !fill(hosts, certificate->leaf.get(), certificate->key.get())) {
    return fail(TCPKIT_E_TLS_CREDENTIALS,
                "self_signed: no certificate could be made for \"%s\": %s", hosts.front().c_str(),
                take_openssl_error().c_str());
  }
  made = std::move(certificate);
  return TCPKIT_OK;
}

}  // namespace tcpkit
