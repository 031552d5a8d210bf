// Handing connections to threads, in the order in which they came.
#include "strategy/handler_threads.h"

#include <algorithm>
#include <chrono>
#include <new>

#include "base/thread.h"
#include "conn/conn.h"
#include "conn/detached.h"

namespace tcpkit {
namespace {

constexpr std::chrono::seconds kIdleTime{10};

}  // namespace

// ---- On a loop ----

bool HandlerThreads::submit(Conn& conn) noexcept {
  std::unique_lock lock(mutex_);
  reap(lock);
  const bool has_idle = idle_ > waiting_;
  if (!has_idle && (threads_ >= limits_.max_threads || !start_thread_locked())) {
    const uint64_t queued = waiting_ - std::min(waiting_, idle_);
    if (threads_ == 0 || queued >= limits_.max_waiting) return false;
  }
  conn.retain();
  push_waiting(conn);
  lock.unlock();
  work_.notify_one();
  return true;
}

bool HandlerThreads::withdraw(Conn& conn) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (!conn.detached()->is_waiting) return false;
    remove_waiting(conn);
  }
  conn.release();
  return true;
}

// The loop knows the connection well, so neither list needs a node of its own.
void HandlerThreads::push_waiting(Conn& conn) noexcept {
  Detached& node = *conn.detached();
  node.next_waiting = nullptr;
  node.previous_waiting = last_waiting_;
  (last_waiting_ == nullptr ? first_waiting_ : last_waiting_->detached()->next_waiting) = &conn;
  last_waiting_ = &conn;
  node.is_waiting = true;
  ++waiting_;
  config_.waiting_connections.add_one();
}

void HandlerThreads::remove_waiting(Conn& conn) noexcept {
  Detached& node = *conn.detached();
  Conn* const previous = node.previous_waiting;
  Conn* const next = node.next_waiting;
  (previous == nullptr ? first_waiting_ : previous->detached()->next_waiting) = next;
  (next == nullptr ? last_waiting_ : next->detached()->previous_waiting) = previous;
  node.is_waiting = false;
  --waiting_;
  config_.waiting_connections.remove_one();
}

// ---- Threads ----

void HandlerThreads::list(Thread& thread, Thread*& first) noexcept {
  thread.next = first;
  thread.link = &first;
  if (first != nullptr) first->link = &thread.next;
  first = &thread;
}

void HandlerThreads::unlist(Thread& thread) noexcept {
  *thread.link = thread.next;
  if (thread.next != nullptr) thread.next->link = thread.link;
}

bool HandlerThreads::start_thread_locked() noexcept {
  auto* thread = new (std::nothrow) Thread{this, {}, nullptr, nullptr};
  if (thread == nullptr) return false;
  const int error = start_thread(thread->id, thread_main, thread, limits_.stack_size);
  if (error != 0) {
    delete thread;
    config_.log.write(TCPKIT_LOG_WARNING, "no new handler thread (errno %d)", error);
    return false;
  }
  list(*thread, running_);
  ++threads_;
  ++idle_;  // until it takes a connection
  config_.handler_threads.add_one();
  return true;
}

void* HandlerThreads::thread_main(void* thread) noexcept {
  auto& self = *static_cast<Thread*>(thread);
  self.pool->serve(self);
  return nullptr;
}

void HandlerThreads::serve(Thread& thread) noexcept {
  std::unique_lock lock(mutex_);
  while (Conn* conn = next_conn(lock)) {
    lock.unlock();
    run_handler(*conn);
    lock.lock();
    ++idle_;
  }
  unlist(thread);
  list(thread, over_);
  --threads_;
  config_.handler_threads.remove_one();
  if (running_ == nullptr) ended_.notify_all();
}

// Null: the thread is not needed any more.
Conn* HandlerThreads::next_conn(std::unique_lock<std::mutex>& lock) noexcept {
  const auto has_work = [this] { return first_waiting_ != nullptr || ending_; };
  work_.wait_for(lock, kIdleTime, has_work);
  --idle_;
  Conn* conn = first_waiting_;
  if (conn != nullptr) remove_waiting(*conn);
  return conn;
}

void HandlerThreads::run_handler(Conn& conn) noexcept {
  const Ref<Conn> keep = Ref<Conn>::adopt(&conn);
  try {
    config_.handlers.on_connection(conn.handle(), config_.handlers.user_data);
    conn.detached()->handler_returned();
  } catch (...) {
    conn.detached()->handler_threw();
  }
}

bool HandlerThreads::on_own_thread() noexcept {
  const std::lock_guard lock(mutex_);
  for (const Thread* thread = running_; thread != nullptr; thread = thread->next) {
    if (pthread_equal(thread->id, pthread_self()) != 0) return true;
  }
  return false;
}

// Joins the threads that have ended.
void HandlerThreads::reap(std::unique_lock<std::mutex>& lock) noexcept {
  while (over_ != nullptr) {
    Thread* thread = over_;
    unlist(*thread);
    lock.unlock();
    pthread_join(thread->id, nullptr);
    delete thread;
    lock.lock();
  }
}

void HandlerThreads::join() noexcept {
  std::unique_lock lock(mutex_);
  ending_ = true;
  work_.notify_all();
  ended_.wait(lock, [this] { return running_ == nullptr; });
  reap(lock);
  ending_ = false;
}

}  // namespace tcpkit
