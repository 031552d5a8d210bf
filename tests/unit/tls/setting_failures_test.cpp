// What is said about settings that contradict each other, and about those that OpenSSL does not
// take.
#include <gtest/gtest.h>

#include "unit/tls/handshake.h"
#include "unit/tls/test_certificates.h"

namespace tcpkit::test {
namespace {

class SettingFailures : public testing::Test {
 protected:
  tcpkit_tls_options& options() { return setup_.options; }
  void expect_failure(const std::vector<std::string>& parts,
                      Status expected = TCPKIT_E_TLS_CREDENTIALS) {
    const std::string message = setup_.failure(expected);
    for (const std::string& part : parts) {
      EXPECT_NE(message.find(part), std::string::npos) << "\"" << part << "\" in: " << message;
    }
  }

  TestAuthority authority_;
  TlsSetup setup_;
};

TEST_F(SettingFailures, NameTheTextOfBadAlgorithms) {
  options().ciphers = "NO-SUCH-CIPHER";
  expect_failure({"ciphers", "\"NO-SUCH-CIPHER\""});
  options().ciphers = nullptr;
  options().cipher_suites = "TLS_NO_SUCH_SUITE";
  expect_failure({"cipher_suites", "\"TLS_NO_SUCH_SUITE\""});
  options().cipher_suites = nullptr;
  options().groups = "X25519:P-999";
  expect_failure({"groups", "\"X25519:P-999\""});
}

TEST_F(SettingFailures, NameTheTextOfABadProtocol) {
  options().alpn = "h2,,http/1.1";
  expect_failure({"alpn", "\"\"", "\"h2,,http/1.1\""});
  const std::string long_name(256, 'p');
  options().alpn = long_name.c_str();
  expect_failure({"alpn", long_name.substr(0, 100)});
  std::string many = std::string(255, 'p');
  for (int i = 0; i < 256; ++i) many += "," + std::string(255, 'p');
  options().alpn = many.c_str();
  expect_failure({"alpn", "65535"});
}

TEST_F(SettingFailures, TellThatTheLeastVersionIsAboveTheMost) {
  options().min_version = TCPKIT_TLS_1_3;
  options().max_version = TCPKIT_TLS_1_2;
  expect_failure({"min_version", "max_version"});
}

TEST_F(SettingFailures, TellThatClientAuthNeedsTrust) {
  for (const tcpkit_tls_client_auth client_auth :
       {TCPKIT_TLS_CLIENT_AUTH_OPTIONAL, TCPKIT_TLS_CLIENT_AUTH_REQUIRED}) {
    options().client_auth = client_auth;
    expect_failure({"client_auth", "ca_file", "system_trust"});
  }
  options().system_trust = TCPKIT_ON;
  EXPECT_TRUE(setup_.make());
}

TEST_F(SettingFailures, TellThatCertificatesAreCountedButNotGiven) {
  options().certificate_count = 2;
  expect_failure({"certificate_count is 2", "certificates"});
}

TEST_F(SettingFailures, NameTheCertificateOfABadSize) {
  setup_.show(authority_, authority_.server("a.example"))
      .show(authority_, authority_.server("b.example"));
  setup_.certificates[0].struct_size = 8;
  expect_failure({"certificates[0]", "struct_size is 8", "72"}, TCPKIT_E_STRUCT_SIZE);
  setup_.certificates[0].struct_size = sizeof(tcpkit_tls_certificate);
  setup_.certificates[1].struct_size = 0;
  expect_failure({"certificates[1]", "struct_size is 0"}, TCPKIT_E_STRUCT_SIZE);
}

TEST_F(SettingFailures, AreNoneForLargerCertificatesOfALaterVersion) {
  struct Later {
    tcpkit_tls_certificate known;
    uint64_t added;
  };
  setup_.show(authority_, authority_.server("a.example"))
      .show(authority_, authority_.server("b.example"));
  Later later[] = {{setup_.certificates[0], 1}, {setup_.certificates[1], 2}};
  for (Later& certificate : later) certificate.known.struct_size = sizeof(Later);
  options().certificates = &later[0].known;
  EXPECT_TRUE(setup_.make());
}

TEST_F(SettingFailures, TellThatBothFileAndMemoryAreGiven) {
  setup_.show(authority_, authority_.server("a.example"));
  setup_.certificates[0].chain_file = "chain.pem";
  expect_failure({"certificates[0].chain_file", "certificates[0].chain_pem", "both"});
  setup_.certificates[0].chain_file = nullptr;
  setup_.certificates[0].key_file = "key.pem";
  expect_failure({"certificates[0].key_file", "certificates[0].key_pem", "both"});
}

TEST_F(SettingFailures, TellThatACertificateHasNoChain) {
  setup_.show("", "");
  expect_failure({"certificates[0].chain_file", "missing"});
}

TEST_F(SettingFailures, NameThePartsOfACertificateInMemory) {
  const Issued leaf = authority_.server("a.example");
  setup_.show(authority_.chain_pem(leaf), authority_.server("b.example").key_pem());
  expect_failure({"certificates[0].key_pem", "certificates[0].chain_pem", "does not fit"});
}

TEST_F(SettingFailures, NameMemoryWithoutData) {
  options().ca_pem = {nullptr, 10};
  expect_failure({"ca_pem", "NULL"}, TCPKIT_E_INVALID_ARGUMENT);
}

TEST_F(SettingFailures, TellWhatIsGivenWithoutACertificate) {
  options().key_file = "key.pem";
  expect_failure({"key_file", "without cert_file"});
  options().key_file = nullptr;
  options().ocsp_file = "response.der";
  expect_failure({"ocsp_file", "without cert_file"});
  options().ocsp_file = nullptr;
  options().cert_file = "chain.pem";
  options().self_signed = "localhost";
  expect_failure({"cert_file", "self_signed", "both"});
}

TEST_F(SettingFailures, NameAHostNameThatIsNone) {
  for (const char* names :
       {"a.example,,b.example", "*", "*.", "a.*.example", "f*.example", "*.*.example"}) {
    TlsSetup setup;
    setup.show(authority_, authority_.server("a.example"), names);
    const std::string message = setup.failure();
    EXPECT_NE(message.find("certificates[0].names"), std::string::npos) << message;
    EXPECT_NE(message.find(names), std::string::npos) << message;
  }
  options().self_signed = "localhost,";
  expect_failure({"self_signed", "\"localhost,\""});
}

TEST_F(SettingFailures, NameAChoiceThatIsNone) {
  options().client_auth = 9;
  expect_failure({"client_auth is 9"}, TCPKIT_E_INVALID_ARGUMENT);
  options().client_auth = 0;
  options().min_version = 0x0302;
  expect_failure({"min_version is 770"}, TCPKIT_E_INVALID_ARGUMENT);
  options().min_version = 0;
  options().tickets = 17;
  expect_failure({"tickets is 17"}, TCPKIT_E_INVALID_ARGUMENT);
  options().tickets = 0;
  options().reserved = 1;
  expect_failure({"reserved"}, TCPKIT_E_INVALID_ARGUMENT);
}

class TrustFailures : public SettingFailures {
 protected:
  TemporaryFolder folder_;
};

TEST_F(TrustFailures, NameAFileThatCannotBeRead) {
  const std::string missing = folder_.path("missing.pem");
  options().ca_file = missing.c_str();
  expect_failure({"ca_file \"" + missing + "\"", "No such file"});
}

TEST_F(TrustFailures, NameWhatHasNoCertificate) {
  const std::string file = folder_.write("ca.pem", "nothing\n");
  options().ca_file = file.c_str();
  expect_failure({"ca_file \"" + file + "\"", "no certificate"});
  options().ca_file = nullptr;
  const std::string text = "nothing";
  options().ca_pem = slice_of(text);
  expect_failure({"ca_pem", "no certificate"});
}

TEST_F(TrustFailures, NameAFolderThatIsMissingOrHasNoHashedNames) {
  const std::string missing = folder_.path("missing");
  options().ca_dir = missing.c_str();
  expect_failure({"ca_dir \"" + missing + "\"", "No such file"});
  const std::string folder = folder_.path("");
  folder_.write("ca.pem", authority_.root().pem());
  options().ca_dir = folder.c_str();
  expect_failure({"ca_dir \"" + folder + "\"", "rehash"});
}

TEST_F(TrustFailures, NameABrokenFileInAFolder) {
  const std::string folder = folder_.path("");
  folder_.write("0123abcd.0", authority_.root().pem());
  const std::string broken = folder_.write("0123abcd.1", "nothing\n");
  options().ca_dir = folder.c_str();
  expect_failure({"0123abcd.1", "no certificate"});
}

}  // namespace
}  // namespace tcpkit::test
