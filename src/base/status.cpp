// One table for code, name and text; the errno mapping; the thread-local last error.
#include "base/status.h"

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace tcpkit {
namespace {

struct StatusRow {
  Status status;
  const char* name;
  const char* text;
};

constexpr StatusRow kStatusTable[] = {
    {TCPKIT_OK, "TCPKIT_OK", "success"},
    {TCPKIT_OK_ABOVE_HIGH, "TCPKIT_OK_ABOVE_HIGH",
     "sent; more than high_watermark bytes are queued"},
    {TCPKIT_E_INVALID_ARGUMENT, "TCPKIT_E_INVALID_ARGUMENT", "an argument is not valid"},
    {TCPKIT_E_STRUCT_SIZE, "TCPKIT_E_STRUCT_SIZE", "struct_size is missing or too small"},
    {TCPKIT_E_UNKNOWN_OPTION, "TCPKIT_E_UNKNOWN_OPTION", "no option has that key"},
    {TCPKIT_E_BAD_VALUE, "TCPKIT_E_BAD_VALUE", "the option does not take that value"},
    {TCPKIT_E_BAD_ADDRESS, "TCPKIT_E_BAD_ADDRESS", "the address is not valid"},
    {TCPKIT_E_BUFFER_TOO_SMALL, "TCPKIT_E_BUFFER_TOO_SMALL", "the buffer is too small"},
    {TCPKIT_E_WRONG_THREAD, "TCPKIT_E_WRONG_THREAD", "not allowed on this thread"},
    {TCPKIT_E_NOT_SUPPORTED, "TCPKIT_E_NOT_SUPPORTED", "not supported here"},
    {TCPKIT_E_CLOSED, "TCPKIT_E_CLOSED", "the connection is closed"},
    {TCPKIT_E_ALREADY_RUNNING, "TCPKIT_E_ALREADY_RUNNING", "the server is running already"},
    {TCPKIT_E_NOT_RUNNING, "TCPKIT_E_NOT_RUNNING", "not running"},
    {TCPKIT_E_NOT_FOUND, "TCPKIT_E_NOT_FOUND", "there is no such thing"},
    {TCPKIT_E_FORKED, "TCPKIT_E_FORKED", "the object belongs to the parent process"},
    {TCPKIT_E_END, "TCPKIT_E_END", "the peer ended its stream"},
    {TCPKIT_E_CANCELLED, "TCPKIT_E_CANCELLED", "cancelled"},
    {TCPKIT_E_NO_MEMORY, "TCPKIT_E_NO_MEMORY", "out of memory"},
    {TCPKIT_E_TOO_MANY_FILES, "TCPKIT_E_TOO_MANY_FILES", "out of file descriptors"},
    {TCPKIT_E_LIMIT, "TCPKIT_E_LIMIT", "a configured limit was reached"},
    {TCPKIT_E_QUEUE_FULL, "TCPKIT_E_QUEUE_FULL", "the queue of output is full"},
    {TCPKIT_E_ADDRESS_IN_USE, "TCPKIT_E_ADDRESS_IN_USE", "the address is in use"},
    {TCPKIT_E_ADDRESS_NOT_AVAILABLE, "TCPKIT_E_ADDRESS_NOT_AVAILABLE",
     "the address is not available on this machine"},
    {TCPKIT_E_PERMISSION, "TCPKIT_E_PERMISSION", "permission denied"},
    {TCPKIT_E_NO_SUCH_FILE, "TCPKIT_E_NO_SUCH_FILE", "no such file or folder"},
    {TCPKIT_E_RESOLVE, "TCPKIT_E_RESOLVE", "the host name could not be resolved"},
    {TCPKIT_E_RESET, "TCPKIT_E_RESET", "the peer reset the connection"},
    {TCPKIT_E_TIMED_OUT, "TCPKIT_E_TIMED_OUT", "timed out"},
    {TCPKIT_E_UNREACHABLE, "TCPKIT_E_UNREACHABLE", "host or network unreachable"},
    {TCPKIT_E_REFUSED, "TCPKIT_E_REFUSED", "connection refused"},
    {TCPKIT_E_IO, "TCPKIT_E_IO", "a system call failed"},
    {TCPKIT_E_PACKET_TOO_BIG, "TCPKIT_E_PACKET_TOO_BIG", "the packet is too big"},
    {TCPKIT_E_BAD_FRAME, "TCPKIT_E_BAD_FRAME", "the bytes break the framing"},
    {TCPKIT_E_BAD_VARINT, "TCPKIT_E_BAD_VARINT", "a variable-length integer is too long"},
    {TCPKIT_E_UNEXPECTED_EOF, "TCPKIT_E_UNEXPECTED_EOF", "the stream ended too early"},
    {TCPKIT_E_BAD_PROXY_HEADER, "TCPKIT_E_BAD_PROXY_HEADER",
     "the PROXY header is missing, malformed or not trusted"},
    {TCPKIT_E_FILTER, "TCPKIT_E_FILTER", "a filter refused the bytes"},
    {TCPKIT_E_TLS, "TCPKIT_E_TLS", "the TLS handshake or a record failed"},
    {TCPKIT_E_TLS_NOT_TLS, "TCPKIT_E_TLS_NOT_TLS", "the peer does not speak TLS"},
    {TCPKIT_E_TLS_NO_COMMON, "TCPKIT_E_TLS_NO_COMMON",
     "no version, cipher or group that both sides take"},
    {TCPKIT_E_TLS_ALERT, "TCPKIT_E_TLS_ALERT", "the peer refused with an alert"},
    {TCPKIT_E_TLS_TRUNCATED, "TCPKIT_E_TLS_TRUNCATED", "the stream ended without close_notify"},
    {TCPKIT_E_TLS_CREDENTIALS, "TCPKIT_E_TLS_CREDENTIALS",
     "a certificate, key, response or setting cannot be used"},
    {TCPKIT_E_TLS_NO_CERTIFICATE, "TCPKIT_E_TLS_NO_CERTIFICATE", "the peer sent no certificate"},
    {TCPKIT_E_TLS_UNTRUSTED, "TCPKIT_E_TLS_UNTRUSTED",
     "the peer's chain ends at no trusted certificate"},
    {TCPKIT_E_TLS_SELF_SIGNED, "TCPKIT_E_TLS_SELF_SIGNED",
     "the peer's certificate is self-signed and not trusted"},
    {TCPKIT_E_TLS_EXPIRED, "TCPKIT_E_TLS_EXPIRED", "a certificate of the peer has expired"},
    {TCPKIT_E_TLS_NOT_YET_VALID, "TCPKIT_E_TLS_NOT_YET_VALID",
     "a certificate of the peer is not valid yet"},
    {TCPKIT_E_TLS_WRONG_HOST, "TCPKIT_E_TLS_WRONG_HOST",
     "the peer's certificate is for another host"},
    {TCPKIT_E_TLS_WRONG_PURPOSE, "TCPKIT_E_TLS_WRONG_PURPOSE",
     "a certificate of the peer is not for this use"},
    {TCPKIT_E_TLS_BAD_CERTIFICATE, "TCPKIT_E_TLS_BAD_CERTIFICATE",
     "the peer's chain of certificates is not valid"},
    {TCPKIT_E_CALLBACK, "TCPKIT_E_CALLBACK", "a callback failed"},
    {TCPKIT_E_INTERNAL, "TCPKIT_E_INTERNAL", "internal defect of tcpkit"},
};

constexpr StatusRow kUnknownStatus{TCPKIT_E_INTERNAL, "TCPKIT_E_UNKNOWN", "not a tcpkit status"};

const StatusRow& find_row(Status status) noexcept {
  for (const StatusRow& row : kStatusTable) {
    if (row.status == status) return row;
  }
  return kUnknownStatus;
}

thread_local constinit LastError t_last_error{TCPKIT_OK, 0, {0}};

}  // namespace

Status fail(Status status, const char* format, ...) noexcept {
  LastError& error = t_last_error;
  error.status = status;
  error.error_number = 0;
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(error.message, sizeof error.message, format, arguments);
  va_end(arguments);
  return status;
}

Status fail_errno(int error_number, const char* format, ...) noexcept {
  LastError& error = t_last_error;
  error.status = status_from_errno(error_number);
  error.error_number = error_number;
  va_list arguments;
  va_start(arguments, format);
  int length = std::vsnprintf(error.message, sizeof error.message, format, arguments);
  va_end(arguments);
  if (length < 0 || static_cast<size_t>(length) >= sizeof error.message) return error.status;
  char text[128];
  const char* cause = strerror_r(error_number, text, sizeof text);
  std::snprintf(error.message + length, sizeof error.message - static_cast<size_t>(length), ": %s",
                cause);
  return error.status;
}

Status status_from_errno(int error_number) noexcept {
  switch (error_number) {
    case 0:
      return TCPKIT_OK;
    case EADDRINUSE:
      return TCPKIT_E_ADDRESS_IN_USE;
    case EADDRNOTAVAIL:
      return TCPKIT_E_ADDRESS_NOT_AVAILABLE;
    case EACCES:
    case EPERM:
      return TCPKIT_E_PERMISSION;
    case ENOENT:
    case ENOTDIR:
      return TCPKIT_E_NO_SUCH_FILE;
    case ECONNRESET:
    case EPIPE:
      return TCPKIT_E_RESET;
    case ECONNREFUSED:
      return TCPKIT_E_REFUSED;
    case ETIMEDOUT:
      return TCPKIT_E_TIMED_OUT;
    case EHOSTUNREACH:
    case ENETUNREACH:
      return TCPKIT_E_UNREACHABLE;
    case EMFILE:
    case ENFILE:
      return TCPKIT_E_TOO_MANY_FILES;
    case ENOMEM:
    case ENOBUFS:
      return TCPKIT_E_NO_MEMORY;
    default:
      return TCPKIT_E_IO;
  }
}

const LastError& last_error() noexcept {
  return t_last_error;
}
void restore_last_error(const LastError& error) noexcept {
  t_last_error = error;
}
const char* status_name(Status status) noexcept {
  return find_row(status).name;
}
const char* status_text(Status status) noexcept {
  return find_row(status).text;
}

}  // namespace tcpkit
