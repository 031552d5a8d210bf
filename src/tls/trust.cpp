// Certificates to trust, from files, a folder and memory.
#include "tls/trust.h"

#include <openssl/err.h>
#include <openssl/sha.h>

#include <algorithm>
#include <filesystem>
#include <new>

#include "tls/certificate_loading.h"
#include "tls/pem.h"

namespace tcpkit {
namespace {

// "1a2b3c4d.0", as openssl rehash names its links.
bool is_hash_name(const std::string& name) {
  constexpr size_t kHashDigits = 8;
  constexpr const char* kHex = "0123456789abcdef";
  constexpr const char* kDecimal = "0123456789";
  if (name.size() < kHashDigits + 2 || name[kHashDigits] != '.') return false;
  return name.find_first_not_of(kHex) == kHashDigits &&
         name.find_first_not_of(kDecimal, kHashDigits + 1) == std::string::npos;
}

Status list_folder(const std::string& folder, std::vector<std::string>& files) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    if (is_hash_name(entry->path().filename().string())) files.push_back(entry->path().string());
  }
  if (error) {
    return fail(TCPKIT_E_TLS_CREDENTIALS, "ca_dir \"%s\" cannot be read: %s", folder.c_str(),
                error.message().c_str());
  }
  if (files.empty()) {
    return fail(
        TCPKIT_E_TLS_CREDENTIALS,
        "ca_dir \"%s\" has no certificate that is named by its hash; openssl rehash does so",
        folder.c_str());
  }
  std::sort(files.begin(), files.end());
  return TCPKIT_OK;
}

}  // namespace

Status Trust::add(const TextSource& source) {
  SecretText text;
  std::vector<X509Ptr> certificates;
  Status status = read_source(source, text);
  if (status == TCPKIT_OK) status = read_certificates(source.where(), text.view(), certificates);
  for (X509Ptr& certificate : certificates) {
    const auto is_same = [&](const X509Ptr& other) {
      return X509_cmp(other.get(), certificate.get()) == 0;
    };
    const bool is_new = std::none_of(authorities_.begin(), authorities_.end(), is_same);
    if (is_new) authorities_.push_back(std::move(certificate));
  }
  return status;
}

Status Trust::load(const TlsSettings& settings, Trust& trust) {
  for (const TextSource& source : settings.authorities) {
    const Status status = trust.add(source);
    if (status != TCPKIT_OK) return status;
  }
  if (settings.ca_dir.empty()) return TCPKIT_OK;
  std::vector<std::string> files;
  Status status = list_folder(settings.ca_dir, files);
  for (size_t i = 0; status == TCPKIT_OK && i < files.size(); ++i) {
    status = trust.add({"ca_dir", files[i], {}});
  }
  return status;
}

// A certificate that is trusted ends a chain, also if it is no root: whoever names an intermediate
// one means that one.
StorePtr Trust::make_store() const {
  StorePtr store(X509_STORE_new());
  if (!store || X509_STORE_set_flags(store.get(), X509_V_FLAG_PARTIAL_CHAIN) != 1) {
    throw std::bad_alloc();
  }
  for (const X509Ptr& authority : authorities_) {
    if (X509_STORE_add_cert(store.get(), authority.get()) != 1) throw std::bad_alloc();
  }
  return store;
}

void Trust::add_names_to(SSL_CTX* context) const {
  for (const X509Ptr& authority : authorities_) {
    if (SSL_CTX_add_client_CA(context, authority.get()) != 1) throw std::bad_alloc();
  }
}

Trust::Fingerprint Trust::fingerprint(tcpkit_tls_client_auth client_auth, bool with_system) const {
  std::vector<Fingerprint> parts;
  for (const X509Ptr& authority : authorities_) {
    unsigned size = 0;
    if (X509_digest(authority.get(), EVP_sha256(), parts.emplace_back().data(), &size) != 1) {
      throw std::bad_alloc();
    }
  }
  std::sort(parts.begin(), parts.end());
  std::vector<uint8_t> text = {static_cast<uint8_t>(client_auth),
                               static_cast<uint8_t>(with_system ? 1 : 0)};
  for (const Fingerprint& part : parts) text.insert(text.end(), part.begin(), part.end());
  Fingerprint whole{};
  SHA256(text.data(), text.size(), whole.data());
  return whole;
}

void add_system_trust(X509_STORE* store) {
  (void)X509_STORE_set_default_paths(store);
  ERR_clear_error();
}

}  // namespace tcpkit
