// The worker pool: a fixed number of threads that run the strands of all connections.
#pragma once

#include <pthread.h>

#include <condition_variable>
#include <mutex>
#include <vector>

#include "conn/conn_config.h"
#include "conn/strand.h"

namespace tcpkit {

// Threads start with the first work and end at the stop of the server. Any thread.
class Workers final : public WorkRunner {
 public:
  // config outlives it.
  Workers(const ConnConfig& config, uint32_t count) : config_(config), count_(count) {
    threads_.reserve(count);
  }
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;
  ~Workers() override { join(); }

  void submit(Strand& strand) noexcept override;
  bool on_own_thread() noexcept override;
  void join() noexcept override;

 private:
  static void* thread_main(void* workers) noexcept;
  void serve() noexcept;
  void start_thread_locked() noexcept;
  void run_alone(std::unique_lock<std::mutex>& lock) noexcept;
  Strand* take_first() noexcept;

  const ConnConfig& config_;
  const uint32_t count_;
  std::mutex mutex_;
  std::condition_variable work_;
  std::vector<pthread_t> threads_;
  Strand* first_ = nullptr;
  Strand* last_ = nullptr;
  uint32_t idle_ = 0;
  bool ending_ = false;
};

}  // namespace tcpkit
