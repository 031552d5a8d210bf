// What all connections on one loop share, whoever they belong to: the loop itself, its buffers, and
// the lists of those that have something left to do at the end of a turn.
#pragma once

#include <memory>
#include <new>
#include <vector>

#include "base/fork_guard.h"
#include "base/log.h"
#include "base/ref.h"
#include "buffer/block_pool.h"
#include "buffer/event_output.h"
#include "conn/conn_filters.h"
#include "loop/loop.h"
#include "loop/resolver.h"
#include "loop/user_timers.h"
#include "tls/engine.h"

namespace tcpkit {

class Conn;
class LoopRunner;

// Somebody with connections on a loop: the server whose loop it is, clients. Home thread: that of
// the loop.
class LoopTenant {
 public:
  LoopTenant(const LoopTenant&) = delete;
  LoopTenant& operator=(const LoopTenant&) = delete;

  // For the one whose loop it is: at the end of each turn.
  virtual void end_of_turn() noexcept {}
  // The loop is about to end: everything of this tenant has to. May come more than once. A tenant
  // does not come or go in this call.
  virtual void evict() noexcept = 0;
  // Whether something of it is still on the loop, which waits for that.
  virtual bool is_here() const noexcept = 0;

  // Of the loop's list.
  LoopTenant* next_tenant = nullptr;
  LoopTenant* previous_tenant = nullptr;

 protected:
  LoopTenant() = default;
  ~LoopTenant() = default;
};

// Counted: whoever made the loop holds one reference and each tenant one, so that a handle that
// outlives its server finds a loop that answers "not running". Home thread: that of the loop,
// unless marked.
class LoopHost final : public RefCounted<LoopHost>, public TurnEnd {
 public:
  // Bytes kept free in front of the read buffer: what a connection has kept of a packet is put
  // there, so that the framer sees it and the new bytes in one piece.
  static constexpr size_t kFrontBytes = 4096;
  // The largest record of TLS, opened, and a byte.
  static constexpr size_t kRecordRoom = (16u << 10) + 1;

  // fork_guard: of whoever makes the loop.
  LoopHost(const Log& log, std::shared_ptr<const ForkGuard> fork_guard,
           size_t read_buffer_size) noexcept;
  LoopHost(const LoopHost&) = delete;
  LoopHost& operator=(const LoopHost&) = delete;
  void destroy() noexcept { delete this; }

  static LoopHost* from_handle(tcpkit_loop* handle) noexcept {
    return reinterpret_cast<LoopHost*>(handle);
  }
  static const LoopHost* from_handle(const tcpkit_loop* handle) noexcept {
    return reinterpret_cast<const LoopHost*>(handle);
  }
  tcpkit_loop* handle() noexcept { return reinterpret_cast<tcpkit_loop*>(this); }

  // Before a run: opens the loop and takes its buffers.
  Status open() noexcept;
  // For an opened loop that will not run.
  void abandon() noexcept;

  // Any thread.
  Loop& loop() noexcept { return loop_; }
  const Loop& loop() const noexcept { return loop_; }
  UserWork& work() noexcept { return work_; }
  const ForkGuard& fork_guard() const noexcept { return *fork_guard_; }
  size_t read_buffer_size() const noexcept { return read_buffer_size_; }

  // Null for the loop of a server or client. Set once, before the handle is anybody's.
  LoopRunner* runner() const noexcept { return runner_; }
  void set_runner(LoopRunner* runner) noexcept { runner_ = runner; }
  // Made when it is needed first. May throw std::bad_alloc.
  Resolver& resolver();

  // A tenant comes; also before the run, by the thread that opens the loop. Many may: a turn costs
  // nothing for those that are not its owner.
  void add_tenant(LoopTenant& tenant) noexcept;
  void remove_tenant(LoopTenant& tenant) noexcept;
  // The tenant whose loop it is; null: nobody's.
  void set_owner(LoopTenant* owner) noexcept { owner_ = owner; }
  // Begins the end of the loop: it finishes when nothing of any tenant is here any more.
  void end() noexcept;
  bool ending() const noexcept { return ending_; }

  // For connections.
  BlockPool& blocks() noexcept { return blocks_; }
  // Of the one connection whose event runs.
  EventOutput& event_output() noexcept { return event_output_; }
  // The packet that a callback runs for; empty when it is done.
  void take_in_hand(ByteView packet) noexcept { in_hand_ = packet; }
  // Such bytes hold no separator: they were cut at it.
  bool is_in_hand(ByteView bytes) const noexcept {
    const auto offset = static_cast<size_t>(bytes.data() - in_hand_.data());
    return offset <= in_hand_.size() && bytes.size() <= in_hand_.size() - offset;
  }
  uint8_t* read_buffer() noexcept { return read_buffer_.get() + kFrontBytes; }
  // Opened when it is needed first; null if memory ran out.
  TlsEngine* tls_engine() noexcept { return tls_engine_.open() ? &tls_engine_ : nullptr; }
  // Made when they are needed first; null if memory ran out.
  FilterBuffers* filter_buffers() noexcept {
    if (filter_buffers_ == nullptr) {
      filter_buffers_.reset(new (std::nothrow) FilterBuffers(kFrontBytes));
    }
    return filter_buffers_.get();
  }
  // The time that handshakes have used in this turn.
  uint64_t handshake_ns() const noexcept { return handshake_ns_; }
  void count_handshake_time(uint64_t ns) noexcept { handshake_ns_ += ns; }
  void add_to_turn(Conn& conn) noexcept;
  void add_to_deliver(Conn& conn) noexcept;
  // A target of a broadcast, to be written in a later turn, since this one has written pool_size of
  // them; false if it still may in this one. Of several sizes the smallest holds.
  bool add_to_write(Conn& conn, uint32_t pool_size) noexcept;

  bool finish_turn() noexcept override;

 private:
  void finish_touched() noexcept;
  void end_if_empty() noexcept;
  void begin_pool() noexcept;
  bool is_empty() const noexcept;

  const size_t read_buffer_size_;
  const Log log_;
  const std::shared_ptr<const ForkGuard> fork_guard_;
  ByteView in_hand_;
  Loop loop_;
  UserWork work_;
  BlockPool blocks_;
  EventOutput event_output_;
  TlsEngine tls_engine_;
  std::unique_ptr<FilterBuffers> filter_buffers_;
  std::shared_ptr<Resolver> resolver_;
  LoopRunner* runner_ = nullptr;
  uint64_t handshake_ns_ = 0;
  std::unique_ptr<uint8_t[]> read_buffer_;
  LoopTenant* first_tenant_ = nullptr;
  LoopTenant* owner_ = nullptr;
  Conn* first_in_turn_ = nullptr;
  Conn* first_to_deliver_ = nullptr;
  Conn* last_to_deliver_ = nullptr;
  std::vector<Conn*> to_write_;  // in their order, from next_to_write_ on; retained
  size_t next_to_write_ = 0;
  uint32_t pool_size_ = 0;     // of those that wait in to_write_
  uint32_t pool_written_ = 0;  // in this turn
  bool ending_ = false;
};

}  // namespace tcpkit
