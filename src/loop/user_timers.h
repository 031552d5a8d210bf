// Timers and tasks that users put on a loop. Timers are named by ids that are never used again, so
// that a stale one finds nothing.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>

#include "base/log.h"
#include "base/user_data.h"
#include "loop/loop.h"

namespace tcpkit {

class UserTimer;
// By id. A map, since adding a node that was made elsewhere to it takes no memory.
using UserTimers = std::map<uint64_t, std::unique_ptr<UserTimer>>;

// What users may run on one loop. Home thread: that of the loop, but for the calls marked "any".
class UserWork {
 public:
  // handle: what the users' functions are given as their loop.
  UserWork(Loop& loop, tcpkit_loop* handle, const Log& log) noexcept;
  UserWork(const UserWork&) = delete;
  UserWork& operator=(const UserWork&) = delete;
  ~UserWork();

  // Any thread.
  Status post(tcpkit_task_fn function, UserData user_data) noexcept;
  Status start_timer(const tcpkit_timer_options& options, UserData user_data,
                     uint64_t* out_timer_id) noexcept;
  Status stop_timer(uint64_t timer_id) noexcept;

  // Frees all timers. At the end of the loop's run.
  void clear() noexcept;

  // For the tasks and timers themselves.
  void call(tcpkit_task_fn function, void* user_data) noexcept;
  void adopt(UserTimers::node_type node) noexcept;
  void expire(UserTimer& timer) noexcept;
  bool remove(uint64_t timer_id) noexcept;
  Loop& loop() noexcept { return loop_; }

 private:
  static constexpr size_t kMostSpares = 64;

  UserTimers::node_type take_node() noexcept;
  void give_back(UserTimers::node_type node) noexcept;

  Loop& loop_;
  tcpkit_loop* const handle_;
  const Log& log_;
  std::atomic<uint64_t> next_timer_id_{1};
  UserTimers timers_;
  UserTimers spares_;  // by the ids that they had
  // A repeating timer whose callback runs is freed after the callback, not inside it.
  uint64_t running_timer_id_ = 0;
  bool stop_running_timer_ = false;
};

}  // namespace tcpkit
