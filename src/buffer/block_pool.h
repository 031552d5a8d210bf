// Blocks of memory for bytes that have to wait: output that the kernel did not take yet, input that
// is not a whole packet yet. One pool per loop, so that no lock and no heap is on the data path.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tcpkit {

// Header of a block; its bytes follow it.
struct Block {
  Block* next;     // of whoever owns the block
  uint32_t begin;  // first used byte
  uint32_t end;    // one past the last used byte
  uint32_t capacity;
  uint16_t size_class;  // index in the pool, or BlockPool::kFromHeap
  uint16_t kind;        // of whoever owns the block; 0 to begin with

  uint8_t* bytes() noexcept { return reinterpret_cast<uint8_t*>(this + 1); }
  const uint8_t* bytes() const noexcept { return reinterpret_cast<const uint8_t*>(this + 1); }
  uint8_t* data() noexcept { return bytes() + begin; }
  size_t size() const noexcept { return end - begin; }
  size_t room() const noexcept { return capacity - end; }
};

// Home thread: that of its loop.
class BlockPool {
 public:
  static constexpr uint32_t kSmallestShift = 6;  // 64 bytes, header included
  static constexpr uint16_t kClassCount = 15;    // up to 1 MiB
  static constexpr uint16_t kFromHeap = kClassCount;
  // Free blocks are kept for reuse up to this many bytes in all.
  static constexpr size_t kKeptBytes = 8u << 20;

  BlockPool() = default;
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;
  ~BlockPool();

  // A block with room for at least min_bytes, empty; nullptr if memory ran out.
  Block* take(size_t min_bytes) noexcept;
  void give_back(Block* block) noexcept;
  // Frees what is kept.
  void trim() noexcept;

 private:
  std::array<Block*, kClassCount> free_blocks_{};
  size_t kept_bytes_ = 0;
};

}  // namespace tcpkit
