// Numbers that follow from a seed, the same on every machine.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace faults {

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15u + 1) {}

  uint64_t next() noexcept {
    uint64_t value = state_ += 0x9E3779B97F4A7C15u;
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
  }
  uint64_t below(uint64_t end) noexcept { return next() % end; }
  bool chance(unsigned percent) noexcept { return below(100) < percent; }
  template <typename Value>
  Value one_of(std::initializer_list<Value> values) noexcept {
    return values.begin()[below(values.size())];
  }

 private:
  uint64_t state_;
};

}  // namespace faults
