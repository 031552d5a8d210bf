// How long a client waits before it tries again: pure arithmetic on random numbers it is told.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tcpkit {

// The bound doubles from min to max. The delay is between half of it and all of it ("equal
// jitter"): so clients that lost one server do not come back together, and none comes back sooner
// than half of what was agreed on, as it might with a delay between zero and all.
class Backoff {
 public:
  // 0 < min_ms <= max_ms < 2^63.
  Backoff(uint64_t min_ms, uint64_t max_ms) noexcept
      : min_ms_(min_ms), max_ms_(max_ms), bound_ms_(min_ms) {}

  uint64_t next_ms(uint64_t random) noexcept {
    const uint64_t bound_ms = bound_ms_;
    bound_ms_ = std::min(bound_ms_ * 2, max_ms_);
    const uint64_t jitter_ms = bound_ms / 2;
    return bound_ms - random % (jitter_ms + 1);
  }
  void reset() noexcept { bound_ms_ = min_ms_; }
  // A connection ended. Only one that lasted begins anew: a server that accepts and closes at once
  // would be tried with the shortest delay for ever.
  void note_connection(uint64_t lasted_ms) noexcept {
    if (lasted_ms >= max_ms_) reset();
  }

 private:
  uint64_t min_ms_;
  uint64_t max_ms_;
  uint64_t bound_ms_;
};

}  // namespace tcpkit
