// What one readable event has on its way to the user, and the time it may use.
#pragma once

#include <algorithm>

#include "base/clock.h"
#include "conn/conn.h"

namespace tcpkit {

// Packets between two looks at the clock, to begin with; then as many as fit, by the time of those
// before.
inline constexpr uint64_t kFirstQuantumCheck = 2;
inline constexpr uint64_t kLongestQuantumStride = 64;

// The time that one connection may use before the others have their turn.
class Quantum {
 public:
  explicit Quantum(uint64_t limit_ns) noexcept : limit_ns_(limit_ns) {}

  // To be asked when more could be read.
  bool over() noexcept { return elapsed_ns() >= limit_ns_; }

  // To be asked after each packet.
  bool over_after(uint64_t packets) noexcept {
    if (packets < next_check_) return false;
    const uint64_t elapsed_ns = this->elapsed_ns();
    if (elapsed_ns >= limit_ns_) return true;
    const uint64_t timed = packets - kFirstQuantumCheck;
    const uint64_t fitting = timed * ((limit_ns_ - elapsed_ns) / (elapsed_ns + 1));
    next_check_ = packets + std::clamp<uint64_t>(fitting, 1, kLongestQuantumStride);
    return false;
  }

 private:
  // Counts from its first call, so that an event of one packet never looks at the clock.
  uint64_t elapsed_ns() noexcept {
    const uint64_t now_ns = monotonic_ns();
    if (start_ns_ == 0) start_ns_ = now_ns;
    return now_ns - start_ns_;
  }

  const uint64_t limit_ns_;
  uint64_t start_ns_ = 0;
  uint64_t next_check_ = kFirstQuantumCheck;
};

struct Conn::Received {
  Quantum quantum;
  ByteView bytes;         // not delivered yet
  bool in_stash = false;  // they lie in the stash, not in the read buffer
  bool filled = false;    // the kernel may have more
  bool ended = false;     // the peer ended its stream
  bool fresh = false;     // what is left of them begins in this event
};

}  // namespace tcpkit
