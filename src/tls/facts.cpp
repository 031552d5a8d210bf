// What a handshake agreed on and what the peer has shown, for those who ask.
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>

#include "tls/session.h"

namespace tcpkit {
namespace {

std::string text_in(BIO* memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  return size > 0 ? std::string(bytes, static_cast<size_t>(size)) : std::string();
}

// RFC 2253, the most specific part first, UTF-8 as it is.
std::string subject_of(const X509* certificate) {
  const std::unique_ptr<BIO, int (*)(BIO*)> memory(BIO_new(BIO_s_mem()), BIO_free);
  if (memory == nullptr) throw std::bad_alloc();
  X509_NAME_print_ex(memory.get(), X509_get_subject_name(certificate), 0,
                     XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
  return text_in(memory.get());
}

// A name with a control character or a comma in it could be taken for another one.
bool is_clean(std::string_view name) noexcept {
  return std::none_of(name.begin(), name.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == ',' || c == 0x7F;
  });
}

std::string ip_text(ByteView ip) {
  std::string text;
  if (ip.size() == 4) {
    for (const uint8_t byte : ip) text += (text.empty() ? "" : ".") + std::to_string(byte);
    return text;
  }
  constexpr char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i + 1 < ip.size(); i += 2) {
    if (i > 0) text += ':';
    for (const uint8_t byte : ip.subspan(i, 2)) {
      text += kDigits[byte >> 4];
      text += kDigits[byte & 0xF];
    }
  }
  return text;
}

std::string name_text(const GENERAL_NAME* name) {
  int type = 0;
  const void* value = GENERAL_NAME_get0_value(name, &type);
  const auto* text = static_cast<const ASN1_STRING*>(value);
  const char* kind = type == GEN_DNS     ? "DNS:"
                     : type == GEN_EMAIL ? "email:"
                     : type == GEN_URI   ? "URI:"
                                         : nullptr;
  if (kind == nullptr && type != GEN_IPADD) return {};
  const ByteView bytes(ASN1_STRING_get0_data(text), static_cast<size_t>(ASN1_STRING_length(text)));
  if (type == GEN_IPADD) return "IP:" + ip_text(bytes);
  const std::string_view words(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return is_clean(words) ? kind + std::string(words) : std::string();
}

std::string names_of(const X509* certificate) {
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> names(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  std::string text;
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const std::string name = name_text(sk_GENERAL_NAME_value(names.get(), i));
    if (name.empty()) continue;
    if (!text.empty()) text += ',';
    text += name;
  }
  return text;
}

std::string der_of(const X509* certificate) {
  const int size = i2d_X509(certificate, nullptr);
  std::string der(size > 0 ? static_cast<size_t>(size) : 0, '\0');
  auto* end = reinterpret_cast<unsigned char*>(der.data());
  if (size > 0) i2d_X509(certificate, &end);
  return der;
}

// The verified chain; what the peer has sent where nothing was verified.
std::vector<std::string> chain_of(const SSL* ssl, const X509* certificate) {
  std::vector<std::string> chain;
  const STACK_OF(X509)* verified = SSL_get0_verified_chain(ssl);
  chain.reserve(static_cast<size_t>(std::max(sk_X509_num(verified), 1)));
  for (int i = 0; i < sk_X509_num(verified); ++i) {
    chain.push_back(der_of(sk_X509_value(verified, i)));
  }
  if (chain.empty()) chain.push_back(der_of(certificate));
  return chain;
}

}  // namespace

const TlsFacts* TlsSession::facts() noexcept {
  if (facts_ != nullptr) return facts_.get();
  try {
    auto made = std::make_unique<TlsFacts>();
    const unsigned char* alpn = nullptr;
    unsigned alpn_size = 0;
    SSL_get0_alpn_selected(ssl_, &alpn, &alpn_size);
    if (alpn_size > 0) made->alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
    const X509* certificate = SSL_get0_peer_certificate(ssl_);
    if (certificate != nullptr) {
      made->peer_subject = subject_of(certificate);
      made->peer_names = names_of(certificate);
      made->peer_chain = chain_of(ssl_, certificate);
      X509_digest(certificate, EVP_sha256(), made->peer_sha256, nullptr);
    }
    facts_ = std::move(made);
  } catch (const std::bad_alloc&) {
    facts_ = nullptr;
  }
  ERR_clear_error();
  return facts_.get();
}

bool TlsSession::resumed() const noexcept {
  return SSL_session_reused(ssl_) == 1;
}

bool TlsSession::tell(tcpkit_tls_info& info) noexcept {
  const TlsFacts* known = facts();
  if (known == nullptr) return false;
  const char* cipher = SSL_CIPHER_standard_name(SSL_get_current_cipher(ssl_));
  const auto group = static_cast<int>(SSL_get_negotiated_group(ssl_));
  const char* group_name = group == 0 ? nullptr : SSL_group_to_name(ssl_, group);
  const char* server_name = SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name);
  info.version = SSL_version(ssl_);
  info.cipher = cipher == nullptr ? "" : cipher;
  info.group = group_name == nullptr ? "" : group_name;
  info.alpn = known->alpn.c_str();
  info.server_name = server_name == nullptr ? "" : server_name;
  info.handshake_us = handshake_us_;
  info.resumed = resumed() ? 1 : 0;
  const bool verified =
      SSL_get_verify_result(ssl_) == X509_V_OK && SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE;
  info.peer_verified = verified && !known->peer_chain.empty() ? 1 : 0;
  info.peer_subject = known->peer_subject.c_str();
  info.peer_names = known->peer_names.c_str();
  std::copy(std::begin(known->peer_sha256), std::end(known->peer_sha256), info.peer_sha256);
  info.peer_certificates = known->peer_chain.size();
  ERR_clear_error();
  return true;
}

ByteView TlsSession::peer_certificate(size_t index) noexcept {
  const TlsFacts* known = facts();
  if (known == nullptr || index >= known->peer_chain.size()) return {};
  const std::string& der = known->peer_chain[index];
  return {reinterpret_cast<const uint8_t*>(der.data()), der.size()};
}

}  // namespace tcpkit
