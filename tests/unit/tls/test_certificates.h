// A certificate authority of the tests: makes certificates, keys and OCSP responses, and keeps them
// in a folder that goes with it.
#pragma once

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdlib.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tls/openssl_ptr.h"

namespace tcpkit::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "tcpkit-tls-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(path_); }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string path(const std::string& name) const { return (path_ / name).string(); }
  // Path of a file with that text.
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(path_ / name, std::ios::binary) << text;
    return path(name);
  }

 private:
  std::filesystem::path path_;
};

enum class KeyKind { kEcdsa, kRsa, kWeakRsa, kEd25519 };

inline PkeyPtr make_key(KeyKind kind = KeyKind::kEcdsa) {
  if (kind == KeyKind::kRsa) return PkeyPtr(EVP_RSA_gen(2048));
  if (kind == KeyKind::kWeakRsa) return PkeyPtr(EVP_RSA_gen(1024));
  if (kind == KeyKind::kEd25519) return PkeyPtr(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  return PkeyPtr(EVP_EC_gen("P-256"));
}

inline std::string text_in(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<size_t>(size));
}

inline std::string pem_of(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509(bio.get(), certificate);
  return text_in(bio.get());
}

// Encrypted if there is a passphrase.
inline std::string pem_of(EVP_PKEY* key, const std::string& passphrase = "") {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  const EVP_CIPHER* cipher = passphrase.empty() ? nullptr : EVP_aes_256_cbc();
  PEM_write_bio_PKCS8PrivateKey(bio.get(), key, cipher, passphrase.data(),
                                static_cast<int>(passphrase.size()), nullptr, nullptr);
  return text_in(bio.get());
}

// What a certificate says; times in seconds from now.
struct Claims {
  std::string common_name;
  std::string names = {};  // "DNS:a.example,IP:192.0.2.7"; "": none
  std::string usage = "serverAuth";
  bool is_authority = false;
  long begins_in = -3600;
  long ends_in = 24L * 3600;
  KeyKind key_kind = KeyKind::kEcdsa;
};

// A certificate and its key, and whoever signed it.
struct Issued {
  X509Ptr certificate;
  PkeyPtr key;

  std::string pem() const { return pem_of(certificate.get()); }
  std::string key_pem(const std::string& passphrase = "") const {
    return pem_of(key.get(), passphrase);
  }
};

inline void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  ASSERT_NE(extension, nullptr) << value;
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by issuer, by itself if that is null.
inline Issued issue(const Claims& claims, const Issued* issuer = nullptr) {
  static long serial = 1000;
  Issued made{X509Ptr(X509_new()), make_key(claims.key_kind)};
  X509* certificate = made.certificate.get();
  X509* signer = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>(claims.common_name.data()),
                             static_cast<int>(claims.common_name.size()), -1, 0);
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  X509_gmtime_adj(X509_getm_notBefore(certificate), claims.begins_in);
  X509_gmtime_adj(X509_getm_notAfter(certificate), claims.ends_in);
  X509_set_pubkey(certificate, made.key.get());
  add_extension(certificate, signer, NID_basic_constraints,
                claims.is_authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(certificate, signer, NID_key_usage,
                claims.is_authority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  if (!claims.is_authority) add_extension(certificate, signer, NID_ext_key_usage, claims.usage);
  if (!claims.names.empty()) {
    add_extension(certificate, signer, NID_subject_alt_name, claims.names);
  }
  EVP_PKEY* signing_key = issuer == nullptr ? made.key.get() : issuer->key.get();
  X509_sign(certificate, signing_key,
            EVP_PKEY_get_base_id(signing_key) == EVP_PKEY_ED25519 ? nullptr : EVP_sha256());
  return made;
}

// A root, an intermediate authority under it, and what they issue.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& name = "tcpkit test")
      : root_(issue({name + " root", {}, {}, true})),
        intermediate_(issue({name + " intermediate", {}, {}, true}, &root_)) {}

  const Issued& root() const { return root_; }
  const Issued& intermediate() const { return intermediate_; }

  Issued leaf(const Claims& claims) const { return issue(claims, &intermediate_); }
  // For a host, by its name.
  Issued server(const std::string& host, KeyKind kind = KeyKind::kEcdsa) const {
    Claims claims{host, "DNS:" + host};
    claims.key_kind = kind;
    return leaf(claims);
  }
  Issued client(const std::string& name) const {
    Claims claims{name};
    claims.usage = "clientAuth";
    return leaf(claims);
  }
  std::string chain_pem(const Issued& leaf) const { return leaf.pem() + intermediate_.pem(); }

 private:
  Issued root_;
  Issued intermediate_;
};

// An OCSP response in DER that says "good", with times in seconds from now.
inline std::string ocsp_response(const Issued& subject, const Issued& issuer, long begins_in = -60,
                                 long ends_in = 3600) {
  OCSP_CERTID* id =
      OCSP_cert_to_id(EVP_sha1(), subject.certificate.get(), issuer.certificate.get());
  const OcspBasicPtr basic(OCSP_BASICRESP_new());
  ASN1_TIME* begin = ASN1_TIME_adj(nullptr, std::time(nullptr), 0, begins_in);
  ASN1_TIME* end = ASN1_TIME_adj(nullptr, std::time(nullptr), 0, ends_in);
  ASN1_GENERALIZEDTIME* from = ASN1_TIME_to_generalizedtime(begin, nullptr);
  ASN1_GENERALIZEDTIME* until = ASN1_TIME_to_generalizedtime(end, nullptr);
  OCSP_basic_add1_status(basic.get(), id, V_OCSP_CERTSTATUS_GOOD, 0, nullptr, from, until);
  OCSP_basic_sign(basic.get(), issuer.certificate.get(), issuer.key.get(), EVP_sha256(), nullptr,
                  OCSP_NOCERTS);
  const OcspResponsePtr response(
      OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get()));
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(response.get(), &der);
  std::string text(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  ASN1_GENERALIZEDTIME_free(from);
  ASN1_GENERALIZEDTIME_free(until);
  ASN1_TIME_free(begin);
  ASN1_TIME_free(end);
  OCSP_CERTID_free(id);
  return text;
}

}  // namespace tcpkit::test
