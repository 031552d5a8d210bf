// One loop of a server at work: its host, its thread, the acceptors that run on it, and the task
// that stops it.
#pragma once

#include <pthread.h>

#include <list>

#include "conn/conn_host.h"
#include "loop/listener.h"

namespace tcpkit {

// What a worker needs of its server.
class WorkerOwner {
 public:
  // Chooses a host for an accepted descriptor, on the accepting loop; nullptr refuses it. The
  // host has counted it.
  virtual ConnHost* place_connection(ConnHost& accepting, Placement placement,
                                     const PeerAddress& peer) noexcept = 0;
  // Before an accept: how long it has to wait; 0: not at all.
  virtual uint64_t begin_accept() noexcept = 0;
  virtual void cancel_accept() noexcept = 0;
  // In a drain: this worker has stopped accepting.
  virtual void worker_stopped_accepting() noexcept = 0;
  // Whether the loops of other workers run.
  virtual bool others_run() const noexcept = 0;
  // The loop has ended; last call of the loop's thread.
  virtual void worker_ended() noexcept = 0;

 protected:
  ~WorkerOwner() = default;
};

class Worker final : public AcceptSink {
 public:
  Worker(WorkerOwner& owner, Ref<ConnHost> host) noexcept;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  ConnHost& host() noexcept { return *host_; }

  // Before the run.
  Status add_acceptor(AcceptSource source) noexcept;
  // In a run, in two steps: any thread makes the acceptor, which takes memory and may throw; the
  // loop adopts it, which cannot fail, since the listener was promised by then.
  std::list<Acceptor> make_acceptor(AcceptSource source);
  void adopt_acceptor(std::list<Acceptor>& made) noexcept;

  // Starts a thread, with all signals blocked, that runs the loop.
  Status start_thread() noexcept;
  // Runs the loop on this thread.
  void run() noexcept;
  void join() noexcept;
  bool has_thread() const noexcept { return has_thread_; }
  // For a start that failed elsewhere: waits for a thread that was told to stop, or closes a loop
  // that never ran.
  void abandon() noexcept;
  // Any thread, at most once per run.
  void post_stop() noexcept;
  // Any thread, at most once per run each: the begin of a drain, and, for a worker that ends after
  // all others, its end.
  void post_drain(uint64_t timeout_ms) noexcept;
  void post_release() noexcept;
  // A timer that the stop disarms.
  void set_tick(TimerNode* tick) noexcept { tick_ = tick; }

 private:
  class StopTask final : public Task {
   public:
    explicit StopTask(Worker& worker) noexcept : worker_(worker) {}
    void run() noexcept override { worker_.stop_here(); }

   private:
    Worker& worker_;
  };

  class DrainTask final : public Task {
   public:
    explicit DrainTask(Worker& worker) noexcept : worker_(worker) {}
    void run() noexcept override { worker_.drain_here(timeout_ms); }
    uint64_t timeout_ms = 0;

   private:
    Worker& worker_;
  };
  class ReleaseTask final : public Task {
   public:
    explicit ReleaseTask(Worker& worker) noexcept : worker_(worker) {}
    void run() noexcept override { worker_.host_->release_drain(); }

   private:
    Worker& worker_;
  };

  static void* thread_main(void* worker) noexcept;
  void stop_here() noexcept;
  void drain_here(uint64_t timeout_ms) noexcept;
  uint64_t begin_accept() noexcept override;
  void cancel_accept() noexcept override { owner_.cancel_accept(); }
  bool sheds_without_files() noexcept override { return !host_->config().waits_at_limit; }
  void on_shed(int fd) noexcept override;
  SpareDescriptor& spare() noexcept override { return spare_; }
  void on_accepted(int fd, const SocketAddress& peer, const AcceptSource& source) noexcept override;
  void on_accept_failed(int error_number) noexcept override;
  void on_accept_paused(int error_number) noexcept override;

  WorkerOwner& owner_;
  const Ref<ConnHost> host_;
  StopTask stop_task_;
  DrainTask drain_task_;
  ReleaseTask release_task_;
  SpareDescriptor spare_;
  std::list<Acceptor> acceptors_;
  TimerNode* tick_ = nullptr;
  pthread_t thread_{};
  bool has_thread_ = false;
  bool shortage_logged_ = false;  // of descriptors or memory, since the last accept
};

// Adds an acceptor to a worker that runs.
class AddAcceptorTask final : public Task {
 public:
  AddAcceptorTask(Worker& worker, AcceptSource source)
      : worker_(worker), acceptor_(worker.make_acceptor(source)) {}
  void run() noexcept override;

 private:
  Worker& worker_;
  std::list<Acceptor> acceptor_;
};

}  // namespace tcpkit
