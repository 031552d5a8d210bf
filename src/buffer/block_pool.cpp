// Free lists by power of two. Blocks above the largest class come from the heap and go back to it.
#include "buffer/block_pool.h"

#include <bit>
#include <cstdlib>
#include <limits>

namespace tcpkit {
namespace {

constexpr size_t class_bytes(uint16_t size_class) noexcept {
  return size_t{1} << (BlockPool::kSmallestShift + size_class);
}

uint16_t class_for(size_t whole_bytes) noexcept {
  if (whole_bytes <= class_bytes(0)) return 0;
  return static_cast<uint16_t>(std::bit_width(whole_bytes - 1) - BlockPool::kSmallestShift);
}

Block* allocate(size_t whole_bytes, uint16_t size_class) noexcept {
  auto* block = static_cast<Block*>(std::malloc(whole_bytes));
  if (block == nullptr) return nullptr;
  block->capacity = static_cast<uint32_t>(whole_bytes - sizeof(Block));
  block->size_class = size_class;
  return block;
}

}  // namespace

BlockPool::~BlockPool() {
  trim();
}

Block* BlockPool::take(size_t min_bytes) noexcept {
  if (min_bytes > std::numeric_limits<uint32_t>::max() - sizeof(Block)) return nullptr;
  const size_t whole_bytes = min_bytes + sizeof(Block);
  const uint16_t size_class = class_for(whole_bytes);
  Block* block = nullptr;
  if (size_class >= kClassCount) {
    block = allocate(whole_bytes, kFromHeap);
  } else if (free_blocks_[size_class] != nullptr) {
    block = free_blocks_[size_class];
    free_blocks_[size_class] = block->next;
    kept_bytes_ -= class_bytes(size_class);
  } else {
    block = allocate(class_bytes(size_class), size_class);
  }
  if (block == nullptr) return nullptr;
  block->next = nullptr;
  block->begin = 0;
  block->end = 0;
  block->kind = 0;
  return block;
}

void BlockPool::give_back(Block* block) noexcept {
  const uint16_t size_class = block->size_class;
  if (size_class == kFromHeap || kept_bytes_ + class_bytes(size_class) > kKeptBytes) {
    std::free(block);
    return;
  }
  block->next = free_blocks_[size_class];
  free_blocks_[size_class] = block;
  kept_bytes_ += class_bytes(size_class);
}

void BlockPool::trim() noexcept {
  for (Block*& list : free_blocks_) {
    while (list != nullptr) {
      Block* block = list;
      list = block->next;
      std::free(block);
    }
  }
  kept_bytes_ = 0;
}

}  // namespace tcpkit
