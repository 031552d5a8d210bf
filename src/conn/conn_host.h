// What the connections of one owner, a server or a client, share on one loop: their settings, their
// counters, their memory, and their end.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>

#include "base/ref.h"
#include "conn/conn.h"
#include "conn/conn_config.h"
#include "conn/conn_slab.h"
#include "conn/dialler.h"
#include "conn/loop_host.h"
#include "metrics/counters.h"

namespace tcpkit {

// Counted: the owner holds one reference and each connection one, so that a handle that outlives
// its owner can still be asked. Home thread: that of the loop, unless marked.
class ConnHost final : public RefCounted<ConnHost>, public LoopTenant {
 public:
  // Whether the loop ends when this does.
  enum class Role : uint8_t { kOwner, kGuest };

  // Any thread; the host is on no loop's list before open() or join().
  ConnHost(Ref<LoopHost> loop_host, std::shared_ptr<const ConnConfig> config, uint32_t index,
           Role role) noexcept;
  ConnHost(const ConnHost&) = delete;
  ConnHost& operator=(const ConnHost&) = delete;
  ~ConnHost();
  void destroy() noexcept { delete this; }

  // Owner, before a run: opens the loop.
  Status open() noexcept;
  // Owner, for an opened loop that will not run: refuses what was handed to it.
  void abandon() noexcept;

  // Any thread.
  const ConnConfig& config() const noexcept { return *config_; }
  uint32_t index() const noexcept { return index_; }
  LoopHost& loop_host() noexcept { return *loop_host_; }
  Loop& loop() noexcept { return loop_host_->loop(); }
  const Loop& loop() const noexcept { return loop_host_->loop(); }
  ConnSlab& slab() noexcept { return slab_; }
  // Adds what its connections have counted to a snapshot.
  void add_counters_to(tcpkit_metrics& metrics) const noexcept;
  // Connections that are open or on their way here.
  uint32_t load() const noexcept { return load_.load(std::memory_order_relaxed); }
  void reserve_one() noexcept { load_.fetch_add(1, std::memory_order_relaxed); }
  void unreserve_one() noexcept { load_.fetch_sub(1, std::memory_order_relaxed); }

  // Opens an accepted descriptor that was counted by reserve_one().
  void open_conn(int fd, const SocketAddress& peer, Transport transport) noexcept;
  // Closes a descriptor that was counted but will not be served. Any thread.
  void refuse(int fd, const PeerAddress& peer) noexcept;
  // Guest: the connection of a dialled descriptor, which is the caller's as long as there is none
  // (null, and the last error says why). It is to be opened with open() at once.
  Ref<Conn> make_dialled(int fd, const SocketAddress& peer) noexcept;
  // Guest: who its connections tell what becomes of them; null: nobody any more.
  void set_dialler(Dialler* dialler) noexcept { dialler_ = dialler; }
  Dialler* dialler() const noexcept { return dialler_; }
  // Begins the end: closes every connection, and lets the loop of an owner finish when the last is
  // gone.
  void stop() noexcept;
  // Begins a gentle end: each connection closes when it is idle, all at the deadline. A held host
  // does not let its loop finish before release_drain().
  enum class DrainHold : uint8_t { kNone, kHeld };
  void drain(uint64_t timeout_ms, DrainHold hold) noexcept;
  void release_drain() noexcept { drain_held_ = false; }
  bool draining() const noexcept { return draining_; }

  // For connections.
  LoopCounters& own_counters() noexcept { return counters_; }
  BlockPool& blocks() noexcept { return loop_host_->blocks(); }
  EventOutput& event_output() noexcept { return loop_host_->event_output(); }
  // Most bytes of one event that wait in it.
  size_t output_limit() const noexcept { return output_limit_; }
  uint8_t* read_buffer() noexcept { return loop_host_->read_buffer(); }
  FilterBuffers* filter_buffers() noexcept { return loop_host_->filter_buffers(); }
  // Most bytes per read.
  size_t read_size() const noexcept { return read_size_; }
  // The time that handshakes may use in this turn.
  bool may_handshake() const noexcept {
    return loop_host_->handshake_ns() < config_->tls.handshake_quantum_ns;
  }
  void conn_gone(const PeerAddress& counted) noexcept;
  // From one to the other a detached connection counts for itself.
  void list_detached(Detached& detached) noexcept;
  void unlist_detached(Detached& detached) noexcept;

  void end_of_turn() noexcept override;
  void evict() noexcept override { stop(); }
  bool is_here() const noexcept override { return open_count_ > 0; }

 private:
  class DrainTimer final : public TimerNode {
   public:
    explicit DrainTimer(ConnHost& host) noexcept : host_(host) {}
    void on_timer() noexcept override { host_.stop(); }

   private:
    ConnHost& host_;
  };

  Conn* make_conn(int fd, const SocketAddress& peer) noexcept;

  const Ref<LoopHost> loop_host_;
  const std::shared_ptr<const ConnConfig> config_;
  const uint32_t index_;
  const Role role_;
  const size_t read_size_;
  const size_t output_limit_;
  ConnSlab slab_;
  LoopCounters counters_;
  // Guards the list, and that what a connection has counted is in one of the two and not in both.
  mutable std::mutex detached_mutex_;
  Detached* first_detached_ = nullptr;
  uint32_t open_count_ = 0;
  bool stopping_ = false;
  bool draining_ = false;
  bool drain_held_ = false;
  DrainTimer drain_timer_{*this};
  Dialler* dialler_ = nullptr;
  std::atomic<uint32_t> load_{0};
};

}  // namespace tcpkit
