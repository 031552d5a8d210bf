// Received bytes of a detached connection that nobody has taken yet, in one piece: what was read
// ahead, and what is no whole packet.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/bytes.h"

namespace tcpkit {

// Thread: the one that reads. Owns no memory before it is needed.
class ReadAhead {
 public:
  static constexpr size_t kBytes = 16u << 10;

  ByteView bytes() const noexcept { return {memory_.get() + begin_, end_ - begin_}; }
  size_t size() const noexcept { return end_ - begin_; }
  bool empty() const noexcept { return begin_ == end_; }
  size_t capacity() const noexcept { return capacity_; }

  // What has to be allocated for `bytes` more; 0: there is room.
  size_t capacity_for(size_t bytes) const noexcept {
    if (capacity_ - size() >= bytes) return 0;
    return std::max({kBytes, size() + bytes, std::min(2 * capacity_, size() + 2 * bytes)});
  }
  // False if memory ran out; then nothing changed.
  bool grow(size_t capacity) noexcept {
    std::unique_ptr<uint8_t[]> larger(new (std::nothrow) uint8_t[capacity]);
    if (larger == nullptr) return false;
    const size_t kept = size();
    if (kept > 0) std::memcpy(larger.get(), memory_.get() + begin_, kept);
    memory_ = std::move(larger);
    capacity_ = capacity;
    begin_ = 0;
    end_ = kept;
    return true;
  }

  // All room behind the bytes, at least `least`, for which capacity_for() said 0.
  std::span<uint8_t> room(size_t least) noexcept {
    if (capacity_ - end_ < least) {
      std::memmove(memory_.get(), memory_.get() + begin_, size());
      end_ = size();
      begin_ = 0;
    }
    return {memory_.get() + end_, capacity_ - end_};
  }
  void came(size_t bytes) noexcept { end_ += bytes; }
  void take(size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Copies as much as there is and fits; returns how much.
  size_t take_into(std::span<uint8_t> target) noexcept {
    const size_t taken = std::min(size(), target.size());
    if (taken > 0) std::memcpy(target.data(), memory_.get() + begin_, taken);
    take(taken);
    return taken;
  }

 private:
  std::unique_ptr<uint8_t[]> memory_;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace tcpkit
