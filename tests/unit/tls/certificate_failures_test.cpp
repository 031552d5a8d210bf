// What is said about certificates, keys and OCSP responses that cannot be used.
#include <gtest/gtest.h>

#include <algorithm>

#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

// Expects a message with all of these parts.
void expect_parts(const std::string& message, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" in: " << message;
  }
}

class CertificateFailures : public testing::Test {
 protected:
  CertificateFailures() : leaf_(authority_.server("a.example")) {
    chain_file_ = folder_.write("chain.pem", authority_.chain_pem(leaf_));
    key_file_ = folder_.write("key.pem", leaf_.key_pem());
    options().cert_file = chain_file_.c_str();
    options().key_file = key_file_.c_str();
  }

  tcpkit_tls_options& options() { return setup_.options; }
  void use_chain(const std::string& text) { folder_.write("chain.pem", text); }
  void use_key(const std::string& text) { folder_.write("key.pem", text); }
  void expect_failure(const std::vector<std::string>& parts) {
    expect_parts(setup_.failure(), parts);
  }

  TemporaryFolder folder_;
  TestAuthority authority_;
  Issued leaf_;
  std::string chain_file_;
  std::string key_file_;
  TlsSetup setup_;
};

TEST_F(CertificateFailures, AreNoneForAChainAndItsKeyInFiles) {
  EXPECT_TRUE(setup_.make());
}

TEST_F(CertificateFailures, AreNoneIfTheChainFileHoldsTheKeyToo) {
  options().key_file = nullptr;
  use_chain(leaf_.key_pem() + authority_.chain_pem(leaf_));
  EXPECT_TRUE(setup_.make());
  use_chain("comment\n" + authority_.chain_pem(leaf_) + "\r\n" + leaf_.key_pem());
  EXPECT_TRUE(setup_.make());
}

TEST_F(CertificateFailures, AreNoneForACertificateThatHasExpired) {
  Claims claims{"old.example", "DNS:old.example"};
  claims.begins_in = -7200;
  claims.ends_in = -3600;
  const Issued old = authority_.leaf(claims);
  use_chain(authority_.chain_pem(old));
  use_key(old.key_pem());
  EXPECT_TRUE(setup_.make());
}

TEST_F(CertificateFailures, AreNoneForAnEd25519Key) {
  const Issued leaf = authority_.server("ed.example", KeyKind::kEd25519);
  use_chain(authority_.chain_pem(leaf));
  use_key(leaf.key_pem());
  EXPECT_TRUE(setup_.make());
}

TEST_F(CertificateFailures, NameAMissingFileAndTheErrorOfTheSystem) {
  const std::string missing = folder_.path("missing.pem");
  options().cert_file = missing.c_str();
  expect_failure({"cert_file \"" + missing + "\"", "No such file"});
  options().cert_file = chain_file_.c_str();
  options().key_file = missing.c_str();
  expect_failure({"key_file \"" + missing + "\"", "No such file"});
}

TEST_F(CertificateFailures, NameAFolderThatIsGivenForAFile) {
  const std::string folder = folder_.path("");
  options().cert_file = folder.c_str();
  expect_failure({"cert_file \"" + folder + "\"", "directory"});
}

TEST_F(CertificateFailures, NameAnEmptyFile) {
  use_chain("");
  expect_failure({"cert_file \"" + chain_file_ + "\"", "empty"});
  use_chain(" \n\r\n");
  expect_failure({"empty"});
}

TEST_F(CertificateFailures, NameAFileWithoutACertificate) {
  use_chain("this is no PEM\n");
  expect_failure({"cert_file \"" + chain_file_ + "\"", "no certificate"});
  use_chain(leaf_.key_pem());
  expect_failure({chain_file_, "no certificate"});
}

TEST_F(CertificateFailures, NameAFileWithoutAKey) {
  use_key(leaf_.pem());
  expect_failure({"key_file \"" + key_file_ + "\"", "no private key"});
  options().key_file = nullptr;
  expect_failure({"cert_file \"" + chain_file_ + "\"", "no private key", "key_file"});
}

