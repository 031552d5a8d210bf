// A BIO of our own over two pieces of memory.
#include "tls_wire.h"

#include <algorithm>
#include <cstring>

namespace tcpkit::load {
namespace {

constexpr std::size_t kUsualOutput = 256 * 1024;

TlsWire& wire_of(BIO* bio) {
  return *static_cast<TlsWire*>(BIO_get_data(bio));
}

}  // namespace

TlsWire::TlsWire()
    : method_(BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire")), bio_(nullptr) {
  BIO_meth_set_read_ex(method_, read);
  BIO_meth_set_write_ex(method_, write);
  BIO_meth_set_ctrl(method_, control);
  bio_ = BIO_new(method_);
  BIO_set_data(bio_, this);
  BIO_set_init(bio_, 1);
  output_.reserve(kUsualOutput);
}

TlsWire::~TlsWire() {
  BIO_free(bio_);
  BIO_meth_free(method_);
}

int TlsWire::read(BIO* bio, char* data, std::size_t size, std::size_t* taken) {
  std::span<const std::uint8_t>& input = wire_of(bio).input_;
  BIO_clear_retry_flags(bio);
  *taken = std::min(size, input.size());
  if (*taken == 0) {
    BIO_set_retry_read(bio);
    return 0;
  }
  std::memcpy(data, input.data(), *taken);
  input = input.subspan(*taken);
  return 1;
}

int TlsWire::write(BIO* bio, const char* data, std::size_t size, std::size_t* put) {
  std::vector<std::uint8_t>& output = wire_of(bio).output_;
  BIO_clear_retry_flags(bio);
  output.insert(output.end(), data, data + size);
  *put = size;
  return 1;
}

long TlsWire::control(BIO* /*bio*/, int command, long /*number*/, void* /*pointer*/) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

}  // namespace tcpkit::load
