// Parsing of server_name.
#include "tls/client_hello.h"

#include <openssl/tls1.h>

namespace tcpkit {
namespace {

constexpr uint8_t kHostName = 0;
constexpr size_t kListHeader = 2;
constexpr size_t kEntryHeader = 3;  // type and length

size_t two_bytes(ByteView bytes) noexcept {
  return static_cast<size_t>(bytes[0]) << 8 | bytes[1];
}

}  // namespace

std::string parse_server_name(ByteView extension) {
  if (extension.size() < kListHeader || two_bytes(extension) != extension.size() - kListHeader) {
    return "";
  }
  for (ByteView list = extension.subspan(kListHeader); list.size() >= kEntryHeader;) {
    const size_t length = two_bytes(list.subspan(1));
    if (length > list.size() - kEntryHeader) return "";
    const ByteView name = list.subspan(kEntryHeader, length);
    if (list[0] == kHostName) {
      std::string text(name.begin(), name.end());
      const bool fits = text.size() <= TLSEXT_MAXLEN_host_name;
      return fits && text.find('\0') == std::string::npos ? text : "";
    }
    list = list.subspan(kEntryHeader + length);
  }
  return "";
}

std::string server_name_of(SSL* ssl) {
  const unsigned char* data = nullptr;
  size_t size = 0;
  if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &data, &size) != 1) return "";
  return parse_server_name({data, size});
}

}  // namespace tcpkit
