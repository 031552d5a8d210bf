// The server: its loops, listeners and lifecycle. The only room that knows how they hang together.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/run_observer.h"
#include "loop/uv_nest.h"
#include "server/listeners.h"
#include "server/metrics_tick.h"
#include "server/worker.h"
#include "strategy/strategy.h"

namespace tcpkit {

// Everything that tcpkit_server_create was given, with defaults filled in, user data owned.
struct ServerSetup {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  std::shared_ptr<ConnConfig> config;
  std::unique_ptr<Strategy> strategy;
  UserData handlers_data;
  UserData strategy_data;
};

class Server final : public WorkerOwner, public MetricsTick::Owner {
 public:
  static constexpr uint32_t kMostLoops = 255;

  explicit Server(ServerSetup setup);
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;
  ~Server();

  static Server* from_handle(tcpkit_server* handle) noexcept {
    return reinterpret_cast<Server*>(handle);
  }
  static const Server* from_handle(const tcpkit_server* handle) noexcept {
    return reinterpret_cast<const Server*>(handle);
  }
  tcpkit_server* handle() noexcept { return reinterpret_cast<tcpkit_server*>(this); }

  // Parses options.listen and makes the loops. Once, before everything else.
  Status prepare();

  // Any thread. See tcpkit.h.
  Status listen(const char* address, const tcpkit_listen_options& options);
  Status listen_inherited(size_t& count);
  int listener_fd(size_t index) noexcept;
  size_t listener_count() const noexcept;
  std::string listener_address(size_t index) const;
  Status start();
  // Its end is told to the observer; run_number is for settle_run. An observer of a start that
  // failed is told nothing.
  Status start(RunObserver& observer, uint64_t& run_number);
  Status run();
  Status stop();
  // report may be null.
  Status drain(uint64_t deadline_ms, tcpkit_drain_report* report);
  Status wait();
  // Begins to end the run of this observer; nothing if it has ended.
  void end_run(const RunObserver& observer, RunEnd how, uint64_t drain_timeout_ms) noexcept;
  // Waits, on none of its own threads, until that run is closed up.
  void settle_run(uint64_t run_number) noexcept;
  // A loop or a handler thread of it, or in a hook of its strategy.
  bool on_own_thread() const noexcept;
  bool is_running() const noexcept;
  tcpkit_metrics metrics() const noexcept;
  Ref<Conn> find(uint64_t conn_id) const noexcept;
  std::vector<Ref<Conn>> connections() const;
  size_t loop_count() const noexcept { return host_count_.load(std::memory_order_acquire); }
  ConnHost* host(size_t index) const noexcept;
  Status fork_check() const noexcept { return config_->fork_guard.check(); }

  // Stops, and deletes the server: at once, or, called on one of its loops, when that can be done.
  static void free(Server* server) noexcept;

 private:
  enum class RunState : uint8_t { kIdle, kStarting, kRunning, kEnding };
  using Lock = std::unique_lock<std::mutex>;

  // Holds the lock, and keeps the server from being freed under a thread that waits in it.
  class Inside {
   public:
    explicit Inside(Server& server) : lock(server.mutex_), server_(server) {
      ++server_.callers_inside_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;
    ~Inside() {
      --server_.callers_inside_;
      server_.changed_.notify_all();
    }
    Lock lock;

   private:
    Server& server_;
  };

  // server_lifecycle.cpp
  Status begin_start(Lock& lock, uint32_t first_thread);
  Status open_everything();
  Status start_workers(uint32_t first_thread);
  enum class Hook : uint8_t { kStart, kStop };
  Status call_hook(Hook hook) noexcept;
  enum class Told : uint8_t { kNothing, kStart };
  void abandon_start(Lock& lock, Told told) noexcept;
  void request_stop() noexcept;
  void request_drain(uint64_t timeout_ms) noexcept;
  bool is_draining() noexcept;
  void await_end(Lock& lock) noexcept;
  void finish_run(Lock& lock) noexcept;
  void join_handlers() noexcept;
  static void on_signal(int signal_number, void* server) noexcept;
  static void* free_elsewhere(void* server) noexcept;
  bool is_over() const noexcept;
  void worker_ended() noexcept override;
  void worker_stopped_accepting() noexcept override;
  bool others_run() const noexcept override {
    return active_workers_.load(std::memory_order_relaxed) > 1;
  }

  // server.cpp
  ConnHost* place_connection(ConnHost& accepting, Placement placement,
                             const PeerAddress& peer) noexcept override;
  uint64_t begin_accept() noexcept override;
  void cancel_accept() noexcept override;
  ConnHost* refuse(Counter& counter, ServerLimit limit) noexcept;
  ConnHost* choose_host() noexcept;
  ConnHost* grow() noexcept;
  Status start_thread_of(Worker& worker) noexcept;
  Ref<ConnHost> make_host(uint32_t index) const;
  void publish_host(Ref<ConnHost> host) noexcept;
  Status add_acceptors(const Listeners::Entry& entry) noexcept;
  Status post_acceptors(const Listeners::Entry& entry);
  void sum(tcpkit_metrics& metrics) const noexcept override;
  void publish(const tcpkit_metrics& metrics) noexcept override;

  // Freed last, since they are declared first.
  const UserData handlers_data_;
  const UserData strategy_data_;

  const tcpkit_server_options options_;
  const std::shared_ptr<const ConnConfig> config_;
  const std::unique_ptr<Strategy> strategy_;
  Listeners listeners_;
  MetricsTick tick_;

  // Guards the lifecycle and the listeners. No user code runs under it.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  RunState state_ = RunState::kIdle;
  uint64_t run_number_ = 0;
  RunObserver* observer_ = nullptr;  // of the run, until it was told; calls it under mutex_
  bool run_caller_inside_ = false;   // a thread is in run(), which ends the run itself
  uint32_t callers_inside_ = 0;      // threads in start, run, stop or wait
  // In a hook of the strategy, which may ask to stop or free the server; 0: none.
  std::atomic<pthread_t> hook_thread_{0};
  // Loops that have not ended. Changed to zero under mutex_ only.
  std::atomic<uint32_t> active_workers_{0};

  // Guards growing against stopping. Taken inside mutex_, and alone on the accepting loop.
  std::mutex workers_mutex_;
  bool stop_requested_ = false;
  bool drain_requested_ = false;
  uint32_t accepting_workers_ = 0;  // in a drain: those that have not stopped accepting
  std::vector<std::unique_ptr<Worker>> workers_;

  // Grows only; an entry below host_count_ never changes. Each holds a reference.
  std::array<std::atomic<ConnHost*>, kMostLoops> hosts_{};
  std::atomic<uint32_t> host_count_{0};
};

}  // namespace tcpkit
