// The two clocks: monotonic time for everything that waits, wall time for what users read.
#pragma once

#include <cstdint>
#include <ctime>

namespace tcpkit {

inline uint64_t read_clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

inline uint64_t monotonic_ns() noexcept {
  return read_clock_ns(CLOCK_MONOTONIC);
}
// Cheaper, and some milliseconds old.
inline uint64_t coarse_ms() noexcept {
  return read_clock_ns(CLOCK_MONOTONIC_COARSE) / 1'000'000u;
}
inline uint64_t wall_ms() noexcept {
  return read_clock_ns(CLOCK_REALTIME) / 1'000'000u;
}

}  // namespace tcpkit
