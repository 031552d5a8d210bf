// Numbers in memory, in either byte order and at any address. One load or store and at most one
// swap per number.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "tcpkit.h"

namespace tcpkit {

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big,
              "a byte order that tcpkit_byte_order has no name for");

// The unsigned integer that has as many bytes as Value.
template <typename Value>
using BitsOf = std::conditional_t<
    sizeof(Value) == 1, uint8_t,
    std::conditional_t<sizeof(Value) == 2, uint16_t,
                       std::conditional_t<sizeof(Value) == 4, uint32_t, uint64_t>>>;

template <typename Bits>
constexpr Bits swap_bytes(Bits bits) noexcept {
  if constexpr (sizeof(Bits) == 2) return __builtin_bswap16(bits);
  if constexpr (sizeof(Bits) == 4) return __builtin_bswap32(bits);
  if constexpr (sizeof(Bits) == 8) return __builtin_bswap64(bits);
  return bits;
}

// A value of tcpkit_byte_order that exists.
constexpr bool is_byte_order(tcpkit_byte_order order) noexcept {
  return static_cast<uint32_t>(order) <= TCPKIT_LITTLE_ENDIAN;
}

constexpr bool needs_swap(tcpkit_byte_order order) noexcept {
  constexpr bool is_little_here = std::endian::native == std::endian::little;
  return (order == TCPKIT_LITTLE_ENDIAN) != is_little_here;
}

template <typename Value>
Value load_value(const uint8_t* source, tcpkit_byte_order order) noexcept {
  BitsOf<Value> bits;
  std::memcpy(&bits, source, sizeof bits);
  if (needs_swap(order)) bits = swap_bytes(bits);
  return std::bit_cast<Value>(bits);
}

template <typename Value>
void store_value(uint8_t* target, Value value, tcpkit_byte_order order) noexcept {
  auto bits = std::bit_cast<BitsOf<Value>>(value);
  if (needs_swap(order)) bits = swap_bytes(bits);
  std::memcpy(target, &bits, sizeof bits);
}

}  // namespace tcpkit
