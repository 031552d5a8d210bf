// The options of TLS as text: keys, values, and what is said about a wrong one.
#include "tls/tls_options.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace tcpkit::test {
namespace {

using enum OptionType;

struct Expected {
  const char* key;
  size_t offset;
  OptionType type;
};

#define TCPKIT_EXPECTED(name, type) \
  { #name, offsetof(tcpkit_tls_options, name), type }

// Every field of text or a number: all but struct_size, certificates, ca_pem and the callbacks.
constexpr Expected kSettable[] = {
    TCPKIT_EXPECTED(cert_file, kText),
    TCPKIT_EXPECTED(key_file, kText),
    TCPKIT_EXPECTED(ocsp_file, kText),
    TCPKIT_EXPECTED(self_signed, kText),
    TCPKIT_EXPECTED(ca_file, kText),
    TCPKIT_EXPECTED(ca_dir, kText),
    TCPKIT_EXPECTED(system_trust, kSwitch),
    TCPKIT_EXPECTED(min_version, kChoice),
    TCPKIT_EXPECTED(max_version, kChoice),
    TCPKIT_EXPECTED(client_auth, kChoice),
    TCPKIT_EXPECTED(resumption, kChoice),
    TCPKIT_EXPECTED(tickets, kCount32),
    TCPKIT_EXPECTED(ciphers, kText),
    TCPKIT_EXPECTED(cipher_suites, kText),
    TCPKIT_EXPECTED(groups, kText),
    TCPKIT_EXPECTED(alpn, kText),
    TCPKIT_EXPECTED(session_lifetime_ms, kMilliseconds),
    TCPKIT_EXPECTED(session_cache_size, kCount64),
    TCPKIT_EXPECTED(ticket_rotation_ms, kMilliseconds),
    TCPKIT_EXPECTED(insecure_accept_any_certificate, kSwitch),
};

#undef TCPKIT_EXPECTED

const OptionRow* row_of(const char* key) {
  for (const OptionRow& row : tls_option_table()) {
    if (std::strcmp(row.key, key) == 0) return &row;
  }
  return nullptr;
}

tcpkit_tls_options options_with(const char* key, const char* text) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  EXPECT_EQ(set_tls_option_from_text(options, key, text), TCPKIT_OK) << last_error().message;
  return options;
}

void expect_refused(const char* key, const char* text) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  EXPECT_EQ(set_tls_option_from_text(options, key, text), TCPKIT_E_BAD_VALUE) << key << text;
  const std::string message = last_error().message;
  EXPECT_NE(message.find(key), std::string::npos) << message;
  EXPECT_NE(message.find("\"" + std::string(text) + "\""), std::string::npos) << message;
}

TEST(TlsOptionTable, HasExactlyTheFieldsThatTextCanSet) {
  EXPECT_EQ(tls_option_table().size(), std::size(kSettable));
  for (const Expected& expected : kSettable) {
    const OptionRow* row = row_of(expected.key);
    ASSERT_NE(row, nullptr) << expected.key;
    EXPECT_EQ(row->offset, expected.offset) << expected.key;
    EXPECT_EQ(row->type, expected.type) << expected.key;
  }
}

TEST(TlsOptionTable, DescribesEveryRow) {
  for (const OptionRow& row : tls_option_table()) {
    EXPECT_STRNE(row.value_syntax, "") << row.key;
    EXPECT_STRNE(row.default_text, "") << row.key;
    const std::string help = row.help;
    ASSERT_FALSE(help.empty()) << row.key;
    EXPECT_EQ(help.back(), '.') << row.key << ": one sentence";
  }
}

TEST(TlsOptionText, BorrowsTexts) {
  for (const OptionRow& row : tls_option_table()) {
    if (row.type != kText) continue;
    const char* text = "some text";
    const tcpkit_tls_options options = options_with(row.key, text);
    const char* field = nullptr;
    std::memcpy(&field, reinterpret_cast<const unsigned char*>(&options) + row.offset,
                sizeof field);
    EXPECT_EQ(field, text) << row.key;
  }
}

