// What the connections of one loop share: the loop itself, its buffers, its counters, their memory,
// and the lists of those that have something left to do at the end of a turn.
#pragma once

#include <atomic>
#include <memory>

#include "base/ref.h"
#include "buffer/block_pool.h"
#include "buffer/event_output.h"
#include "conn/conn.h"
#include "conn/conn_config.h"
#include "conn/conn_filters.h"
#include "conn/conn_slab.h"
#include "loop/loop.h"
#include "loop/user_timers.h"
#include "metrics/counters.h"
#include "tls/engine.h"

namespace tcpkit {

// Counted: the server holds one reference and each connection one, so that a handle that outlives
// the server finds a loop that answers "not running". Home thread: that of the loop, unless marked.
class ConnHost final : public RefCounted<ConnHost>, public TurnEnd {
 public:
  // Bytes kept free in front of the read buffer: what a connection has kept of a packet is put
  // there, so that the framer sees it and the new bytes in one piece.
  static constexpr size_t kFrontBytes = 4096;
  // The largest record of TLS, opened, and a byte.
  static constexpr size_t kRecordRoom = (16u << 10) + 1;

  ConnHost(std::shared_ptr<const ConnConfig> config, uint32_t index) noexcept;
  ConnHost(const ConnHost&) = delete;
  ConnHost& operator=(const ConnHost&) = delete;
  void destroy() noexcept { delete this; }

  static ConnHost* from_handle(tcpkit_loop* handle) noexcept {
    return reinterpret_cast<ConnHost*>(handle);
  }
  static const ConnHost* from_handle(const tcpkit_loop* handle) noexcept {
    return reinterpret_cast<const ConnHost*>(handle);
  }
  tcpkit_loop* handle() noexcept { return reinterpret_cast<tcpkit_loop*>(this); }

  // Before a run: opens the loop and takes the read buffer.
  Status open() noexcept;

  // Any thread.
  const ConnConfig& config() const noexcept { return *config_; }
  uint32_t index() const noexcept { return index_; }
  Loop& loop() noexcept { return loop_; }
  const Loop& loop() const noexcept { return loop_; }
  UserWork& work() noexcept { return work_; }
  ConnSlab& slab() noexcept { return slab_; }
  const LoopCounters& counters() const noexcept { return counters_; }
  // Connections that are open or on their way here.
  uint32_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
  void reserve_one() noexcept { load_.fetch_add(1, std::memory_order_relaxed); }
  void unreserve_one() noexcept { load_.fetch_sub(1, std::memory_order_relaxed); }

  // Opens an accepted descriptor that was counted by reserve_one().
  void open_conn(int fd, const SocketAddress& peer, Transport transport) noexcept;
  // For an opened loop that will not run: refuses what was handed to it.
  void abandon() noexcept;
  // Closes a descriptor that was counted but will not be served. Any thread.
  void refuse(int fd, const PeerAddress& peer) noexcept;
  // Begins the end: closes every connection, and lets the loop finish when the last is gone.
  void stop() noexcept;
  // Begins a gentle end: each connection closes when it is idle, all at the deadline. A held host
  // does not let its loop finish before release_drain().
  enum class DrainHold : uint8_t { kNone, kHeld };
  void drain(uint64_t timeout_ms, DrainHold hold) noexcept;
  void release_drain() noexcept { drain_held_ = false; }
  bool draining() const noexcept { return draining_; }

  // For connections.
  LoopCounters& own_counters() noexcept { return counters_; }
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
  // The time that handshakes may use in this turn.
  bool may_handshake() const noexcept { return handshake_ns_ < config_->tls.handshake_quantum_ns; }
  void count_handshake_time(uint64_t ns) noexcept { handshake_ns_ += ns; }
  void add_to_turn(Conn& conn) noexcept;
  void add_to_deliver(Conn& conn) noexcept;
  void conn_gone(const PeerAddress& counted) noexcept;

  bool finish_turn() noexcept override;

 private:
  class DrainTimer final : public TimerNode {
   public:
    explicit DrainTimer(ConnHost& host) noexcept : host_(host) {}
    void on_timer() noexcept override { host_.stop(); }

   private:
    ConnHost& host_;
  };

  void finish_touched() noexcept;

  const std::shared_ptr<const ConnConfig> config_;
  const uint32_t index_;
  ByteView in_hand_;
  Loop loop_;
  UserWork work_;
  BlockPool blocks_;
  EventOutput event_output_;
  TlsEngine tls_engine_;
  std::unique_ptr<FilterBuffers> filter_buffers_;
  uint64_t handshake_ns_ = 0;
  ConnSlab slab_;
  LoopCounters counters_;
  std::unique_ptr<uint8_t[]> read_buffer_;
  Conn* first_in_turn_ = nullptr;
  Conn* first_to_deliver_ = nullptr;
  Conn* last_to_deliver_ = nullptr;
  uint32_t open_count_ = 0;
  bool stopping_ = false;
  bool draining_ = false;
  bool drain_held_ = false;
  DrainTimer drain_timer_{*this};
  std::atomic<uint32_t> load_{0};
};

}  // namespace tcpkit
