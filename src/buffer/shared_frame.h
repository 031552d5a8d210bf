// One frame that a loop gives to many of its connections: it is in their write queues until the
// kernel has it or somebody drops it, whole.
#pragma once

#include "base/bytes.h"
#include "buffer/block_pool.h"

namespace tcpkit {

// Home thread: that of its loop, which counts it without an atomic.
class SharedFrame {
 public:
  enum class Fate : uint8_t {
    kSent,     // all of it was handed on
    kDropped,  // the slow-consumer policy took it out
    kLost      // its connection ended before
  };

  // One queue less has it. May free the frame; calls no user code.
  virtual void left_queue(Fate fate) noexcept = 0;

  ByteView bytes;
  uint64_t key = 0;
  uint64_t queued_at_ms = 0;

 protected:
  ~SharedFrame() = default;
};

// The frames of one group in one queue, oldest first. A frame counts whole until all of it is gone.
struct FrameBacklog {
  uint64_t frames = 0;
  size_t bytes = 0;
  Block* oldest = nullptr;
  Block* newest = nullptr;
};

}  // namespace tcpkit
