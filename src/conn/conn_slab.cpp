// Chunks of 64 slots that never move; a free list through the slots; a generation per slot.
#include "conn/conn_slab.h"

#include <new>

namespace tcpkit {

bool ConnSlab::add_chunk() noexcept {
  const size_t first = chunks_.size() * kChunkSlots;
  if (first + kChunkSlots > (size_t{1} << kSlotBits)) return false;
  try {
    chunks_.push_back(std::make_unique<Slot[]>(kChunkSlots));
  } catch (const std::bad_alloc&) {
    return false;
  }
  for (uint32_t i = kChunkSlots; i-- > 0;) {
    const auto index = static_cast<uint32_t>(first + i);
    slot(index).next_free = first_free_;
    first_free_ = index;
  }
  return true;
}

ConnSlab::Place ConnSlab::take() noexcept {
  const std::lock_guard lock(mutex_);
  if (first_free_ == kNone && !add_chunk()) return {nullptr, 0};
  const uint32_t index = first_free_;
  Slot& taken = slot(index);
  first_free_ = taken.next_free;
  const uint64_t id =
      (uint64_t{taken.generation} << 32) | (uint64_t{index} << kLoopBits) | loop_index_;
  return {taken.memory, id};
}

void ConnSlab::give_back(uint64_t id) noexcept {
  const std::lock_guard lock(mutex_);
  Slot& freed = slot(slot_of(id));
  // After its last generation a slot retires, since its ids would come again.
  if (++freed.generation == 0) return;
  freed.next_free = first_free_;
  first_free_ = slot_of(id);
}

void ConnSlab::list(Conn& conn) noexcept {
  const std::lock_guard lock(mutex_);
  slot(slot_of(conn.id())).next_free = kListed;
}

void ConnSlab::unlist(Conn& conn) noexcept {
  const std::lock_guard lock(mutex_);
  slot(slot_of(conn.id())).next_free = kNone;
}

Ref<Conn> ConnSlab::find(uint64_t id) noexcept {
  const std::lock_guard lock(mutex_);
  const uint32_t index = slot_of(id);
  if (index >= chunks_.size() * kChunkSlots) return {};
  Slot& candidate = slot(index);
  if (candidate.next_free != kListed || candidate.generation != id >> 32) return {};
  return Ref<Conn>::share(std::launder(reinterpret_cast<Conn*>(candidate.memory)));
}

Ref<Conn> ConnSlab::next_listed(uint32_t& slot_number) noexcept {
  const std::lock_guard lock(mutex_);
  while (slot_number < chunks_.size() * kChunkSlots) {
    Slot& candidate = slot(slot_number++);
    if (candidate.next_free != kListed) continue;
    return Ref<Conn>::share(std::launder(reinterpret_cast<Conn*>(candidate.memory)));
  }
  return {};
}

void ConnSlab::collect(std::vector<Ref<Conn>>& found) {
  const std::lock_guard lock(mutex_);
  for (const auto& chunk : chunks_) {
    for (uint32_t i = 0; i < kChunkSlots; ++i) {
      if (chunk[i].next_free != kListed) continue;
      found.push_back(Ref<Conn>::share(std::launder(reinterpret_cast<Conn*>(chunk[i].memory))));
    }
  }
}

}  // namespace tcpkit
