// The data callbacks of one connection on worker threads: one at a time and in their order,
// whatever thread runs them.
#pragma once

#include <atomic>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "base/thread.h"
#include "conn/conn.h"
#include "conn/work_runner.h"
#include "loop/task_queue.h"

namespace tcpkit {

// An account of a strand:
//
// The loop copies what it would deliver to the inbox. A worker takes all of the inbox at once, runs
// the callbacks of that batch, and sends what they have sent to the connection with one task. A
// strand is in the queue of the workers, or runs on one of them, or rests; so no two of its
// callbacks run at once, and none is forgotten. A full inbox pauses reading; the batch that made it
// half empty lets it go on. A connection that ends waits for its strand to rest: then on_close
// comes after everything that was delivered.
class Strand final : public OffLoop, public Task {
 public:
  Strand(Conn& conn, WorkRunner& runner) noexcept
      : OffLoop(OffLoop::Kind::kStrand), conn_(conn), runner_(runner) {}
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  // ---- The loop ----
  // In place of the callbacks of the user, with the same signatures.
  static void on_data(tcpkit_conn* conn, const uint8_t* data, size_t size, void*);
  static void on_packet(tcpkit_conn* conn, const uint8_t* data, size_t size, void*);
  static void on_end(tcpkit_conn* conn, void*);
  // Nothing is queued and nothing runs.
  bool rests() const noexcept { return !is_scheduled_.load(); }
  // True: it rests already. Else it tells when it does: the flag is set before the look.
  bool rests_or_tells() noexcept {
    is_awaited_.store(true);
    return rests();
  }
  // What the connection is to do once all that was delivered has been dealt with. False: now.
  bool defer_close(const CloseCause& cause) noexcept;
  // What is queued is not for anybody any more.
  void discard() noexcept { discards_.store(true); }

  // ---- The worker that runs it ----
  void run_batch() noexcept;
  bool runs_here() const noexcept {
    return runs_on_.load(std::memory_order_relaxed) == this_thread();
  }
  Status send(std::span<const ByteView> pieces, size_t total_bytes, size_t packets) noexcept;
  // Hands over what was sent, before something that must come after it.
  void flush() noexcept;

  Strand* next_waiting = nullptr;  // of the runner, under its lock

 private:
  enum class What : uint32_t { kData, kPacket, kEnd, kClose };
  struct Record {
    uint64_t size;
    What what;
    uint32_t reserved;
  };

  void run() noexcept override;  // on the loop
  void push(What what, ByteView bytes) noexcept;
  bool append(What what, ByteView bytes) noexcept;
  void deliver(const Record& record, const uint8_t* bytes);
  bool deliver_batch() noexcept;
  void end_batch() noexcept;
  void tell_loop() noexcept;

  Conn& conn_;
  WorkRunner& runner_;
  std::mutex mutex_;
  std::vector<uint8_t> inbox_;  // records, under the lock
  bool is_full_ = false;        // reading is paused; under the lock
  std::atomic<bool> is_scheduled_{false};
  std::atomic<bool> is_awaited_{false};  // the connection waits for it to rest
  std::atomic<bool> discards_{false};
  std::atomic<bool> told_{false};
  std::atomic<bool> has_room_{false};       // for the loop: it may read again
  std::atomic<bool> threw_{false};          // for the loop
  std::atomic<bool> reached_close_{false};  // for the loop
  std::atomic<uintptr_t> runs_on_{0};
  CloseCause deferred_{0, TCPKIT_OK, 0};  // the loop's, like the next
  bool is_close_due_ = false;

  // Those of the worker that runs it.
  std::vector<uint8_t> batch_;
  std::vector<uint8_t> output_;
  size_t output_packets_ = 0;
};

inline Strand* Conn::strand() const noexcept {
  OffLoop* const found = off_loop();
  const bool is_strand = found != nullptr && found->kind == OffLoop::Kind::kStrand;
  return is_strand ? static_cast<Strand*>(found) : nullptr;
}

}  // namespace tcpkit
