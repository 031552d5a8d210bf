// Streams for the codec, of bytes that are there: one to read in pieces, one that keeps what is
// written.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "tcpkit.h"

namespace tcpkit::test {

// Gives its bytes in pieces of at most piece_sizes, over and over, and then end_status.
class SourceStream {
 public:
  explicit SourceStream(std::string bytes, std::vector<size_t> piece_sizes = {SIZE_MAX})
      : bytes_(std::move(bytes)), rest_(bytes_), piece_sizes_(std::move(piece_sizes)) {}
  SourceStream(const SourceStream&) = delete;
  SourceStream& operator=(const SourceStream&) = delete;

  tcpkit_reader reader(tcpkit_byte_order order = TCPKIT_BIG_ENDIAN) {
    tcpkit_reader reader = tcpkit_reader_over_stream(read, this);
    reader.byte_order = order;
    return reader;
  }

  std::string_view rest() const { return rest_; }
  size_t calls() const { return calls_; }
  tcpkit_status end_status = TCPKIT_E_END;

 private:
  static tcpkit_status read(void* buffer, size_t buffer_size, size_t* out_size, void* user_data) {
    return static_cast<SourceStream*>(user_data)->give(buffer, buffer_size, out_size);
  }

  tcpkit_status give(void* buffer, size_t buffer_size, size_t* out_size) {
    const size_t piece_size = piece_sizes_[calls_++ % piece_sizes_.size()];
    if (rest_.empty()) return end_status;
    *out_size = std::min({buffer_size, rest_.size(), piece_size});
    std::memcpy(buffer, rest_.data(), *out_size);
    rest_.remove_prefix(*out_size);
    return TCPKIT_OK;
  }

  const std::string bytes_;
  std::string_view rest_;
  std::vector<size_t> piece_sizes_;
  size_t calls_ = 0;
};

// Keeps each write, and answers it with answer.
class SinkStream {
 public:
  tcpkit_writer writer(tcpkit_byte_order order = TCPKIT_BIG_ENDIAN) {
    tcpkit_writer writer = tcpkit_writer_over_stream(write, this);
    writer.byte_order = order;
    return writer;
  }

  std::vector<std::string> writes;
  tcpkit_status answer = TCPKIT_OK;

 private:
  static tcpkit_status write(const void* data, size_t data_size, void* user_data) {
    auto* sink = static_cast<SinkStream*>(user_data);
    sink->writes.emplace_back(static_cast<const char*>(data), data_size);
    return sink->answer;
  }
};

}  // namespace tcpkit::test
