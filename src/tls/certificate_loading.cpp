// From the files of a certificate to something that a context can use.
#include "tls/certificate_loading.h"

#include <openssl/pem.h>

#include "tls/certificate_text.h"
#include "tls/openssl_errors.h"
#include "tls/pem.h"

namespace tcpkit {
namespace {

BioPtr bio_over(std::string_view text) {
  BioPtr bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) throw std::bad_alloc();
  return bio;
}

Status fail_block(const std::string& where, const PemBlock& block) {
  return fail(TCPKIT_E_TLS_CREDENTIALS,
              "%s: line %zu: the PEM block that begins here is broken: %s", where.c_str(),
              block.line, take_openssl_error().c_str());
}

// OpenSSL asks for the passphrase in the middle of its reading; what came of it is told afterwards.
struct PassphraseQuestion {
  const TlsSettings& settings;
  const char* file;
  bool was_asked = false;
  bool was_answered = false;
};

size_t ask_user(const PassphraseQuestion& question, char* buffer, size_t buffer_size) noexcept {
  const TlsSettings& settings = question.settings;
  if (settings.passphrase == nullptr) return 0;
  try {
    return settings.passphrase(question.file, buffer, buffer_size, settings.user_data.get());
  } catch (...) {
    return 0;
  }
}

// Without a callback of ours OpenSSL would ask at the terminal.
int answer_passphrase(char* buffer, int buffer_size, int /*for_writing*/, void* argument) {
  auto& question = *static_cast<PassphraseQuestion*>(argument);
  question.was_asked = true;
  const auto room = static_cast<size_t>(buffer_size);
  const size_t length = ask_user(question, buffer, room);
  if (length == 0 || length > room) return -1;
  question.was_answered = true;
  return static_cast<int>(length);
}

Status read_key(const TlsSettings& settings, const TextSource& source, const PemBlock& block,
                PkeyPtr& key) {
  const std::string where = source.where();
  PassphraseQuestion question{settings, source.file.c_str()};
  key.reset(
      PEM_read_bio_PrivateKey(bio_over(block.text).get(), nullptr, answer_passphrase, &question));
  if (key) return TCPKIT_OK;
  if (!question.was_asked) return fail_block(where, block);
  if (question.was_answered) {
    return fail(TCPKIT_E_TLS_CREDENTIALS,
                "%s: line %zu: the key is encrypted, and the passphrase is wrong", where.c_str(),
                block.line);
  }
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s: line %zu: the key is encrypted, and %s", where.c_str(),
              block.line,
              settings.passphrase == nullptr ? "there is no passphrase callback"
                                             : "the passphrase callback gave none");
}

Status find_key(const TlsSettings& settings, const CertificateSource& source,
                const std::vector<PemBlock>& chain_blocks, PkeyPtr& key) {
  SecretText text;
  std::vector<PemBlock> blocks;
  const bool in_chain = !source.key.is_given();
  const TextSource& from = in_chain ? source.chain : source.key;
  const std::string where = from.where();
  if (!in_chain) {
    Status status = read_source(from, text);
    if (status == TCPKIT_OK) status = split_pem(where, text.view(), blocks);
    if (status != TCPKIT_OK) return status;
  }
  for (const PemBlock& block : in_chain ? chain_blocks : blocks) {
    if (block.is_private_key()) return read_key(settings, from, block, key);
  }
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s has no private key in PEM%s", where.c_str(),
              in_chain ? ", and no key_file is given" : "");
}

// Tells both that do not fit, and where the certificate of the key is if it only is in a wrong
// place.
Status check_key(const CertificateSource& source, const LoadedCertificate& certificate) {
  if (X509_check_private_key(certificate.leaf.get(), certificate.key.get()) == 1) return TCPKIT_OK;
  const std::string chain = source.chain.where();
  const std::string key = source.key.is_given() ? source.key.where() : chain;
  size_t number = 2;
  for (const X509Ptr& other : certificate.intermediates) {
    if (X509_check_private_key(other.get(), certificate.key.get()) == 1) {
      return fail(TCPKIT_E_TLS_CREDENTIALS,
                  "%s: the key of %s fits certificate %zu, %s, which has to be the first",
                  chain.c_str(), key.c_str(), number, subject_of(other.get()).c_str());
    }
    ++number;
  }
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s: the key does not fit the certificate of %s, %s",
              key.c_str(), chain.c_str(), subject_of(certificate.leaf.get()).c_str());
}

