// tcpkit_tls_*: credentials and their options.
#include "api/guard.h"
#include "api/option_info.h"
#include "base/user_data.h"
#include "tls/credentials.h"
#include "tls/tls_options.h"

using namespace tcpkit;

namespace {

Status check_tls(const tcpkit_tls* tls) noexcept {
  if (tls == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "tls is NULL");
  return TlsCredentials::from_handle(const_cast<tcpkit_tls*>(tls))->fork_check();
}

const TlsCredentials& credentials_of(const tcpkit_tls* tls) noexcept {
  return *TlsCredentials::from_handle(const_cast<tcpkit_tls*>(tls));
}

}  // namespace

void tcpkit_tls_certificate_init(tcpkit_tls_certificate* certificate) {
  if (certificate != nullptr) *certificate = TCPKIT_TLS_CERTIFICATE_INIT;
}

void tcpkit_tls_options_init(tcpkit_tls_options* options) {
  if (options != nullptr) *options = TCPKIT_TLS_OPTIONS_INIT;
}

tcpkit_status tcpkit_tls_options_set(tcpkit_tls_options* options, const char* key,
                                     const char* text) {
  if (key == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "key is NULL");
  if (text == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "text is NULL, for \"%s\"", key);
  tcpkit_tls_options changed = TCPKIT_TLS_OPTIONS_INIT;
  Status status = copy_struct(options, changed, "options");
  if (status != TCPKIT_OK) return status;
  status = set_tls_option_from_text(changed, key, text);
  if (status == TCPKIT_OK) fill_struct(*options, changed);
  return status;
}

size_t tcpkit_tls_option_count(void) {
  return tls_option_table().size();
}

tcpkit_status tcpkit_tls_option_at(size_t index, tcpkit_option_info* out_info) {
  return describe_option(tls_option_table(), index, out_info);
}

tcpkit_status tcpkit_tls_create(const tcpkit_tls_options* options, tcpkit_tls** out_tls) {
  return guarded([&]() -> Status {
    tcpkit_tls_options taken = TCPKIT_TLS_OPTIONS_INIT;
    if (options != nullptr) {
      const Status status = copy_struct(options, taken, "options");
      if (status != TCPKIT_OK) return status;
    }
    if (out_tls == nullptr) {
      const UserData freed(taken.user_data, taken.user_data_free);
      return fail(TCPKIT_E_INVALID_ARGUMENT, "out_tls is NULL");
    }
    Ref<TlsCredentials> created;
    const Status status = TlsCredentials::create(taken, created);
    if (status == TCPKIT_OK) *out_tls = created.detach()->handle();
    return status;
  });
}

void tcpkit_tls_free(tcpkit_tls* tls) {
  if (tls != nullptr && check_tls(tls) == TCPKIT_OK) TlsCredentials::from_handle(tls)->release();
}

tcpkit_status tcpkit_tls_reload(tcpkit_tls* tls) {
  const Status status = check_tls(tls);
  if (status != TCPKIT_OK) return status;
  return guarded([&] { return TlsCredentials::from_handle(tls)->reload(); });
}

uint64_t tcpkit_tls_generation(const tcpkit_tls* tls) {
  return tls == nullptr ? 0 : credentials_of(tls).generation();
}

uint64_t tcpkit_tls_expires_at_ms(const tcpkit_tls* tls) {
  return tls == nullptr ? TCPKIT_UNLIMITED : credentials_of(tls).expires_at_ms();
}

tcpkit_status tcpkit_tls_set_ticket_keys(tcpkit_tls* tls, const void* keys, size_t key_count) {
  Status status = check_tls(tls);
  if (status == TCPKIT_OK) status = check_not_null(keys, "keys");
  if (status != TCPKIT_OK) return status;
  constexpr size_t kMostKeys = SIZE_MAX / TCPKIT_TLS_TICKET_KEY_SIZE;
  if (key_count > kMostKeys) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "key_count is %zu", key_count);
  }
  const ByteView bytes(static_cast<const uint8_t*>(keys), key_count * TCPKIT_TLS_TICKET_KEY_SIZE);
  return guarded([&] { return TlsCredentials::from_handle(tls)->set_ticket_keys(bytes); });
}
