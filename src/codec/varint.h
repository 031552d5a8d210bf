// Integers in base 128, low groups first: the one place that knows them, for the values of the
// codec and for the lengths of framings.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/status.h"

namespace tcpkit {

inline constexpr uint32_t kMaxVarintSize = 5;    // of 32 bits
inline constexpr uint32_t kMaxVarlongSize = 10;  // of 64 bits

struct Varint {
  Status status;  // TCPKIT_OK or TCPKIT_E_BAD_VARINT
  uint32_t size;  // its bytes; 0: not all of them are there
  uint64_t value;
};

// What a varint may have at most.
struct VarintLimits {
  uint32_t size;        // bytes
  uint32_t value_bits;  // larger values are refused
};

// Padded forms are read, as long as they keep to the allowed bytes. One byte too many is noticed at
// the last allowed one, so that nothing waits for a byte that may not come.
inline Varint decode_varint(const uint8_t* bytes, size_t size, VarintLimits limits) noexcept {
  if (size > 0 && bytes[0] < 0x80) return {TCPKIT_OK, 1, bytes[0]};
  const size_t readable = std::min<size_t>(size, limits.size);
  uint64_t value = 0;
  for (uint32_t i = 0; i < readable; ++i) {
    const uint64_t group = bytes[i] & 0x7f;
    const uint32_t shift = 7 * i;
    const uint32_t room_bits = limits.value_bits - shift;
    if (room_bits < 7 && group >> room_bits != 0) return {TCPKIT_E_BAD_VARINT, 0, 0};
    value |= group << shift;
    if (bytes[i] < 0x80) return {TCPKIT_OK, i + 1, value};
  }
  return {readable == limits.size ? TCPKIT_E_BAD_VARINT : TCPKIT_OK, 0, 0};
}

// Bytes of the shortest form of value, 1 to 10.
constexpr uint32_t varint_size(uint64_t value) noexcept {
  return (static_cast<uint32_t>(std::bit_width(value | 1)) + 6) / 7;
}

// Writes value in size bytes: its shortest form, or a padded one if size is larger.
inline void encode_varint(uint8_t* target, uint32_t size, uint64_t value) noexcept {
  for (uint32_t i = 0; i + 1 < size; ++i) {
    target[i] = static_cast<uint8_t>(value | 0x80);
    value >>= 7;
  }
  target[size - 1] = static_cast<uint8_t>(value & 0x7f);
}

}  // namespace tcpkit
