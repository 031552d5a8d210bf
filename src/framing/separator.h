// The separator of a framing: finds it in received bytes, also when a read cut it, and tells which
// packets can be sent with it.
#pragma once

#include <vector>

#include "framing/cut.h"

namespace tcpkit {

class Separator {
 public:
  static constexpr size_t kNotFound = SIZE_MAX;

  // Validates and copies the separator of framing. Throws std::bad_alloc.
  Status take(const tcpkit_framing& framing);

  size_t size() const noexcept { return bytes_.size(); }
  uint8_t first_byte() const noexcept { return bytes_.front(); }

  // Position of the first separator that starts at from or later; from <= bytes.size().
  size_t find(ByteView bytes, size_t from) const noexcept;

  // How many bytes at the end of bytes may be the beginning of a separator: the longest proper
  // prefix of it that bytes ends with.
  size_t count_begun(ByteView bytes) const noexcept;

  // Whether packet followed by the separator is cut into just that packet.
  bool can_end(ByteView packet) const noexcept;

  void encode(Envelope& out) const noexcept;

 private:
  // Longer ones are left to memmem: up to here a failed comparison costs a bounded time.
  static constexpr size_t kMaxComparedSize = 32;

  std::vector<uint8_t> bytes_;
  // For each length of a prefix, less one: its longest proper prefix that it also ends with. It
  // lets count_begun look at each byte once.
  std::vector<uint32_t> borders_;
};

}  // namespace tcpkit
