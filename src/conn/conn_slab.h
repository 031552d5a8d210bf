// Memory and ids of the connections of one loop. Ids are looked up by any thread, so a lock guards
// opening, closing and looking up; the data path never comes here.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/ref.h"
#include "conn/conn.h"

namespace tcpkit {

class ConnSlab {
 public:
  // An id is generation << 32 | slot << 8 | loop: it says where to look, and is never used again.
  static constexpr unsigned kLoopBits = 8;
  static constexpr unsigned kSlotBits = 24;

  explicit ConnSlab(uint32_t loop_index) noexcept : loop_index_(loop_index) {}
  ConnSlab(const ConnSlab&) = delete;
  ConnSlab& operator=(const ConnSlab&) = delete;

  // Memory for one connection and its id; nullptr if memory or slots ran out. Any thread.
  struct Place {
    void* memory;
    uint64_t id;
  };
  Place take() noexcept;
  // Any thread; the connection is destroyed already.
  void give_back(uint64_t id) noexcept;

  // From list to unlist a connection is found; it is alive all that time.
  void list(Conn& conn) noexcept;
  void unlist(Conn& conn) noexcept;
  Ref<Conn> find(uint64_t id) noexcept;
  // The listed connection in the first slot from slot_number on, which becomes the number after it;
  // null if there is none. Walks over all of them without taking memory.
  Ref<Conn> next_listed(uint32_t& slot_number) noexcept;
  // Appends all listed connections. May throw std::bad_alloc.
  void collect(std::vector<Ref<Conn>>& found);

  // Also guards the descriptors of connections against being asked about and closed at once.
  std::mutex& mutex() noexcept { return mutex_; }

  static uint32_t loop_of(uint64_t id) noexcept { return id & ((1u << kLoopBits) - 1); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  static constexpr uint32_t kListed = UINT32_MAX - 1;
  static constexpr uint32_t kChunkSlots = 64;

  struct Slot {
    alignas(Conn) unsigned char memory[sizeof(Conn)];
    uint32_t generation = 1;
    uint32_t next_free = kNone;  // or kListed
  };

  static uint32_t slot_of(uint64_t id) noexcept { return static_cast<uint32_t>(id) >> kLoopBits; }
  Slot& slot(uint32_t index) noexcept { return chunks_[index / kChunkSlots][index % kChunkSlots]; }
  bool add_chunk() noexcept;

  const uint32_t loop_index_;
  std::mutex mutex_;
  uint32_t first_free_ = kNone;
  std::vector<std::unique_ptr<Slot[]>> chunks_;
};

}  // namespace tcpkit
