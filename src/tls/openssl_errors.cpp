// Reasons of OpenSSL as text.
#include "tls/openssl_errors.h"

#include <openssl/err.h>

namespace tcpkit {

std::string take_openssl_error() {
  const char* data = nullptr;
  int flags = 0;
  const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &data, &flags);
  if (code == 0) return "OpenSSL tells no cause";
  const char* reason = ERR_reason_error_string(code);
  std::string text = reason == nullptr ? "error " + std::to_string(code) : reason;
  const bool has_data = (flags & ERR_TXT_STRING) != 0 && data != nullptr && *data != '\0';
  if (has_data) text.append(" (").append(data).append(")");
  ERR_clear_error();
  return text;
}

OpenSslErrorScope::OpenSslErrorScope() noexcept {
  ERR_clear_error();
}
OpenSslErrorScope::~OpenSslErrorScope() {
  ERR_clear_error();
}

}  // namespace tcpkit
