// Start, run, stop and free of a loop that belongs to no server.
#include "conn/loop_runner.h"

#include <cerrno>

#include "base/thread.h"

namespace tcpkit {

LoopRunner::LoopRunner(const Log& log, UserData log_data, size_t read_buffer_size)
    : log_data_(std::move(log_data)),
      log_(log),
      fork_guard_(std::make_shared<ForkGuard>()),
      host_(Ref<LoopHost>::adopt(new LoopHost(log, fork_guard_, read_buffer_size))),
      stop_task_(*host_) {}

Status LoopRunner::open() noexcept {
  if (!fork_guard_->arm()) return fail_errno(errno, "cannot map the page that tells a fork");
  return host_->open();
}

// Under the lock.
Status LoopRunner::begin() noexcept {
  if (state_ == State::kRunning) {
    return fail(TCPKIT_E_ALREADY_RUNNING, "the loop runs already");
  }
  if (state_ == State::kEnded) {
    return fail(TCPKIT_E_NOT_RUNNING, "the loop was stopped; a loop runs once");
  }
  return TCPKIT_OK;
}

Status LoopRunner::start() noexcept {
  const Lock lock(mutex_);
  const Status status = begin();
  if (status != TCPKIT_OK) return status;
  const int error = start_thread(thread_, thread_main, this);
  if (error != 0) return fail_errno(error, "cannot create the thread of a loop");
  has_thread_ = true;
  state_ = State::kRunning;
  has_begun_.store(true, std::memory_order_relaxed);
  return TCPKIT_OK;
}

Status LoopRunner::run() noexcept {
  Lock lock(mutex_);
  const Status status = begin();
  if (status != TCPKIT_OK) return status;
  ++callers_inside_;
  state_ = State::kRunning;
  has_begun_.store(true, std::memory_order_relaxed);
  lock.unlock();
  run_here();
  lock.lock();
  --callers_inside_;
  changed_.notify_all();
  return TCPKIT_OK;
}

void* LoopRunner::thread_main(void* runner) noexcept {
  static_cast<LoopRunner*>(runner)->run_here();
  return nullptr;
}

void LoopRunner::run_here() noexcept {
  host_->loop().run(*host_);
  const Lock lock(mutex_);
  state_ = State::kEnded;
  changed_.notify_all();
}

void LoopRunner::request_stop() noexcept {
  const Lock lock(mutex_);
  post_stop();
}

// Under the lock.
void LoopRunner::post_stop() noexcept {
  if (stop_requested_) return;
  stop_requested_ = true;
  (void)host_->loop().post(&stop_task_);
}

// What was posted to a loop that never ran is run here, so the lock is not held meanwhile.
void LoopRunner::stop() noexcept {
  if (host_->loop().is_home()) return request_stop();
  Lock lock(mutex_);
  if (state_ == State::kIdle) {
    ++callers_inside_;
    state_ = State::kRunning;
    has_begun_.store(true, std::memory_order_relaxed);
    lock.unlock();
    host_->abandon();
    lock.lock();
    state_ = State::kEnded;
    --callers_inside_;
    changed_.notify_all();
    return;
  }
  post_stop();
  changed_.wait(lock, [this] { return state_ == State::kEnded; });
  if (!has_thread_) return;
  has_thread_ = false;
  pthread_join(thread_, nullptr);
}

void* LoopRunner::free_elsewhere(void* runner) noexcept {
  free(static_cast<LoopRunner*>(runner));
  return nullptr;
}

void LoopRunner::free(LoopRunner* runner) noexcept {
  if (runner->host_->loop().is_home()) {
    runner->request_stop();
    if (start_detached_thread(free_elsewhere, runner) != 0) {
      runner->log_.write(TCPKIT_LOG_ERROR, "no thread to free a loop on: it leaks");
    }
    return;
  }
  runner->stop();
  {
    Lock lock(runner->mutex_);
    runner->changed_.wait(lock, [runner] { return runner->callers_inside_ == 0; });
  }
  delete runner;
}

}  // namespace tcpkit
