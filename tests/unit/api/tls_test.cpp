// tcpkit_tls_*: arguments, sizes of structs, and who frees what.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "base/status.h"

namespace tcpkit::test {
namespace {

void count_free(void* user_data) {
  ++*static_cast<int*>(user_data);
}

tcpkit_tls_options self_signed_options() {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.self_signed = "localhost";
  return options;
}

tcpkit_tls* make_tls() {
  const tcpkit_tls_options options = self_signed_options();
  tcpkit_tls* tls = nullptr;
  EXPECT_EQ(tcpkit_tls_create(&options, &tls), TCPKIT_OK) << tcpkit_last_error_message();
  return tls;
}

TEST(TlsApi, InitFunctionsDoWhatTheMacrosDo) {
  tcpkit_tls_options options;
  tcpkit_tls_options_init(&options);
  EXPECT_EQ(options.struct_size, sizeof options);
  EXPECT_EQ(options.choose, nullptr);
  tcpkit_tls_certificate certificate;
  tcpkit_tls_certificate_init(&certificate);
  EXPECT_EQ(certificate.struct_size, sizeof certificate);
  EXPECT_EQ(certificate.names, nullptr);
  tcpkit_tls_options_init(nullptr);
  tcpkit_tls_certificate_init(nullptr);
}

TEST(TlsApi, CreatesReloadsAndFrees) {
  tcpkit_tls* tls = make_tls();
  EXPECT_EQ(tcpkit_tls_generation(tls), 1u);
  EXPECT_EQ(tcpkit_tls_reload(tls), TCPKIT_OK);
  EXPECT_EQ(tcpkit_tls_generation(tls), 2u);
  EXPECT_NE(tcpkit_tls_expires_at_ms(tls), TCPKIT_UNLIMITED);
  tcpkit_tls_free(tls);
}

TEST(TlsApi, CreatesCredentialsOfAClientFromNothing) {
  tcpkit_tls* tls = nullptr;
  EXPECT_EQ(tcpkit_tls_create(nullptr, &tls), TCPKIT_OK);
  EXPECT_EQ(tcpkit_tls_expires_at_ms(tls), TCPKIT_UNLIMITED);
  tcpkit_tls_free(tls);
}

TEST(TlsApi, RefusesNullByName) {
  EXPECT_EQ(tcpkit_tls_create(nullptr, nullptr), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_STREQ(tcpkit_last_error_message(), "out_tls is NULL");
  EXPECT_EQ(tcpkit_tls_reload(nullptr), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(nullptr, "", 1), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_generation(nullptr), 0u);
  EXPECT_EQ(tcpkit_tls_expires_at_ms(nullptr), TCPKIT_UNLIMITED);
  tcpkit_tls_free(nullptr);
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  EXPECT_EQ(tcpkit_tls_options_set(nullptr, "alpn", "h2"), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_options_set(&options, nullptr, "h2"), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_options_set(&options, "alpn", nullptr), TCPKIT_E_INVALID_ARGUMENT);
}

TEST(TlsApi, RefusesASmallStruct) {
  tcpkit_tls_options options = self_signed_options();
  options.struct_size = sizeof options - 1;
  tcpkit_tls* tls = nullptr;
  EXPECT_EQ(tcpkit_tls_create(&options, &tls), TCPKIT_E_STRUCT_SIZE);
  EXPECT_EQ(tcpkit_tls_options_set(&options, "alpn", "h2"), TCPKIT_E_STRUCT_SIZE);
  EXPECT_EQ(tls, nullptr);
}

TEST(TlsApi, FreesUserDataOnceAlsoIfThereIsNowhereToPutTheResult) {
  int freed = 0;
  tcpkit_tls_options options = self_signed_options();
  options.user_data = &freed;
  options.user_data_free = count_free;
  EXPECT_EQ(tcpkit_tls_create(&options, nullptr), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(freed, 1);
  tcpkit_tls* tls = nullptr;
  ASSERT_EQ(tcpkit_tls_create(&options, &tls), TCPKIT_OK);
  EXPECT_EQ(freed, 1);
  tcpkit_tls_free(tls);
  EXPECT_EQ(freed, 2);
}

TEST(TlsApi, SetsAndDescribesOptions) {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  EXPECT_EQ(tcpkit_tls_options_set(&options, "client-auth", "required"), TCPKIT_OK);
  EXPECT_EQ(options.client_auth, TCPKIT_TLS_CLIENT_AUTH_REQUIRED);
  EXPECT_EQ(tcpkit_tls_options_set(&options, "client_auth", "maybe"), TCPKIT_E_BAD_VALUE);
  EXPECT_EQ(tcpkit_tls_options_set(&options, "no_such", "1"), TCPKIT_E_UNKNOWN_OPTION);
  tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
  for (size_t i = 0; i < tcpkit_tls_option_count(); ++i) {
    ASSERT_EQ(tcpkit_tls_option_at(i, &info), TCPKIT_OK);
    EXPECT_STRNE(info.help, "");
  }
  EXPECT_EQ(tcpkit_tls_option_at(tcpkit_tls_option_count(), &info), TCPKIT_E_NOT_FOUND);
  EXPECT_EQ(tcpkit_tls_option_at(0, nullptr), TCPKIT_E_INVALID_ARGUMENT);
}

TEST(TlsApi, TakesOneToSixteenTicketKeys) {
  tcpkit_tls* tls = make_tls();
  const std::vector<uint8_t> keys(size_t{17} * TCPKIT_TLS_TICKET_KEY_SIZE, 7);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(tls, keys.data(), 1), TCPKIT_OK);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(tls, keys.data(), 16), TCPKIT_OK);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(tls, keys.data(), 0), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(tls, keys.data(), 17), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(tls, keys.data(), SIZE_MAX), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_tls_set_ticket_keys(tls, nullptr, 1), TCPKIT_E_INVALID_ARGUMENT);
  tcpkit_tls_free(tls);
}

TEST(TlsApi, AnswersForkedInAChildOfTheProcess) {
  tcpkit_tls* tls = make_tls();
  const pid_t child = fork();
  if (child == 0) {
    const uint8_t key[TCPKIT_TLS_TICKET_KEY_SIZE] = {};
    const bool refused = tcpkit_tls_reload(tls) == TCPKIT_E_FORKED &&
                         tcpkit_tls_set_ticket_keys(tls, key, 1) == TCPKIT_E_FORKED;
    tcpkit_tls_free(tls);
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  tcpkit_tls_free(tls);
}

}  // namespace
}  // namespace tcpkit::test
