// What a connection has besides while threads of the user drive it: the blocking calls, and what
// they share with the loop.
#pragma once

#include <atomic>
#include <mutex>

#include "base/bytes.h"
#include "base/ref.h"
#include "base/status.h"
#include "conn/conn.h"
#include "conn/io_gate.h"
#include "conn/read_ahead.h"
#include "framing/call_cuts.h"
#include "loop/task_queue.h"
#include "metrics/counters.h"
#include "tls/engine.h"

namespace tcpkit {

class Detached;

// One blocking call, from its begin to its end.
class DetachedCall {
 public:
  DetachedCall(Detached& detached, IoGate::Bit call) noexcept;
  DetachedCall(const DetachedCall&) = delete;
  DetachedCall& operator=(const DetachedCall&) = delete;
  ~DetachedCall();
  // Not TCPKIT_OK: it must not go on.
  Status status() const noexcept { return status_; }

 private:
  Detached& detached_;
  const IoGate::Bit call_;
  bool is_begun_ = false;
  Status status_;
};

// Lives as long as its connection. The reading calls are one thread's at a time, the writing calls
// too; the rest says whose it is. An error of a call is the last error of its thread.
class Detached final : public OffLoop, public Task {
 public:
  Detached(Conn& conn, DetachedBy driver) noexcept;
  Detached(const Detached&) = delete;
  Detached& operator=(const Detached&) = delete;
  ~Detached() override;

  // ---- The calls (detached_read.cpp, detached_packets.cpp, detached_write.cpp) ----
  Status read(std::span<uint8_t> target, size_t& taken) noexcept;
  Status read_exactly(std::span<uint8_t> target) noexcept;
  Status read_packet(ByteView& packet) noexcept;
  Status read_prefixed(const LengthPrefix& prefix, ByteView& packet) noexcept;
  Status read_separated(ByteView separator, size_t max_size, ByteView& packet) noexcept;
  Status write(std::span<const ByteView> pieces) noexcept;
  Status write_packet(ByteView packet) noexcept;
  // Any thread. deadline_ns: monotonic; UINT64_MAX: none.
  void set_read_deadline(uint64_t deadline_ns) noexcept { read_deadline_ns_.store(deadline_ns); }
  void set_write_deadline(uint64_t deadline_ns) noexcept { write_deadline_ns_.store(deadline_ns); }

  // ---- The thread of a handler ----
  void handler_returned() noexcept;
  void handler_threw() noexcept;

  // ---- The loop (conn_detached.cpp) ----
  IoGate& gate() noexcept { return gate_; }
  DetachedBy driver() const noexcept { return driver_; }
  // Before the gate is ready: what has come and was not delivered. False if memory ran out.
  bool put(ByteView bytes) noexcept;
  bool open_engine() noexcept { return engine_.open(); }
  TlsEngine& engine() noexcept { return engine_; }
  // Held whenever the session of TLS is used, never while somebody waits.
  std::mutex& tls_mutex() noexcept { return tls_mutex_; }
  void set_limits(const TimeoutLimits& limits) noexcept;
  void set_limit(tcpkit_timeout timeout, uint32_t ms) noexcept;
  void loop_wrote(uint64_t now_ms) noexcept { wrote_at_ms_.store(now_ms); }
  bool stream_is_broken() const noexcept { return write_broken_.load(); }
  // The loop found that nothing can be sent any more.
  void break_stream() noexcept { write_broken_.store(true); }

  // Once the connection was taken back, or for what was reported: what the calls have found.
  bool threw() const noexcept { return threw_; }
  CloseCause cause() noexcept;
  // The timeout that has passed in a call; kNone if none has.
  ConnTimeouts::Kind overdue_kind() noexcept;
  bool saw_end() const noexcept { return read_end_ == TCPKIT_E_END; }
  size_t unread_bytes() const noexcept { return ahead_.size() - borrowed_; }
  void drop_input() noexcept;
  size_t unsent_bytes() const noexcept { return unsent_bytes_; }
  // Summed while the connection is detached, by a snapshot; then added to those of the loop.
  const CallCounters& counters() const noexcept { return counters_; }

  // Of the host's list, under its lock.
  Detached* next_listed = nullptr;
  Detached* previous_listed = nullptr;
  // Of the waiting handlers, under the lock of their pool.
  Conn* next_waiting = nullptr;
  Conn* previous_waiting = nullptr;
  bool is_waiting = false;
  Conn& conn() noexcept { return conn_; }

