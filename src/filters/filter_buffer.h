// Where the bytes end that came through all filters: one flat piece, which grows up to a limit.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/bytes.h"
#include "base/status.h"

namespace tcpkit {

// One per loop and direction, since it is empty between events.
class FilterBuffer {
 public:
  // What is kept of it between events.
  static constexpr size_t kKeptBytes = 256u << 10;

  // front_bytes are kept free in front of the bytes, for what shall stand before them.
  explicit FilterBuffer(size_t front_bytes) noexcept : front_bytes_(front_bytes) {}

  // Adds bytes, but holds no more than limit: TCPKIT_E_LIMIT, or TCPKIT_E_NO_MEMORY.
  Status append(ByteView bytes, size_t limit) noexcept {
    if (bytes.empty()) return TCPKIT_OK;
    if (size_ > limit || bytes.size() > limit - size_) return TCPKIT_E_LIMIT;
    if (bytes.size() > capacity_ - size_ && !grow(size_ + bytes.size())) return TCPKIT_E_NO_MEMORY;
    std::memcpy(data() + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
    return TCPKIT_OK;
  }

  bool empty() const noexcept { return size_ == 0; }
  size_t size() const noexcept { return size_; }
  uint8_t* data() noexcept { return memory_.get() + front_bytes_; }
  ByteView view() noexcept { return {data(), size_}; }

  // Empties it, and gives back what a large burst took.
  void clear() noexcept {
    size_ = 0;
    if (capacity_ <= kKeptBytes) return;
    memory_.reset();
    capacity_ = 0;
  }

 private:
  bool grow(size_t least) noexcept {
    constexpr size_t kFirstBytes = 64u << 10;
    const size_t capacity = std::max({least, 2 * capacity_, kFirstBytes});
    std::unique_ptr<uint8_t[]> larger(new (std::nothrow) uint8_t[front_bytes_ + capacity]);
    if (larger == nullptr) return false;
    if (size_ > 0) std::memcpy(larger.get() + front_bytes_, data(), size_);
    memory_ = std::move(larger);
    capacity_ = capacity;
    return true;
  }

  const size_t front_bytes_;
  std::unique_ptr<uint8_t[]> memory_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace tcpkit
