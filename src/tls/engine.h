// The memory through which all TLS sessions of one loop speak: received bytes go in at one end,
// sealed bytes come out of it. Between two events it is empty, so a connection owns no buffers for
// sealed bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "base/bytes.h"

struct bio_st;
struct bio_method_st;

namespace tcpkit {

// Home thread: that of its loop. One BIO of our own over two flat buffers. Rejected: OpenSSL's BIO
// pair, whose rings cost about 700 instructions more per message and give output in two pieces; a
// pair per connection, which costs each of them twice the size of a record.
class TlsEngine {
 public:
  // Room for sealed bytes in each direction.
  static constexpr size_t kBufferBytes = 256u << 10;
  // Most plain bytes to seal before the output is taken: with the overhead of their records they
  // fit, besides an alert or a ticket.
  static constexpr size_t kMostPlainBytes = 128u << 10;

  TlsEngine() = default;
  TlsEngine(const TlsEngine&) = delete;
  TlsEngine& operator=(const TlsEngine&) = delete;
  ~TlsEngine();

  // Does nothing if it is open; false if memory ran out.
  bool open() noexcept { return session_end_ != nullptr || open_now(); }

  // Where received bytes can be put, and that they were.
  std::span<uint8_t> input_space() noexcept {
    return {input_.get() + input_end_, kBufferBytes - input_end_};
  }
  void input_came(size_t bytes) noexcept { input_end_ += bytes; }
  // Puts a copy; bytes must fit.
  void put_input(ByteView bytes) noexcept;
  bool input_is_empty() const noexcept { return input_begin_ == input_end_; }
  // Drops what a session that ended or failed has not taken.
  void clear_input() noexcept { input_begin_ = input_end_ = 0; }

  // Sealed bytes that were not taken.
  ByteView output() const noexcept {
    return {output_.get() + output_begin_, output_end_ - output_begin_};
  }
  void output_taken(size_t bytes) noexcept {
    output_begin_ += bytes;
    if (output_begin_ == output_end_) output_begin_ = output_end_ = 0;
  }

  // The end of the sessions; each takes a reference.
  bio_st* session_end() noexcept { return session_end_; }

 private:
  bool open_now() noexcept;
  static int read(bio_st* bio, char* target, size_t size, size_t* taken) noexcept;
  static int write(bio_st* bio, const char* bytes, size_t size, size_t* put) noexcept;
  static long control(bio_st* bio, int command, long number, void* pointer) noexcept;

  bio_method_st* method_ = nullptr;
  bio_st* session_end_ = nullptr;
  std::unique_ptr<uint8_t[]> input_;
  std::unique_ptr<uint8_t[]> output_;
  size_t input_begin_ = 0;
  size_t input_end_ = 0;
  size_t output_begin_ = 0;
  size_t output_end_ = 0;
};

}  // namespace tcpkit
