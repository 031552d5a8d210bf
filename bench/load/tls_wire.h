// The BIO that all TLS sessions of the generator share: sealed bytes that were received go in,
// sealed bytes to send gather in it. So an event costs one receive and one send, as on a plain
// connection.
#pragma once

#include <openssl/bio.h>

#include <cstdint>
#include <span>
#include <vector>

namespace tcpkit::load {

class TlsWire {
 public:
  TlsWire();
  ~TlsWire();
  TlsWire(const TlsWire&) = delete;
  TlsWire& operator=(const TlsWire&) = delete;

  BIO* bio() { return bio_; }

  // The session that is called next takes all of it; bytes must live until then.
  void set_input(std::span<const std::uint8_t> bytes) { input_ = bytes; }

  std::span<const std::uint8_t> output() const { return output_; }
  void clear_output() { output_.clear(); }

 private:
  static int read(BIO* bio, char* data, std::size_t size, std::size_t* taken);
  static int write(BIO* bio, const char* data, std::size_t size, std::size_t* put);
  static long control(BIO* bio, int command, long number, void* pointer);

  BIO_METHOD* method_;
  BIO* bio_;
  std::span<const std::uint8_t> input_;
  std::vector<std::uint8_t> output_;
};

}  // namespace tcpkit::load