TEST(TlsOptionText, TakesEveryNameOfAChoice) {
  EXPECT_EQ(options_with("min_version", "1.2").min_version, TCPKIT_TLS_1_2);
  EXPECT_EQ(options_with("max-version", "1.3").max_version, TCPKIT_TLS_1_3);
  EXPECT_EQ(options_with("client_auth", "off").client_auth, TCPKIT_TLS_CLIENT_AUTH_OFF);
  EXPECT_EQ(options_with("client_auth", "optional").client_auth, TCPKIT_TLS_CLIENT_AUTH_OPTIONAL);
  EXPECT_EQ(options_with("client_auth", "required").client_auth, TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  EXPECT_EQ(options_with("resumption", "tickets").resumption, TCPKIT_TLS_RESUMPTION_TICKETS);
  EXPECT_EQ(options_with("resumption", "cache").resumption, TCPKIT_TLS_RESUMPTION_CACHE);
  EXPECT_EQ(options_with("resumption", "off").resumption, TCPKIT_TLS_RESUMPTION_OFF);
  EXPECT_EQ(options_with("system_trust", "on").system_trust, TCPKIT_ON);
}

TEST(TlsOptionText, TakesNumbersAndTheirWords) {
  EXPECT_EQ(options_with("tickets", "16").tickets, 16u);
  EXPECT_EQ(options_with("tickets", "none").tickets, TCPKIT_TLS_NO_TICKETS);
  EXPECT_EQ(options_with("ticket_rotation_ms", "unlimited").ticket_rotation_ms, TCPKIT_UNLIMITED);
  EXPECT_EQ(options_with("session_lifetime_ms", "1000").session_lifetime_ms, 1000u);
}

TEST(TlsOptionText, RefusesOtherValuesByKeyAndText) {
  expect_refused("tickets", "0");
  expect_refused("tickets", "17");
  expect_refused("tickets", "unlimited");
  expect_refused("tickets", "4294967295");
  expect_refused("min_version", "1.1");
  expect_refused("client_auth", "on");
  expect_refused("session_lifetime_ms", "604800001");
  expect_refused("session_cache_size", "unlimited");
  expect_refused("insecure_accept_any_certificate", "yes");
}

TEST(TlsOptionText, TellsTheWordOfTheOption) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  EXPECT_EQ(set_tls_option_from_text(options, "tickets", "x"), TCPKIT_E_BAD_VALUE);
  EXPECT_NE(std::string(last_error().message).find("\"none\""), std::string::npos);
}

TEST(TlsOptionText, RefusesKeysThatAreNone) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  for (const char* key : {"certificates", "ca_pem", "choose", "user_data", "struct_size", ""}) {
    EXPECT_EQ(set_tls_option_from_text(options, key, "1"), TCPKIT_E_UNKNOWN_OPTION) << key;
  }
}

TEST(ResolveTlsOptions, GivesEveryFieldItsDocumentedDefault) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  ASSERT_EQ(resolve_tls_options(options), TCPKIT_OK);
  EXPECT_EQ(options.min_version, TCPKIT_TLS_1_2);
  EXPECT_EQ(options.max_version, TCPKIT_TLS_1_3);
  EXPECT_EQ(options.client_auth, TCPKIT_TLS_CLIENT_AUTH_OFF);
  EXPECT_EQ(options.resumption, TCPKIT_TLS_RESUMPTION_TICKETS);
  EXPECT_EQ(options.tickets, 1u);
  EXPECT_EQ(options.session_lifetime_ms, 7'200'000u);
  EXPECT_EQ(options.session_cache_size, 20'480u);
  EXPECT_EQ(options.ticket_rotation_ms, 3'600'000u);
  EXPECT_EQ(options.system_trust, TCPKIT_DEFAULT) << "it depends on the role";
  EXPECT_EQ(options.insecure_accept_any_certificate, TCPKIT_OFF);
}

}  // namespace
}  // namespace tcpkit::test
