// The queue of strands that have something to do.
#include "strategy/workers.h"

#include "base/thread.h"

namespace tcpkit {

void Workers::submit(Strand& strand) noexcept {
  std::unique_lock lock(mutex_);
  strand.next_waiting = nullptr;
  (last_ == nullptr ? first_ : last_->next_waiting) = &strand;
  last_ = &strand;
  if (idle_ == 0 && threads_.size() < count_) start_thread_locked();
  if (threads_.empty()) return run_alone(lock);
  const bool wakes = idle_ > 0;
  lock.unlock();
  if (wakes) work_.notify_one();
}

void Workers::start_thread_locked() noexcept {
  pthread_t thread{};
  const int error = start_thread(thread, thread_main, this);
  if (error != 0) {
    config_.log.write(TCPKIT_LOG_WARNING, "no new worker (errno %d)", error);
    return;
  }
  threads_.push_back(thread);  // there is room
  config_.handler_threads.add_one();
}

// Not one thread can be had: who submits does the work, so that it is not forgotten.
void Workers::run_alone(std::unique_lock<std::mutex>& lock) noexcept {
  while (Strand* strand = take_first()) {
    lock.unlock();
    strand->run_batch();
    lock.lock();
  }
}

Strand* Workers::take_first() noexcept {
  Strand* strand = first_;
  if (strand == nullptr) return nullptr;
  first_ = strand->next_waiting;
  if (first_ == nullptr) last_ = nullptr;
  return strand;
}

void* Workers::thread_main(void* workers) noexcept {
  static_cast<Workers*>(workers)->serve();
  return nullptr;
}

void Workers::serve() noexcept {
  std::unique_lock lock(mutex_);
  for (;;) {
    if (Strand* strand = take_first()) {
      lock.unlock();
      strand->run_batch();
      lock.lock();
      continue;
    }
    if (ending_) break;
    ++idle_;
    work_.wait(lock);
    --idle_;
  }
  config_.handler_threads.remove_one();
}

bool Workers::on_own_thread() noexcept {
  const std::lock_guard lock(mutex_);
  for (const pthread_t thread : threads_) {
    if (pthread_equal(thread, pthread_self()) != 0) return true;
  }
  return false;
}

// Nothing is submitted any more: the last connection has ended.
void Workers::join() noexcept {
  std::vector<pthread_t> ending;
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    ending.swap(threads_);
  }
  work_.notify_all();
  for (const pthread_t thread : ending) pthread_join(thread, nullptr);
  const std::lock_guard lock(mutex_);
  ending_ = false;
  ending.clear();
  ending.swap(threads_);  // its room
}

}  // namespace tcpkit
