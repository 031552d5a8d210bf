// The bytes that the load generator sends and expects back: a periodic stream of different
// messages, laid out so that any piece of it is one contiguous range to send from and to compare
// with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "options.h"

namespace tcpkit::load {

class Pattern {
 public:
  // max_piece: most bytes that are sent or compared at once.
  Pattern(const Options& options, std::size_t max_piece);

  std::size_t frame_size() const { return frame_size_; }  // bytes of one message on the wire
  std::size_t message_count() const { return period_ / frame_size_; }  // before they repeat
  std::size_t max_piece() const { return max_piece_; }

  // The stream from byte number position on, valid for max_piece bytes.
  const std::uint8_t* at(std::uint64_t position) const { return &bytes_[position % period_]; }

  bool matches(std::uint64_t position, const std::uint8_t* data, std::size_t size) const {
    return std::memcmp(at(position), data, size) == 0;
  }

 private:
  std::size_t frame_size_;
  std::size_t period_;
  std::size_t max_piece_;
  std::vector<std::uint8_t> bytes_;  // one period, and max_piece bytes of the next ones
};

}  // namespace tcpkit::load
