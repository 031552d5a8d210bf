// A singly linked list of blocks. Appending fills the last block first; a message larger than its
// room continues in new blocks that are all taken before the first byte is copied.
#include "buffer/write_queue.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace tcpkit {
namespace {

// One event's answers fit into this; a block of 16 KiB with its header.
constexpr size_t kUsualBlockBytes = (16u << 10) - sizeof(Block);
constexpr size_t kLargestBlockBytes = (256u << 10) - sizeof(Block);
// A block with less than a fourth of its room in use is worth moving.
constexpr size_t kSparseDivisor = 4;

// Payload of a block that refers to a shared buffer.
struct SharedEntry {
  SharedBuffer* buffer;
  const uint8_t* data;
  size_t size;
};

SharedEntry& shared_entry(Block* block) noexcept {
  return *std::launder(reinterpret_cast<SharedEntry*>(block->bytes()));
}

void give_back_chain(BlockPool& pool, Block* chain) noexcept {
  while (chain != nullptr) {
    Block* block = chain;
    chain = block->next;
    pool.give_back(block);
  }
}

// Blocks for `bytes` more; nullptr if memory ran out.
Block* take_chain(BlockPool& pool, size_t bytes) noexcept {
  Block* chain = nullptr;
  while (bytes > 0) {
    Block* block = pool.take(std::clamp(bytes, kUsualBlockBytes, kLargestBlockBytes));
    if (block == nullptr) {
      give_back_chain(pool, chain);
      return nullptr;
    }
    block->next = chain;
    chain = block;
    bytes -= std::min<size_t>(bytes, block->capacity);
  }
  return chain;
}

}  // namespace

size_t WriteQueue::block_bytes(Block* block) noexcept {
  return block->kind == kSharedBytes ? shared_entry(block).size : block->size();
}

void WriteQueue::push_back(Block* block) noexcept {
  block->next = nullptr;
  (last_ == nullptr ? first_ : last_->next) = block;
  last_ = block;
}

void WriteQueue::pop_front(BlockPool& pool) noexcept {
  Block* block = first_;
  first_ = block->next;
  if (first_ == nullptr) last_ = nullptr;
  if (block->kind == kSharedBytes) shared_entry(block).buffer->release();
  pool.give_back(block);
}

bool WriteQueue::append(BlockPool& pool, std::span<const ByteView> pieces,
                        size_t total_bytes) noexcept {
  const size_t room = last_ != nullptr && last_->kind == kCopiedBytes ? last_->room() : 0;
  Block* spare = nullptr;
  if (room < total_bytes) {
    spare = take_chain(pool, total_bytes - room);
    if (spare == nullptr) return false;
  }
  Block* target = room > 0 ? last_ : nullptr;
  for (ByteView piece : pieces) {
    while (!piece.empty()) {
      if (target == nullptr || target->room() == 0) {
        target = spare;
        spare = spare->next;
        push_back(target);
      }
      const size_t copied = std::min(piece.size(), target->room());
      std::memcpy(target->bytes() + target->end, piece.data(), copied);
      target->end += static_cast<uint32_t>(copied);
      piece = piece.subspan(copied);
    }
  }
  TCPKIT_ASSERT(spare == nullptr);
  bytes_ += total_bytes;
  return true;
}

void WriteQueue::take_all(WriteQueue& other) noexcept {
  if (other.first_ == nullptr) return;
  (last_ == nullptr ? first_ : last_->next) = other.first_;
  last_ = other.last_;
  bytes_ += other.bytes_;
  other.first_ = other.last_ = nullptr;
  other.bytes_ = 0;
}

bool WriteQueue::append_shared(BlockPool& pool, SharedBuffer& buffer) noexcept {
  const ByteView bytes = buffer.view();
  if (bytes.empty()) return true;
  Block* block = pool.take(sizeof(SharedEntry));
  if (block == nullptr) return false;
  buffer.retain();
  new (block->bytes()) SharedEntry{&buffer, bytes.data(), bytes.size()};
  block->kind = kSharedBytes;
  push_back(block);
  bytes_ += bytes.size();
  return true;
}

size_t WriteQueue::gather(std::span<iovec> entries) const noexcept {
  size_t count = 0;
  for (Block* block = first_; block != nullptr && count < entries.size(); block = block->next) {
    iovec& entry = entries[count++];
    if (block->kind == kSharedBytes) {
      entry = {const_cast<uint8_t*>(shared_entry(block).data), shared_entry(block).size};
    } else {
      entry = {block->data(), block->size()};
    }
  }
  return count;
}

void WriteQueue::consume(BlockPool& pool, size_t sent_bytes) noexcept {
  TCPKIT_ASSERT(sent_bytes <= bytes_);
  bytes_ -= sent_bytes;
  while (sent_bytes > 0) {
    const size_t front_bytes = block_bytes(first_);
    if (sent_bytes < front_bytes) break;
    sent_bytes -= front_bytes;
    pop_front(pool);
  }
  if (sent_bytes == 0) return;
  if (first_->kind == kSharedBytes) {
    shared_entry(first_).data += sent_bytes;
    shared_entry(first_).size -= sent_bytes;
  } else {
    first_->begin += static_cast<uint32_t>(sent_bytes);
  }
}

void WriteQueue::clear(BlockPool& pool) noexcept {
  while (first_ != nullptr) pop_front(pool);
  bytes_ = 0;
}

void WriteQueue::settle(BlockPool& pool) noexcept {
  if (first_ == nullptr || first_ != last_ || first_->kind != kCopiedBytes) return;
  const size_t used = first_->size();
  if (used >= first_->capacity / kSparseDivisor) return;
  Block* small = pool.take(2 * used);
  if (small == nullptr) return;  // it stays where it is
  std::memcpy(small->bytes(), first_->data(), used);
  small->end = static_cast<uint32_t>(used);
  pool.give_back(first_);
  first_ = last_ = small;
}

}  // namespace tcpkit
