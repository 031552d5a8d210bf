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

// Payload of a block that refers to a frame; with its header it fills a block of 64 bytes.
struct FrameEntry {
  SharedFrame* frame;
  const uint8_t* data;  // what is not sent yet begins here
  FrameBacklog* backlog;
  Block* before;  // in the queue, so that it can be taken out of its middle
  Block* newer;   // in the backlog

  bool is_whole() const noexcept { return data == frame->bytes.data(); }
};

FrameEntry& frame_entry(Block* block) noexcept {
  return *std::launder(reinterpret_cast<FrameEntry*>(block->bytes()));
}

void enlist(Block* block) noexcept {
  const FrameEntry& entry = frame_entry(block);
  FrameBacklog& backlog = *entry.backlog;
  (backlog.newest == nullptr ? backlog.oldest : frame_entry(backlog.newest).newer) = block;
  backlog.newest = block;
  ++backlog.frames;
  backlog.bytes += entry.frame->bytes.size();
}

// older: the one before block in the backlog; null if it is the oldest. The frame may be gone after
// this.
void delist(Block* block, Block* older, SharedFrame::Fate fate) noexcept {
  const FrameEntry& entry = frame_entry(block);
  FrameBacklog& backlog = *entry.backlog;
  (older == nullptr ? backlog.oldest : frame_entry(older).newer) = entry.newer;
  if (backlog.newest == block) backlog.newest = older;
  --backlog.frames;
  backlog.bytes -= entry.frame->bytes.size();
  entry.frame->left_queue(fate);
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

// What of a block is not sent yet.
ByteView WriteQueue::block_view(Block* block) noexcept {
  if (block->kind == kCopiedBytes) return {block->data(), block->size()};
  if (block->kind == kSharedBytes) return {shared_entry(block).data, shared_entry(block).size};
  const FrameEntry& entry = frame_entry(block);
  const ByteView whole = entry.frame->bytes;
  return whole.subspan(static_cast<size_t>(entry.data - whole.data()));
}

void WriteQueue::push_back(Block* block) noexcept {
  block->next = nullptr;
  if (block->kind == kFrame) frame_entry(block).before = last_;
  (last_ == nullptr ? first_ : last_->next) = block;
  last_ = block;
}

// fate: of the block if it is a frame.
void WriteQueue::pop_front(BlockPool& pool, SharedFrame::Fate fate) noexcept {
  Block* block = first_;
  first_ = block->next;
  if (first_ == nullptr) {
    last_ = nullptr;
  } else if (first_->kind == kFrame) {
    frame_entry(first_).before = nullptr;
  }
  if (block->kind == kSharedBytes) shared_entry(block).buffer->release();
  if (block->kind == kFrame) delist(block, nullptr, fate);
  pool.give_back(block);
}

// older: as for delist.
void WriteQueue::take_out(BlockPool& pool, Block* block, Block* older) noexcept {
  const FrameEntry& entry = frame_entry(block);
  (entry.before == nullptr ? first_ : entry.before->next) = block->next;
  if (block->next == nullptr) {
    last_ = entry.before;
  } else if (block->next->kind == kFrame) {
    frame_entry(block->next).before = entry.before;
  }
  bytes_ -= entry.frame->bytes.size();
  delist(block, older, SharedFrame::Fate::kDropped);
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

bool WriteQueue::append_frame(BlockPool& pool, SharedFrame& frame, FrameBacklog& backlog) noexcept {
  TCPKIT_ASSERT(!frame.bytes.empty());
  Block* block = pool.take(sizeof(FrameEntry));
  if (block == nullptr) return false;
  new (block->bytes()) FrameEntry{&frame, frame.bytes.data(), &backlog, nullptr, nullptr};
  block->kind = kFrame;
  push_back(block);
  enlist(block);
  bytes_ += frame.bytes.size();
  return true;
}

// Only the first block of the queue can be sent in part.
bool WriteQueue::drop_oldest(BlockPool& pool, FrameBacklog& backlog) noexcept {
  Block* older = nullptr;
  Block* block = backlog.oldest;
  if (block != nullptr && !frame_entry(block).is_whole()) {
    older = block;
    block = frame_entry(block).newer;
  }
  if (block == nullptr) return false;
  take_out(pool, block, older);
  return true;
}

// Of several frames with the key the last one keeps its place: the new frame must not come before
// an older one.
bool WriteQueue::replace_frame(BlockPool& pool, SharedFrame& frame, FrameBacklog& backlog,
                               size_t max_bytes) noexcept {
  Block* place = nullptr;
  Block* before_place = nullptr;
  Block* older = nullptr;
  for (Block *block = backlog.oldest, *newer = nullptr; block != nullptr; block = newer) {
    newer = frame_entry(block).newer;
    if (frame_entry(block).frame->key == frame.key && frame_entry(block).is_whole()) {
      if (place != nullptr) {
        take_out(pool, place, before_place);
        if (older == place) older = before_place;
      }
      before_place = older;
      place = block;
    }
    older = block;
  }
  if (place == nullptr) return false;
  FrameEntry& entry = frame_entry(place);
  SharedFrame& replaced = *entry.frame;
  const size_t others_bytes = backlog.bytes - replaced.bytes.size();
  if (others_bytes > max_bytes || frame.bytes.size() > max_bytes - others_bytes) return false;
  backlog.bytes = others_bytes + frame.bytes.size();
  bytes_ = bytes_ - replaced.bytes.size() + frame.bytes.size();
  entry.frame = &frame;
  entry.data = frame.bytes.data();
  replaced.left_queue(SharedFrame::Fate::kDropped);
  return true;
}

uint64_t WriteQueue::oldest_at_ms(const FrameBacklog& backlog) noexcept {
  return frame_entry(backlog.oldest).frame->queued_at_ms;
}

size_t WriteQueue::gather(std::span<iovec> entries) const noexcept {
  size_t count = 0;
  for (Block* block = first_; block != nullptr && count < entries.size(); block = block->next) {
    const ByteView view = block_view(block);
    entries[count++] = {const_cast<uint8_t*>(view.data()), view.size()};
  }
  return count;
}

void WriteQueue::consume(BlockPool& pool, size_t sent_bytes) noexcept {
  TCPKIT_ASSERT(sent_bytes <= bytes_);
  bytes_ -= sent_bytes;
  while (sent_bytes > 0) {
    const size_t front_bytes = block_view(first_).size();
    if (sent_bytes < front_bytes) break;
    sent_bytes -= front_bytes;
    pop_front(pool, SharedFrame::Fate::kSent);
  }
  if (sent_bytes == 0) return;
  if (first_->kind == kCopiedBytes) {
    first_->begin += static_cast<uint32_t>(sent_bytes);
  } else if (first_->kind == kSharedBytes) {
    shared_entry(first_).data += sent_bytes;
    shared_entry(first_).size -= sent_bytes;
  } else {
    frame_entry(first_).data += sent_bytes;
  }
}

void WriteQueue::clear(BlockPool& pool) noexcept {
  while (first_ != nullptr) pop_front(pool, SharedFrame::Fate::kLost);
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
