// What the connection whose event runs right now has sent in it: one buffer per loop, written with
// one system call at the end of the event. Only what the kernel does not take moves to a write
// queue.
#pragma once

#include <memory>
#include <new>

#include "base/bytes.h"

namespace tcpkit {

// Home thread: that of its loop. Why not the connection's own write queue: a block to take, to
// gather from and to give back per event costs more than all the rest of a small answer.
class EventOutput {
 public:
  static constexpr size_t kBytes = 64u << 10;

  // False if memory ran out.
  bool allocate() noexcept {
    if (bytes_ == nullptr) bytes_.reset(new (std::nothrow) uint8_t[kBytes]);
    return bytes_ != nullptr;
  }

  // Place for `bytes` more, filled by the caller; nullptr if there would be more than limit, which
  // is at most kBytes and no less than size().
  uint8_t* claim(size_t bytes, size_t limit) noexcept {
    if (bytes > limit - size_) return nullptr;
    uint8_t* target = bytes_.get() + size_;
    size_ += bytes;
    return target;
  }

  size_t size() const noexcept { return size_; }
  // Empties it; the view is valid until the next claim.
  ByteView take() noexcept {
    const ByteView taken(bytes_.get(), size_);
    size_ = 0;
    return taken;
  }

 private:
  std::unique_ptr<uint8_t[]> bytes_;
  size_t size_ = 0;
};

}  // namespace tcpkit
