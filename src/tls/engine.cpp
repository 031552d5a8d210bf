// The BIO of an engine: what OpenSSL reads is the input, what it writes is the output.
#include "tls/engine.h"

#include <openssl/bio.h>
#include <openssl/err.h>

#include <algorithm>
#include <new>

#include "base/assert.h"

namespace tcpkit {

TlsEngine::~TlsEngine() {
  BIO_free(session_end_);
  BIO_meth_free(method_);
}

bool TlsEngine::open_now() noexcept {
  if (input_ == nullptr) input_.reset(new (std::nothrow) uint8_t[kBufferBytes]);
  if (output_ == nullptr) output_.reset(new (std::nothrow) uint8_t[kBufferBytes]);
  if (method_ == nullptr) method_ = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "tcpkit");
  if (input_ != nullptr && output_ != nullptr && method_ != nullptr) {
    BIO_meth_set_read_ex(method_, read);
    BIO_meth_set_write_ex(method_, write);
    BIO_meth_set_ctrl(method_, control);
    session_end_ = BIO_new(method_);
  }
  ERR_clear_error();
  if (session_end_ == nullptr) return false;
  BIO_set_data(session_end_, this);
  BIO_set_init(session_end_, 1);
  return true;
}

void TlsEngine::put_input(ByteView bytes) noexcept {
  TCPKIT_ASSERT(bytes.size() <= kBufferBytes - input_end_);
  if (bytes.empty()) return;
  std::memcpy(input_.get() + input_end_, bytes.data(), bytes.size());
  input_end_ += bytes.size();
}

int TlsEngine::read(bio_st* bio, char* target, size_t size, size_t* taken) noexcept {
  auto& self = *static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *taken = std::min(size, self.input_end_ - self.input_begin_);
  if (*taken == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(target, self.input_.get() + self.input_begin_, *taken);
  self.input_begin_ += *taken;
  if (self.input_is_empty()) self.clear_input();
  return 1;
}

int TlsEngine::write(bio_st* bio, const char* bytes, size_t size, size_t* put) noexcept {
  auto& self = *static_cast<TlsEngine*>(BIO_get_data(bio));
  BIO_clear_retry_flags(bio);
  *put = std::min(size, kBufferBytes - self.output_end_);
  if (*put == 0) {
    BIO_set_retry_write(bio);
    return 0;
  }
  std::memcpy(self.output_.get() + self.output_end_, bytes, *put);
  self.output_end_ += *put;
  return 1;
}

long TlsEngine::control(bio_st* /*bio*/, int command, long /*number*/, void* /*pointer*/) noexcept {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace tcpkit
