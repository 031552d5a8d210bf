// What the tests of the loop share: tasks from functions, an end of turn, a loop on a thread.
#pragma once

#include <unistd.h>

#include <functional>
#include <thread>
#include <utility>

#include "loop/loop.h"

namespace tcpkit::test {

class FunctionTask final : public Task {
 public:
  explicit FunctionTask(std::function<void()> function) : function_(std::move(function)) {}
  void run() noexcept override {
    function_();
    delete this;
  }

 private:
  std::function<void()> function_;
};

// False, and nothing kept, if the loop refuses it.
inline bool post(Loop& loop, std::function<void()> function) {
  auto* task = new FunctionTask(std::move(function));
  if (loop.post(task)) return true;
  delete task;
  return false;
}

class CountingTurnEnd final : public TurnEnd {
 public:
  bool finish_turn() noexcept override {
    ++turns;
    return action && action();
  }

  int turns = 0;
  std::function<bool()> action;
};

// A loop that runs on a thread of its own until it is told to end.
class LoopThread {
 public:
  LoopThread() {
    if (loop.open() != TCPKIT_OK) return;
    thread_ = std::thread([this] {
      loop.run(turn_end);
      if (at_end) at_end();
    });
  }
  LoopThread(const LoopThread&) = delete;
  LoopThread& operator=(const LoopThread&) = delete;
  ~LoopThread() { end(); }

  void end() {
    post(loop, [this] { loop.finish(); });
    if (thread_.joinable()) thread_.join();
  }

  Loop loop;
  CountingTurnEnd turn_end;
  std::function<void()> at_end;

 private:
  std::thread thread_;
};

class OwnedFd {
 public:
  explicit OwnedFd(int fd) : fd_(fd) {}
  OwnedFd(const OwnedFd&) = delete;
  OwnedFd& operator=(const OwnedFd&) = delete;
  ~OwnedFd() { reset(); }
  int get() const { return fd_; }
  void reset() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

}  // namespace tcpkit::test
