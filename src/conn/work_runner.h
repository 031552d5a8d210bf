// Where strands get their threads: what a connection needs of the worker pool.
#pragma once

namespace tcpkit {

class Strand;

class WorkRunner {
 public:
  virtual ~WorkRunner() = default;
  // Any thread. Calls strand.run_batch() on a worker, soon.
  virtual void submit(Strand& strand) noexcept = 0;
  // Any thread: whether it is a worker.
  virtual bool on_own_thread() noexcept = 0;
  // After the last connection has ended: waits for the threads.
  virtual void join() noexcept = 0;
};

}  // namespace tcpkit
