// What one connection has sent and the kernel has not taken: copied bytes in pooled blocks, and
// references to shared buffers and frames, in their order. The last stop before the system call.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <span>

#include "base/bytes.h"
#include "buffer/block_pool.h"
#include "buffer/shared_buffer.h"
#include "buffer/shared_frame.h"

namespace tcpkit {

// Home thread: that of its loop. Holds three words when it is empty. The pool is passed in and not
// kept, since every connection of a loop uses the same one.
class WriteQueue {
 public:
  WriteQueue() = default;
  WriteQueue(const WriteQueue&) = delete;
  WriteQueue& operator=(const WriteQueue&) = delete;

  bool empty() const noexcept { return bytes_ == 0; }
  size_t bytes() const noexcept { return bytes_; }

  // Place for `bytes` more at the end of the last block, queued by this call and filled by the
  // caller; nullptr if the block has no room for all of them.
  uint8_t* claim(size_t bytes) noexcept {
    if (last_ == nullptr || last_->kind != kCopiedBytes || last_->room() < bytes) return nullptr;
    uint8_t* place = last_->bytes() + last_->end;
    last_->end += static_cast<uint32_t>(bytes);
    bytes_ += bytes;
    return place;
  }
  // Copies all pieces, or none of them if memory ran out.
  bool append(BlockPool& pool, std::span<const ByteView> pieces, size_t total_bytes) noexcept;
  // Adds a reference to buffer; false if memory ran out.
  bool append_shared(BlockPool& pool, SharedBuffer& buffer) noexcept;

  // Frames: entries that can be taken out again, as long as nothing of them is sent. A backlog
  // outlives its frames here.
  //
  // Adds frame, whose bytes are not empty; false if memory ran out.
  bool append_frame(BlockPool& pool, SharedFrame& frame, FrameBacklog& backlog) noexcept;
  // Takes out the oldest frame of backlog that is whole; false if there is none.
  bool drop_oldest(BlockPool& pool, FrameBacklog& backlog) noexcept;
  // Puts frame in the place of the newest one in backlog that has its key and is whole, and takes
  // out the others that are so; false if there is none, or if backlog would have more than
  // max_bytes then. Looks at all frames of backlog.
  bool replace_frame(BlockPool& pool, SharedFrame& frame, FrameBacklog& backlog,
                     size_t max_bytes) noexcept;
  // When the oldest frame of backlog, which has one, was queued.
  static uint64_t oldest_at_ms(const FrameBacklog& backlog) noexcept;

  // Fills in what the next write should send; returns the number of entries.
  size_t gather(std::span<iovec> entries) const noexcept;
  // Drops sent bytes from the front.
  void consume(BlockPool& pool, size_t sent_bytes) noexcept;
  void clear(BlockPool& pool) noexcept;
  // Called when bytes stay behind at the end of an event: moves a few bytes in a large block to a
  // small one, so that many stalled connections do not hold large blocks.
  void settle(BlockPool& pool) noexcept;

 private:
  // Kinds of blocks.
  static constexpr uint16_t kCopiedBytes = 0;
  static constexpr uint16_t kSharedBytes = 1;
  static constexpr uint16_t kFrame = 2;

  static ByteView block_view(Block* block) noexcept;
  void push_back(Block* block) noexcept;
  void pop_front(BlockPool& pool, SharedFrame::Fate fate) noexcept;
  void take_out(BlockPool& pool, Block* block, Block* older) noexcept;

  Block* first_ = nullptr;
  Block* last_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace tcpkit
