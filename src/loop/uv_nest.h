// The libuv loop of one of our loops, nested in its epoll set: signals now; name resolution and
// watched files are its next tenants. Opened only where one of them is needed.
#pragma once

#include <signal.h>
#include <uv.h>

#include "loop/loop.h"

namespace tcpkit {

// Home thread: that of the loop, from open() to close().
class UvNest final : public Watch {
 public:
  explicit UvNest(Loop& loop) noexcept : loop_(loop) {}
  UvNest(const UvNest&) = delete;
  UvNest& operator=(const UvNest&) = delete;

  // 0 or a libuv error.
  int open() noexcept;
  // Every handle must have been given to uv_close by now; their close callbacks run in here.
  void close() noexcept;

  void on_ready(uint32_t events) noexcept override;
  // After a handle was started: libuv tells the kernel of new descriptors only when it polls.
  void poll_once() noexcept;
  uv_loop_t* uv() noexcept { return &uv_loop_; }

 private:
  Loop& loop_;
  uv_loop_t uv_loop_{};
  bool open_ = false;
};

// Calls back on the loop when SIGINT or SIGTERM arrives.
class SignalWatcher {
 public:
  using OnSignal = void (*)(int signal_number, void* owner);

  explicit SignalWatcher(Loop& loop) noexcept : nest_(loop) {}
  SignalWatcher(const SignalWatcher&) = delete;
  SignalWatcher& operator=(const SignalWatcher&) = delete;

  Status open(OnSignal on_signal, void* owner) noexcept;
  void close() noexcept;

 private:
  static constexpr int kSignals[] = {SIGINT, SIGTERM};
  // What was there before us: the host's action, or that of libuv for another server.
  struct HostAction {
    struct sigaction action;
    bool is_of_host;
  };
  static void give_back_signal(int signal_number, const HostAction& before) noexcept;
  static void on_uv_signal(uv_signal_t* handle, int signal_number) noexcept;

  UvNest nest_;
  uv_signal_t handles_[2]{};
  HostAction host_actions_[2]{};
  int open_handles_ = 0;
  OnSignal on_signal_ = nullptr;
  void* owner_ = nullptr;
};

}  // namespace tcpkit
