// A loop that belongs to no server: its thread, or the caller's, and its one run.
#pragma once

#include <pthread.h>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>

#include "base/user_data.h"
#include "conn/loop_host.h"

namespace tcpkit {

class LoopRunner final {
 public:
  // log_data: that of the log's hook.
  LoopRunner(const Log& log, UserData log_data, size_t read_buffer_size);
  LoopRunner(const LoopRunner&) = delete;
  LoopRunner& operator=(const LoopRunner&) = delete;

  // Once, before everything else: from then on the loop takes tasks.
  Status open() noexcept;

  // Any thread. See tcpkit.h.
  LoopHost& host() const noexcept { return *host_; }
  Status start() noexcept;
  Status run() noexcept;
  void stop() noexcept;
  // Whether a run has begun, or never will.
  bool has_begun() const noexcept { return has_begun_.load(std::memory_order_relaxed); }
  // Stops, and deletes the runner: at once, or, called on its loop, when that can be done.
  static void free(LoopRunner* runner) noexcept;

 private:
  enum class State : uint8_t { kIdle, kRunning, kEnded };
  using Lock = std::unique_lock<std::mutex>;

  class StopTask final : public Task {
   public:
    explicit StopTask(LoopHost& host) noexcept : host_(host) {}
    void run() noexcept override { host_.end(); }

   private:
    LoopHost& host_;
  };

  static void* thread_main(void* runner) noexcept;
  static void* free_elsewhere(void* runner) noexcept;
  Status begin() noexcept;
  void run_here() noexcept;
  void request_stop() noexcept;
  void post_stop() noexcept;

  const UserData log_data_;  // freed last
  const Log log_;
  const std::shared_ptr<ForkGuard> fork_guard_;
  const Ref<LoopHost> host_;
  StopTask stop_task_;
  std::atomic<bool> has_begun_{false};

  std::mutex mutex_;
  std::condition_variable changed_;
  State state_ = State::kIdle;
  bool stop_requested_ = false;
  uint32_t callers_inside_ = 0;  // threads in run(), or in a stop() that runs what was posted
  pthread_t thread_{};
  bool has_thread_ = false;
};

}  // namespace tcpkit