 private:
  friend class DetachedCall;
  // A time that a wait may take, and what its end means.
  struct Due {
    uint64_t at_ns = UINT64_MAX;
    ConnTimeouts::Kind kind = ConnTimeouts::Kind::kNone;  // kNone: the deadline of the user
  };

  void run() noexcept override;  // on the loop
  Status begin_call(IoGate::Bit call) noexcept;
  void tell_loop() noexcept;
  void note_cause(const CloseCause& cause) noexcept;
  Status overdue(ConnTimeouts::Kind timeout, const char* what) noexcept;

  // detached_read.cpp
  Status fill(std::span<uint8_t> room, size_t& taken) noexcept;
  Status fill_sealed(std::span<uint8_t> room, size_t& taken) noexcept;
  Status receive_bytes(std::span<uint8_t> room, size_t& taken) noexcept;
  IoResult receive_waiting(std::span<uint8_t> room) noexcept;
  void begin_plain_read() noexcept;
  Status read_some(std::span<uint8_t> target, size_t& taken) noexcept;
  Status give_back(ByteView bytes, Status why) noexcept;
  Status wait_for_input(uint64_t start_ns) noexcept;
  Due read_due(uint64_t start_ns) const noexcept;
  Status stream_ended() noexcept;
  Status receive_failed(int error_number) noexcept;
  Status open_some(std::span<uint8_t> room, size_t& taken) noexcept;
  Status end_again() const noexcept;
  void count_read(size_t bytes) noexcept;
  void drop_borrowed() noexcept;
  bool is_inside() const noexcept { return inside_bytes_ > 0 || ahead_.size() > borrowed_; }

  // detached_packets.cpp
  Status read_more(size_t missing) noexcept;
  Status make_room(size_t bytes) noexcept;
  Status end_inside() noexcept;
  Status next_packet(ByteView& packet, size_t& missing) noexcept;
  Status deliver_tail(ByteView& packet) noexcept;
  Status framing_failed(Status status) noexcept;
  Status lend(ByteView packet, size_t frame_bytes, ByteView& out) noexcept;

  // detached_write.cpp
  Status await_turn() noexcept;
  Status send_all(std::span<const ByteView> pieces) noexcept;
  Status send_sealed(std::span<const ByteView> pieces) noexcept;
  Status seal_piece(ByteView plain, size_t& done) noexcept;
  Status send_output(std::unique_lock<std::mutex>& lock) noexcept;
  Status wait_for_room(int fd, uint64_t& start_ns) noexcept;
  Due write_due(uint64_t start_ns) const noexcept;
  Status send_failed(int error_number) noexcept;
  Status cut_short(Status status, size_t sent, size_t total) noexcept;
  void count_written(size_t bytes) noexcept;

  Conn& conn_;
  const DetachedBy driver_;
  IoGate gate_;
  std::atomic<bool> told_{false};  // this task is on its way to the loop
  std::atomic<uint64_t> read_deadline_ns_{UINT64_MAX};
  std::atomic<uint64_t> write_deadline_ns_{UINT64_MAX};
  std::atomic<uint32_t> idle_ms_{TimeoutLimits::kNever};
  std::atomic<uint32_t> read_ms_{TimeoutLimits::kNever};
  std::atomic<uint32_t> write_ms_{TimeoutLimits::kNever};
  std::atomic<uint64_t> wrote_at_ms_{0};  // by the loop or the writer
  std::atomic<bool> write_broken_{false};
  std::mutex cause_mutex_;
  CloseCause cause_{0, TCPKIT_OK, 0};
  ConnTimeouts::Kind overdue_kind_ = ConnTimeouts::Kind::kNone;
  bool threw_ = false;

  // The reader's.
  ReadAhead ahead_;
  size_t borrowed_ = 0;      // at the front of it: the packet that the user has
  size_t inside_bytes_ = 0;  // taken off it by a call that needs more
  Status read_end_ = TCPKIT_OK;
  Status frame_error_ = TCPKIT_OK;
  uint32_t kernel_limit_ms_ = TimeoutLimits::kNever;  // SO_RCVTIMEO
  uint64_t counted_capacity_ = 0;
  bool filled_ = false;  // the last receive filled its room
  bool tail_told_ = false;

  size_t unsent_bytes_ = 0;  // the writer's

  TlsEngine engine_;
  std::mutex tls_mutex_;
  CallCounters counters_;
};

inline Detached* Conn::detached() const noexcept {
  OffLoop* const found = off_loop();
  const bool is_detached = found != nullptr && found->kind == OffLoop::Kind::kDetached;
  return is_detached ? static_cast<Detached*>(found) : nullptr;
}

}  // namespace tcpkit