TEST_F(CertificateFailures, NameAFileThatIsTooLarge) {
  use_chain(std::string((size_t{16} << 20) + 100'000, 'x'));
  expect_failure({chain_file_, "more than 16777216 bytes"});
}

TEST_F(CertificateFailures, TellTheLineWhereABrokenBlockBegins) {
  std::string broken = authority_.intermediate().pem();
  broken.replace(200, 4, "****");
  const std::string first = leaf_.pem();
  const auto lines = std::count(first.begin(), first.end(), '\n');
  use_chain(first + broken);
  expect_failure({chain_file_, "line " + std::to_string(lines + 1), "broken"});
}

TEST_F(CertificateFailures, TellTheLineOfABlockThatIsCutOff) {
  const std::string text = authority_.chain_pem(leaf_);
  const std::string first = leaf_.pem();
  const auto lines = std::count(first.begin(), first.end(), '\n');
  use_chain(text.substr(0, text.size() - 40));
  expect_failure({chain_file_, "line " + std::to_string(lines + 1), "CERTIFICATE", "no end"});
}

TEST_F(CertificateFailures, TellTheLineOfABrokenKey) {
  std::string broken = leaf_.key_pem();
  broken.replace(60, 8, "AAAAAAAA");
  use_key("# key\n" + broken);
  expect_failure({"key_file \"" + key_file_ + "\"", "line 2", "broken"});
}

TEST_F(CertificateFailures, NameBothOfAKeyAndACertificateThatDoNotFit) {
  use_key(authority_.server("b.example").key_pem());
  expect_failure({"key_file \"" + key_file_ + "\"", "cert_file \"" + chain_file_ + "\"",
                  "CN=a.example", "does not fit"});
}

TEST_F(CertificateFailures, TellWhereTheCertificateOfTheKeyIsInAChainOfWrongOrder) {
  use_chain(authority_.intermediate().pem() + leaf_.pem());
  expect_failure({chain_file_, "certificate 2", "CN=a.example", "first"});
}

TEST_F(CertificateFailures, NameTheIntermediateThatDoesNotFollow) {
  const TestAuthority other("other");
  use_chain(leaf_.pem() + other.intermediate().pem());
  expect_failure({chain_file_, "certificate 2, CN=other intermediate", "CN=a.example"});
  use_chain(leaf_.pem() + authority_.intermediate().pem() + other.root().pem());
  expect_failure({chain_file_, "certificate 3, CN=other root", "CN=tcpkit test intermediate"});
}

TEST_F(CertificateFailures, NameACertificateThatIsTooWeak) {
  const Issued weak = authority_.server("weak.example", KeyKind::kWeakRsa);
  use_chain(authority_.chain_pem(weak));
  use_key(weak.key_pem());
  expect_failure({"cert_file \"" + chain_file_ + "\"", "key too small"});
}

// ---- Passphrases ----

struct Passphrase {
  std::string answer;
  std::vector<std::string> files;
};

size_t give_passphrase(const char* file, char* buffer, size_t buffer_size, void* user_data) {
  auto& passphrase = *static_cast<Passphrase*>(user_data);
  passphrase.files.emplace_back(file);
  if (passphrase.answer.size() > buffer_size) return passphrase.answer.size();
  passphrase.answer.copy(buffer, buffer_size);
  return passphrase.answer.size();
}

class EncryptedKeys : public CertificateFailures {
 protected:
  EncryptedKeys() {
    use_key(leaf_.key_pem("secret"));
    options().passphrase = give_passphrase;
    options().user_data = &passphrase_;
  }
  Passphrase passphrase_{"secret", {}};
};

TEST_F(EncryptedKeys, AreOpenedWithThePassphraseThatTheCallbackGivesForTheFile) {
  EXPECT_TRUE(setup_.make());
  EXPECT_EQ(passphrase_.files, std::vector<std::string>{key_file_});
}

TEST_F(EncryptedKeys, InMemoryAreAskedForWithAnEmptyName) {
  options().cert_file = nullptr;
  options().key_file = nullptr;
  setup_.show(authority_.chain_pem(leaf_), leaf_.key_pem("secret"));
  EXPECT_TRUE(setup_.make());
  EXPECT_EQ(passphrase_.files, std::vector<std::string>{""});
}

TEST_F(EncryptedKeys, AreAskedForAgainByAReload) {
  const Ref<TlsCredentials> credentials = setup_.make();
  EXPECT_EQ(credentials->reload(), TCPKIT_OK);
  EXPECT_EQ(passphrase_.files.size(), 2u);
}

TEST_F(EncryptedKeys, AreRefusedWithAWrongPassphrase) {
  passphrase_.answer = "guess";
  expect_failure({"key_file \"" + key_file_ + "\"", "line 1", "passphrase is wrong"});
}

TEST_F(EncryptedKeys, AreRefusedWithoutAPassphrase) {
  passphrase_.answer = "";
  expect_failure({key_file_, "encrypted", "callback gave none"});
  passphrase_.answer = std::string(100'000, 'x');
  expect_failure({key_file_, "encrypted", "callback gave none"});
  options().passphrase = [](const char*, char*, size_t, void*) -> size_t { throw 1; };
  expect_failure({key_file_, "encrypted", "callback gave none"});
}

TEST_F(EncryptedKeys, AreRefusedWithoutACallback) {
  options().passphrase = nullptr;
  expect_failure({key_file_, "encrypted", "no passphrase callback"});
}

// ---- OCSP responses ----

class OcspFailures : public CertificateFailures {
 protected:
  void use_response(const std::string& der) {
    ocsp_file_ = folder_.write("response.der", der);
    options().ocsp_file = ocsp_file_.c_str();
  }
  std::string ocsp_file_;
};

TEST_F(OcspFailures, AreNoneForAResponseAboutTheCertificate) {
  use_response(ocsp_response(leaf_, authority_.intermediate()));
  EXPECT_TRUE(setup_.make());
}

TEST_F(OcspFailures, AreNoneForAnOutdatedResponse) {
  use_response(ocsp_response(leaf_, authority_.intermediate(), -7200, -3600));
  EXPECT_TRUE(setup_.make());
}

TEST_F(OcspFailures, NameAMissingFile) {
  ocsp_file_ = folder_.path("missing.der");
  options().ocsp_file = ocsp_file_.c_str();
  expect_failure({"ocsp_file \"" + ocsp_file_ + "\"", "No such file"});
}

TEST_F(OcspFailures, NameAFileThatIsNoResponse) {
  use_response("garbage");
  expect_failure({"ocsp_file \"" + ocsp_file_ + "\"", "no OCSP response"});
  use_response(ocsp_response(leaf_, authority_.intermediate()) + "more");
  expect_failure({ocsp_file_, "no OCSP response", "more follows"});
}

TEST_F(OcspFailures, NameAResponseAboutAnotherCertificate) {
  use_response(ocsp_response(authority_.server("b.example"), authority_.intermediate()));
  expect_failure({ocsp_file_, "not about", "CN=a.example"});
  const TestAuthority other("other");
  use_response(ocsp_response(leaf_, other.intermediate()));
  expect_failure({ocsp_file_, "not about", "CN=a.example"});
}

TEST_F(OcspFailures, NameAResponseThatIsNoSuccess) {
  const OcspResponsePtr later(OCSP_response_create(OCSP_RESPONSE_STATUS_TRYLATER, nullptr));
  unsigned char* der = nullptr;
  const int size = i2d_OCSP_RESPONSE(later.get(), &der);
  use_response(std::string(reinterpret_cast<char*>(der), static_cast<size_t>(size)));
  OPENSSL_free(der);
  expect_failure({ocsp_file_, "trylater"});
}

}  // namespace
}  // namespace tcpkit::test
