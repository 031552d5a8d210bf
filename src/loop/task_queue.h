// Work that other threads hand to a loop: the only way into it. Producers push onto a lock-free
// stack; the loop takes all of it at once and turns it round, so each producer's order is kept.
#pragma once

#include <atomic>

#include "base/assert.h"

namespace tcpkit {

// One piece of work. run() is called exactly once, on the loop thread, and frees the task.
class Task {
 public:
  virtual void run() noexcept = 0;

  Task* next_task = nullptr;  // of the queue

 protected:
  ~Task() = default;
};

// Why a stack and not a linked queue: one atomic word says empty, filled or closed, so "it turned
// non-empty, wake the loop" and "it is closed, nothing will run any more" are both decided by the
// same exchange that publishes the task.
class TaskQueue {
 public:
  enum class Pushed { kFirst, kMore, kRefused };

  // Any thread. kFirst: the queue was empty, so the loop must be woken. kRefused: it is closed and
  // the task is still the caller's.
  Pushed push(Task* task) noexcept {
    Task* head = head_.load(std::memory_order_relaxed);
    do {
      if (head == closed_mark()) return Pushed::kRefused;
      task->next_task = head;
      // release: the loop that takes the list sees the task's contents. acquire: whoever has to
      // wake the loop sees what was made before reopen().
    } while (!head_.compare_exchange_weak(head, task, std::memory_order_acq_rel,
                                          std::memory_order_relaxed));
    return head == nullptr ? Pushed::kFirst : Pushed::kMore;
  }

  bool empty() const noexcept { return head_.load(std::memory_order_relaxed) == nullptr; }

  // Loop thread. Takes everything that was pushed, oldest first.
  Task* take_all() noexcept { return reversed(head_.exchange(nullptr, std::memory_order_acquire)); }

  // Loop thread. Takes what is left and refuses everything from now on.
  Task* close() noexcept {
    Task* head = head_.exchange(closed_mark(), std::memory_order_acquire);
    return head == closed_mark() ? nullptr : reversed(head);
  }

  void reopen() noexcept {
    TCPKIT_ASSERT(head_.load(std::memory_order_relaxed) == closed_mark());
    head_.store(nullptr, std::memory_order_release);
  }

  // Takes the first task off a list that take_all or close returned.
  static Task* pop(Task*& list) noexcept {
    Task* task = list;
    list = task->next_task;
    return task;
  }

 private:
  Task* closed_mark() const noexcept {
    return reinterpret_cast<Task*>(const_cast<TaskQueue*>(this));
  }

  static Task* reversed(Task* list) noexcept {
    Task* oldest_first = nullptr;
    while (list != nullptr) {
      Task* next = list->next_task;
      list->next_task = oldest_first;
      oldest_first = list;
      list = next;
    }
    return oldest_first;
  }

  // A new queue is closed: a loop opens it when it starts.
  std::atomic<Task*> head_{closed_mark()};
};

}  // namespace tcpkit
