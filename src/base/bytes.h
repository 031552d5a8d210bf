// Views of bytes, as every room passes them on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tcpkit {

using ByteView = std::span<const uint8_t>;

// Copies two pieces of kBytes that may overlap: the front and the back of what has so many.
template <size_t kBytes>
[[gnu::always_inline]] inline void copy_ends(uint8_t* target, const uint8_t* source,
                                             size_t size) noexcept {
  uint8_t front[kBytes];
  uint8_t back[kBytes];
  std::memcpy(front, source, kBytes);
  std::memcpy(back, source + size - kBytes, kBytes);
  std::memcpy(target, front, kBytes);
  std::memcpy(target + size - kBytes, back, kBytes);
}

// memcpy for what is short most of the time, where a call costs more than the copy.
[[gnu::always_inline]] inline void copy_short(uint8_t* target, const uint8_t* source,
                                              size_t size) noexcept {
  if (size > 64) {
    std::memcpy(target, source, size);
  } else if (size >= 32) {
    copy_ends<32>(target, source, size);
  } else if (size >= 16) {
    copy_ends<16>(target, source, size);
  } else if (size >= 8) {
    copy_ends<8>(target, source, size);
  } else if (size >= 4) {
    copy_ends<4>(target, source, size);
  } else if (size > 0) {
    target[0] = source[0];
    target[size / 2] = source[size / 2];
    target[size - 1] = source[size - 1];
  }
}

}  // namespace tcpkit
