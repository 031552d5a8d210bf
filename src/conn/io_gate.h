// Who may use the descriptor of a detached connection now: the thread that reads, the thread that
// writes, the loop; and how they are called back from waiting. Knows no connection and no bytes.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"

namespace tcpkit {

// An account of the handing over:
//
// Everything that several threads have to agree on is in one atomic word, so each step is one
// exchange, and whoever makes the last step of a condition sees in its own exchange that it has.
//  - Reading and writing are each one thread's at a time. The loop takes a connection back when it
//    is closing and nobody is in a call; the thread that leaves last tells the loop so.
//  - Writing is shared with the loop, which sends what others have sent: by turns. Nobody waits for
//    a turn but the writer. A loop that does not get it leaves a note and is told at its end.
//  - A reader waits in recv, which ends when the socket is shut down for reading; a writer waits in
//    ppoll, also for a descriptor of this gate, which is opened when a writer waits first.
// Rejected: a lock around the calls, since a loop must never wait for a thread that waits for a
// peer; a signal to end recv, since a library has no business with the handlers of its host; ppoll
// before each recv, since it costs a third system call per message.
class IoGate {
 public:
  enum Bit : uint32_t {
    kReady = 1u << 0,        // the loop has let go of the connection
    kHandler = 1u << 1,      // a handler runs, or waits for a thread
    kReading = 1u << 2,      // a thread is in a reading call
    kWriting = 1u << 3,      // a thread is in a writing call
    kWriteTurn = 1u << 4,    // it writes
    kLoopTurn = 1u << 5,     // the loop writes
    kLoopWants = 1u << 6,    // the loop has something to write
    kWriterWaits = 1u << 7,  // the writer waits for the loop
    kMidPacket = 1u << 8,    // the reader has begun a packet
    kCancelled = 1u << 9,    // no call works any more
    kDraining = 1u << 10,    // no packet begins any more
    kClosing = 1u << 11,     // the connection ends
    kCut = 1u << 12,         // the socket is shut down for reading
  };

  IoGate() = default;
  IoGate(const IoGate&) = delete;
  IoGate& operator=(const IoGate&) = delete;
  ~IoGate();

  // Any thread.
  bool has(uint32_t bits) const noexcept { return (bits_.load() & bits) != 0; }

  // Loop thread. Lets waiting calls begin.
  void set_ready() noexcept;
  void begin_handler() noexcept { bits_.fetch_or(kHandler); }
  // Nobody is in a call, and no handler runs.
  bool is_left() const noexcept { return !has(kHandler | kReading | kWriting); }

  // The thread of a handler; true: the loop is to be told.
  bool end_handler() noexcept;

  // A call begins and ends. call: kReading or kWriting. After an error it has not begun. end()
  // gives back the turn too; true: the loop is to be told.
  Status begin(Bit call) noexcept;
  bool end(Bit call) noexcept;
  // What stands against waiting now.
  Status check() const noexcept;

  // The reader.
  void set_mid_packet(bool in_packet) noexcept;

  // The writer, in a call. False: the loop has it.
  bool take_write_turn() noexcept;
  // True: the loop is to be told.
  bool drop_write_turn() noexcept;
  // Says that the writer is going to wait for the loop; what it waits for has to be looked at once
  // more after this.
  void announce_writer() noexcept;
  // Until fd can be written, something is said to this thread, or deadline_ns is there. fd may be
  // -1, to wait for the loop alone.
  void wait(int fd, uint64_t deadline_ns) noexcept;

  // Loop thread.
  bool take_loop_turn() noexcept;
  void drop_loop_turn() noexcept;
  void wake_waiting_writer() noexcept;

  // Makes calls end: kCancelled, kDraining or kClosing. Any thread that keeps fd from being closed.
  void interrupt(Bit why, int fd) noexcept;

 private:
  void wake() noexcept;
  void open_wake_descriptor() noexcept;

  // Sequentially consistent throughout: the loop and the threads leave each other notes.
  std::atomic<uint32_t> bits_{0};
  std::atomic<int> wake_fd_{-1};
};

// Until fd can be read or has ended, or deadline_ns is there; false: it is.
bool wait_readable(int fd, uint64_t deadline_ns) noexcept;

}  // namespace tcpkit
