// Thread per connection: the threads that run the handlers of detached connections.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <mutex>

#include "conn/conn_config.h"
#include "conn/handler_runner.h"
#include "tcpkit.h"

namespace tcpkit {

// Threads are started when they are needed, used again, and end when they had nothing to do for a
// while. Connections for which there is none wait in their order. Any thread, unless marked.
class HandlerThreads final : public HandlerRunner {
 public:
  struct Limits {
    uint64_t max_threads;
    uint64_t max_waiting;
    size_t stack_size;  // 0: the system's
  };

  // config outlives it: its handler, its log, its counts.
  HandlerThreads(const ConnConfig& config, const Limits& limits) noexcept
      : config_(config), limits_(limits) {}
  HandlerThreads(const HandlerThreads&) = delete;
  HandlerThreads& operator=(const HandlerThreads&) = delete;
  ~HandlerThreads() override { join(); }

  bool submit(Conn& conn) noexcept override;
  bool withdraw(Conn& conn) noexcept override;
  bool on_own_thread() noexcept override;
  void join() noexcept override;

 private:
  // A thread of the pool; in one of two lists.
  struct Thread {
    HandlerThreads* pool;
    pthread_t id;
    Thread* next;
    Thread** link;  // that points to this one
  };

  static void* thread_main(void* thread) noexcept;
  bool start_thread_locked() noexcept;
  void serve(Thread& thread) noexcept;
  Conn* next_conn(std::unique_lock<std::mutex>& lock) noexcept;
  void run_handler(Conn& conn) noexcept;
  void push_waiting(Conn& conn) noexcept;
  void remove_waiting(Conn& conn) noexcept;
  static void list(Thread& thread, Thread*& first) noexcept;
  static void unlist(Thread& thread) noexcept;
  void reap(std::unique_lock<std::mutex>& lock) noexcept;

  const ConnConfig& config_;
  const Limits limits_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable ended_;
  Conn* first_waiting_ = nullptr;
  Conn* last_waiting_ = nullptr;
  uint64_t waiting_ = 0;
  uint64_t threads_ = 0;
  uint64_t idle_ = 0;
  Thread* running_ = nullptr;  // threads that have not left their loop
  Thread* over_ = nullptr;     // those that have, and are to be joined
  bool ending_ = false;
};

}  // namespace tcpkit
