// One event loop: waits for descriptors, runs posted tasks and timers, and gives the connections
// their end of turn. Everything that a loop owns is touched on its home thread only.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/assert.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/thread.h"
#include "loop/task_queue.h"
#include "loop/timer_wheel.h"

namespace tcpkit {

// Something with a descriptor that a loop waits for, embedded in its owner.
class Watch {
 public:
  // events: EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP. May unwatch and free any watch but those of
  // other owners that wait in the same turn.
  virtual void on_ready(uint32_t events) noexcept = 0;

 protected:
  ~Watch() = default;
};

// Work that is left for the end of a turn, after events, tasks and timers.
class TurnEnd {
 public:
  // True if there is more to do, so that the loop must not sleep.
  virtual bool finish_turn() noexcept = 0;

 protected:
  ~TurnEnd() = default;
};

// Why an epoll set of our own and not a uv_poll_t per connection: that costs five system calls when
// a connection opens and one more when it closes, and 160 bytes, where this costs one and none. The
// libuv loop (UvNest) is itself one descriptor in this set.
class Loop {
 public:
  Loop() = default;
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;
  ~Loop();

  // Makes a loop that does not run take tasks and watches. Its descriptors stay open until it is
  // destroyed, because a poster may be about to wake it.
  Status open() noexcept;
  // Undoes open() for a loop that will not run: runs what was posted, with the calling thread as
  // its home meanwhile, and refuses the rest.
  void close() noexcept;

  // Runs on the calling thread, which is its home until this returns, until finish(). What was
  // posted by then is run before it returns; later posts are refused.
  void run(TurnEnd& turn_end) noexcept;
  // Home thread: lets run() end after this turn.
  void finish() noexcept { finished_ = true; }

  // Any thread. False if the loop is closed; the task is then still the caller's.
  bool post(Task* task) noexcept;

  bool is_home() const noexcept {
    return home_thread_.load(std::memory_order_relaxed) == this_thread();
  }

  // epoll_ctl; 0 or an errno.
  int watch(Watch& watch, int fd, uint32_t events) noexcept;
  int rewatch(Watch& watch, int fd, uint32_t events) noexcept;
  void unwatch(int fd) noexcept;

  // For tests, before open(): the time is what *now_ns says. Such a loop must not be let sleep.
  void use_manual_clock(const uint64_t* now_ns) noexcept { manual_ns_ = now_ns; }

  TimerWheel& timers() noexcept { return timers_; }
  // Deadline `delay_ms` from this moment that is never early.
  uint64_t deadline_in(uint64_t delay_ms) const noexcept;
  // This moment, rounded up: a deadline counted from it is never early.
  uint64_t now_ms() const noexcept { return (now_ns() + 999'999u) / 1'000'000u; }
  // Time of this turn, for what may be some microseconds old.
  uint64_t turn_ms() const noexcept { return turn_ms_; }

 private:
  uint64_t now_ns() const noexcept { return manual_ns_ == nullptr ? monotonic_ns() : *manual_ns_; }
  int open_descriptors() noexcept;
  int wait_ms(uint64_t next_timer_ms) const noexcept;
  void wait_and_dispatch(bool may_sleep) noexcept;
  void run_tasks() noexcept;
  void run_list(Task* list) noexcept;

  int epoll_fd_ = -1;
  int wake_fd_ = -1;
  bool finished_ = false;
  uint64_t turn_ms_ = 0;
  const uint64_t* manual_ns_ = nullptr;
  TimerWheel timers_;
  // 0 while the loop does not run. Written by the home thread around run(), read by is_home()
  // everywhere; a thread only has to recognise itself, so relaxed is enough.
  std::atomic<uintptr_t> home_thread_{0};
  alignas(64) TaskQueue tasks_;
};

}  // namespace tcpkit
