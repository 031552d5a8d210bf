// Views of bytes, as every room passes them on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace tcpkit {

using ByteView = std::span<const uint8_t>;

// Copies what has between one and two Pieces: its front and its back, which may overlap. A Piece is
// a type that the compiler keeps in a register; an array would take a detour over the stack.
template <typename Piece>
[[gnu::always_inline]] inline void copy_ends(uint8_t* target, const uint8_t* source,
                                             size_t size) noexcept {
  Piece front;
  Piece back;
  std::memcpy(&front, source, sizeof front);
  std::memcpy(&back, source + size - sizeof back, sizeof back);
  std::memcpy(target, &front, sizeof front);
  std::memcpy(target + size - sizeof back, &back, sizeof back);
}

// memcpy for what is short most of the time, where a call costs more than the copy.
[[gnu::always_inline]] inline void copy_short(uint8_t* target, const uint8_t* source,
                                              size_t size) noexcept {
  using SixteenBytes = uint64_t __attribute__((vector_size(16)));
  if (size > 64) {
    std::memcpy(target, source, size);
  } else if (size >= 32) {
    copy_ends<SixteenBytes>(target, source, 32);
    copy_ends<SixteenBytes>(target + size - 32, source + size - 32, 32);
  } else if (size >= 16) {
    copy_ends<SixteenBytes>(target, source, size);
  } else if (size >= 8) {
    copy_ends<uint64_t>(target, source, size);
  } else if (size >= 4) {
    copy_ends<uint32_t>(target, source, size);
  } else if (size > 0) {
    target[0] = source[0];
    target[size / 2] = source[size / 2];
    target[size - 1] = source[size - 1];
  }
}

}  // namespace tcpkit