Status check_chain(const LoadedCertificate& certificate) {
  X509* issued = certificate.leaf.get();
  size_t number = 1;
  for (const X509Ptr& issuer : certificate.intermediates) {
    const int outcome = X509_check_issued(issuer.get(), issued);
    if (outcome != X509_V_OK) {
      return fail(TCPKIT_E_TLS_CREDENTIALS,
                  "%s: certificate %zu, %s, is not the issuer of certificate %zu, %s: %s",
                  certificate.where.c_str(), number + 1, subject_of(issuer.get()).c_str(), number,
                  subject_of(issued).c_str(), X509_verify_cert_error_string(outcome));
    }
    issued = issuer.get();
    ++number;
  }
  return TCPKIT_OK;
}

Status read_certificate_blocks(const std::string& where, const std::vector<PemBlock>& blocks,
                               std::vector<X509Ptr>& certificates) {
  for (const PemBlock& block : blocks) {
    if (!block.is_certificate()) continue;
    X509Ptr certificate(
        PEM_read_bio_X509_AUX(bio_over(block.text).get(), nullptr, nullptr, nullptr));
    if (!certificate) return fail_block(where, block);
    certificates.push_back(std::move(certificate));
  }
  if (!certificates.empty()) return TCPKIT_OK;
  return fail(TCPKIT_E_TLS_CREDENTIALS, "%s has no certificate in PEM", where.c_str());
}

Status read_chain(const TlsSettings& settings, const CertificateSource& source,
                  LoadedCertificate& certificate) {
  SecretText text;
  std::vector<PemBlock> blocks;
  std::vector<X509Ptr> chain;
  certificate.where = source.chain.where();
  Status status = read_source(source.chain, text);
  if (status == TCPKIT_OK) status = split_pem(certificate.where, text.view(), blocks);
  if (status == TCPKIT_OK) status = read_certificate_blocks(certificate.where, blocks, chain);
  if (status != TCPKIT_OK) return status;
  certificate.leaf = std::move(chain.front());
  chain.erase(chain.begin());
  certificate.intermediates = std::move(chain);
  return find_key(settings, source, blocks, certificate.key);
}

Status load_response(const TextSource& source, LoadedCertificate& certificate) {
  SecretText der;
  const Status status = read_source(source, der);
  if (status != TCPKIT_OK) return status;
  const bool has_issuer = !certificate.intermediates.empty();
  const X509* issuer = has_issuer ? certificate.intermediates.front().get() : nullptr;
  return read_response(source.where(), der.view(), {certificate.leaf.get(), issuer},
                       certificate.response);
}

}  // namespace

Status read_certificates(const std::string& where, std::string_view text,
                         std::vector<X509Ptr>& certificates) {
  std::vector<PemBlock> blocks;
  std::vector<X509Ptr> found;
  Status status = split_pem(where, text, blocks);
  if (status == TCPKIT_OK) status = read_certificate_blocks(where, blocks, found);
  for (X509Ptr& certificate : found) certificates.push_back(std::move(certificate));
  return status;
}

Status load_certificate(const TlsSettings& settings, const CertificateSource& source,
                        CertificateRef& loaded) {
  auto certificate = std::make_shared<LoadedCertificate>();
  Status status = read_chain(settings, source, *certificate);
  if (status == TCPKIT_OK) status = check_key(source, *certificate);
  if (status == TCPKIT_OK) status = check_chain(*certificate);
  if (status != TCPKIT_OK) return status;
  certificate->names = source.names.empty() ? dns_names_of(certificate->leaf.get()) : source.names;
  if (source.ocsp.is_given()) status = load_response(source.ocsp, *certificate);
  if (status == TCPKIT_OK) loaded = std::move(certificate);
  return status;
}

}  // namespace tcpkit
