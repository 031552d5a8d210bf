// What a connection has besides if its data is dealt with elsewhere than on its loop: it is
// detached, or has a strand.
#pragma once

#include <cstdint>

namespace tcpkit {

class OffLoop {
 public:
  enum class Kind : uint8_t { kDetached, kStrand };

  explicit OffLoop(Kind off_loop_kind) noexcept : kind(off_loop_kind) {}
  OffLoop(const OffLoop&) = delete;
  OffLoop& operator=(const OffLoop&) = delete;
  virtual ~OffLoop() = default;

  const Kind kind;
};

}  // namespace tcpkit
