// Start, run, stop, wait and free. A run goes idle -> starting -> running -> ending -> idle. Loops
// end by themselves once they are told to stop; whoever waits last joins them and closes up.
#include <new>
#include <utility>

#include "base/thread.h"
#include "server/server.h"

namespace tcpkit {

bool Server::on_own_thread() const noexcept {
  if (hook_thread_.load(std::memory_order_relaxed) == pthread_self()) return true;
  for (size_t i = 0; i < loop_count(); ++i) {
    if (host(i)->loop().is_home()) return true;
  }
  const bool is_handlers =
      config_->handler_runner != nullptr && config_->handler_runner->on_own_thread();
  return is_handlers || (config_->work_runner != nullptr && config_->work_runner->on_own_thread());
}

// All loops of a run have ended, and nobody has closed it up yet.
bool Server::is_over() const noexcept {
  return state_ == RunState::kRunning && active_workers_.load(std::memory_order_relaxed) == 0;
}

bool Server::is_running() const noexcept {
  if (config_->fork_guard.in_child()) return false;
  const Lock lock(mutex_);
  return state_ == RunState::kStarting || (state_ == RunState::kRunning && !is_over());
}

// ---- Starting ----

// A worker is listed before its loop is opened, so that a failure finds all there is to close.
Status Server::open_everything() {
  const std::lock_guard lock(workers_mutex_);
  stop_requested_ = drain_requested_ = false;
  for (size_t i = 0; i < loop_count(); ++i) {
    workers_.push_back(std::make_unique<Worker>(*this, Ref<ConnHost>::share(host(i))));
    const Status status = host(i)->open();
    if (status != TCPKIT_OK) return status;
  }
  return listeners_.open_all(loop_count());
}

Status Server::call_hook(Hook hook) noexcept {
  hook_thread_.store(pthread_self(), std::memory_order_relaxed);
  Status status = TCPKIT_OK;
  try {
    if (hook == Hook::kStart) strategy_->on_start(handle());
    if (hook == Hook::kStop) strategy_->on_stop(handle());
  } catch (...) {
    status = fail(TCPKIT_E_CALLBACK, "the strategy's %s threw",
                  hook == Hook::kStart ? "on_start" : "on_stop");
    config_->log.write(TCPKIT_LOG_ERROR, "%s", last_error().message);
  }
  hook_thread_.store(0, std::memory_order_relaxed);
  return status;
}

// Acceptors and the tick are armed before their threads exist; the threads' creation publishes
// them.
Status Server::start_workers(uint32_t first_thread) {
  for (const Listeners::Entry& entry : listeners_.entries()) {
    const Status status = add_acceptors(entry);
    if (status != TCPKIT_OK) return status;
  }
  tick_.start(host(0)->loop());
  const std::lock_guard lock(workers_mutex_);
  workers_[0]->set_tick(&tick_);
  const size_t count = workers_.size();
  for (size_t i = first_thread; i < count; ++i) {
    const Status status = start_thread_of(*workers_[i]);
    if (status != TCPKIT_OK) return status;
  }
  if (first_thread == 0) return TCPKIT_OK;
  active_workers_.fetch_add(1, std::memory_order_relaxed);
  config_->handler_threads.add_one();
  return TCPKIT_OK;
}

// Takes back a start that failed half-way: threads that run are stopped, the others never will.
// Unlocked meanwhile, since a loop that ends takes the lock; the state keeps others out. A strategy
// that was told of the start is told of its end: what its on_start made has no other end.
void Server::abandon_start(Lock& lock, Told told) noexcept {
  const LastError why = last_error();
  lock.unlock();
  {
    const std::lock_guard workers_lock(workers_mutex_);
    for (const auto& worker : workers_) {
      if (!stop_requested_ && worker->has_thread()) worker->post_stop();
    }
    stop_requested_ = true;  // so that no worker is added any more
  }
  for (const auto& worker : workers_) worker->abandon();
  join_handlers();
  {
    const std::lock_guard workers_lock(workers_mutex_);
    workers_.clear();
  }
  if (told == Told::kStart) (void)call_hook(Hook::kStop);
  lock.lock();
  host(0)->loop().timers().disarm(tick_);
  listeners_.undo_open_all();
  state_ = RunState::kIdle;
  restore_last_error(why);
}

Status Server::begin_start(Lock& lock, uint32_t first_thread) {
  if (is_over() && !run_caller_inside_) await_end(lock);
  if (state_ != RunState::kIdle) {
    return fail(TCPKIT_E_ALREADY_RUNNING, "the server was started and has not stopped");
  }
  state_ = RunState::kStarting;
  ++run_number_;
  Status status = TCPKIT_OK;
  Told told = Told::kNothing;
  try {
    status = open_everything();
    if (status == TCPKIT_OK) {
      lock.unlock();
      status = call_hook(Hook::kStart);
      lock.lock();
      if (status == TCPKIT_OK) told = Told::kStart;
    }
    if (status == TCPKIT_OK) status = start_workers(first_thread);
  } catch (const std::bad_alloc&) {
    status = fail(TCPKIT_E_NO_MEMORY, "out of memory for the start of a server");
  }
  if (status == TCPKIT_OK) {
    state_ = RunState::kRunning;
    listeners_.keep_all();
  } else {
    abandon_start(lock, told);
  }
  changed_.notify_all();
  return status;
}

Status Server::start() {
  Inside inside(*this);
  return begin_start(inside.lock, 0);
}

Status Server::start(RunObserver& observer, uint64_t& run_number) {
  Inside inside(*this);
  const Status status = begin_start(inside.lock, 0);
  if (status != TCPKIT_OK) return status;
  observer_ = &observer;
  run_number = run_number_;
  return TCPKIT_OK;
}

Status Server::run() {
  Inside inside(*this);
  Status status = begin_start(inside.lock, 1);
  if (status != TCPKIT_OK) return status;
  run_caller_inside_ = true;
  Worker& first = *workers_[0];
  inside.lock.unlock();
  SignalWatcher signals(first.host().loop());
  if (options_.handle_signals == TCPKIT_ON) status = signals.open(on_signal, this);
  const LastError why = last_error();
  if (status != TCPKIT_OK) request_stop();
  first.run();
  signals.close();
  inside.lock.lock();
  changed_.wait(inside.lock, [this] { return is_over(); });
  finish_run(inside.lock);
  run_caller_inside_ = false;
  if (status != TCPKIT_OK) restore_last_error(why);
  return status;
}

void Server::on_signal(int signal_number, void* server) noexcept {
  auto* stopped = static_cast<Server*>(server);
  const bool again = stopped->is_draining();
  stopped->config_->log.write(TCPKIT_LOG_INFO, "signal %d: the server %s", signal_number,
                              again ? "stops now" : "drains");
  if (again) return stopped->request_stop();
  stopped->request_drain(stopped->options_.drain_timeout_ms);
}

// ---- Stopping ----

void Server::request_stop() noexcept {
  const std::lock_guard lock(workers_mutex_);
  if (stop_requested_) return;
  stop_requested_ = true;
  for (const auto& worker : workers_) worker->post_stop();
}

bool Server::is_draining() noexcept {
  const std::lock_guard lock(workers_mutex_);
  return drain_requested_;
}

void Server::request_drain(uint64_t timeout_ms) noexcept {
  const std::lock_guard lock(workers_mutex_);
  if (stop_requested_ || drain_requested_) return;
  drain_requested_ = true;
  accepting_workers_ = static_cast<uint32_t>(workers_.size());
  for (const auto& worker : workers_) worker->post_drain(timeout_ms);
}

// Nobody watches the listening sockets any more: they are closed, so that new clients are refused
// and do not wait in a backlog that nobody will look at.
void Server::worker_stopped_accepting() noexcept {
  const Lock lock(mutex_);
  const std::lock_guard workers_lock(workers_mutex_);
  if (--accepting_workers_ == 0) listeners_.close_all();
}

// The last loop to end stops listening, so that nobody waits in the backlog of a server that only
// waits to be joined.
void Server::worker_ended() noexcept {
  const Lock lock(mutex_);
  config_->handler_threads.remove_one();
  active_workers_.fetch_sub(1, std::memory_order_relaxed);
  if (is_over()) {
    listeners_.close_all();
    if (observer_ != nullptr) std::exchange(observer_, nullptr)->run_ended({TCPKIT_OK, 0, {0}});
  }
  const std::lock_guard workers_lock(workers_mutex_);
  if (drain_requested_ && !others_run() && !is_over()) workers_[0]->post_release();
  changed_.notify_all();
}

// Waits for the end of this run, and of none that comes after it. The first waiter closes it up,
// unless the thread in run() does.
void Server::await_end(Lock& lock) noexcept {
  const uint64_t run_number = run_number_;
  const auto has_ended = [&] { return state_ == RunState::kIdle || run_number_ != run_number; };
  const auto can_finish = [&] { return is_over() && !run_caller_inside_; };
  while (!has_ended()) {
    changed_.wait(lock, [&] { return has_ended() || can_finish(); });
    if (!has_ended()) finish_run(lock);
  }
}

// After the last connection has ended.
void Server::join_handlers() noexcept {
  if (config_->handler_runner != nullptr) config_->handler_runner->join();
  if (config_->work_runner != nullptr) config_->work_runner->join();
}

void Server::finish_run(Lock& lock) noexcept {
  state_ = RunState::kEnding;
  lock.unlock();
  for (const auto& worker : workers_) worker->join();
  join_handlers();
  {
    const std::lock_guard workers_lock(workers_mutex_);
    workers_.clear();
  }
  tick_.clear_rates();
  (void)call_hook(Hook::kStop);
  lock.lock();
  state_ = RunState::kIdle;
  changed_.notify_all();
}

Status Server::stop() {
  if (on_own_thread()) {
    request_stop();
    return TCPKIT_OK;
  }
  Inside inside(*this);
  changed_.wait(inside.lock, [this] { return state_ != RunState::kStarting; });
  if (state_ == RunState::kIdle) return TCPKIT_OK;
  if (state_ == RunState::kRunning) request_stop();
  await_end(inside.lock);
  return TCPKIT_OK;
}

Status Server::drain(uint64_t deadline_ms, tcpkit_drain_report* report) {
  if (on_own_thread()) {
    request_drain(deadline_ms);
    return TCPKIT_OK;
  }
  Inside inside(*this);
  changed_.wait(inside.lock, [this] { return state_ != RunState::kStarting; });
  if (state_ == RunState::kIdle) return TCPKIT_OK;
  const uint64_t begin_ns = monotonic_ns();
  tcpkit_metrics before = TCPKIT_METRICS_INIT;
  tcpkit_metrics after = TCPKIT_METRICS_INIT;
  sum(before);
  if (state_ == RunState::kRunning) request_drain(deadline_ms);
  await_end(inside.lock);
  sum(after);
  if (report == nullptr) return TCPKIT_OK;
  report->graceful = after.drained - before.drained;
  report->forced = after.drained_by_force - before.drained_by_force;
  report->lost_bytes = after.drain_lost_bytes - before.drain_lost_bytes;
  report->elapsed_ms = (monotonic_ns() - begin_ns) / 1'000'000u;
  return TCPKIT_OK;
}

Status Server::wait() {
  if (on_own_thread()) {
    return fail(TCPKIT_E_WRONG_THREAD, "waiting on a loop of the server would never end");
  }
  Inside inside(*this);
  changed_.wait(inside.lock, [this] { return state_ != RunState::kStarting; });
  if (state_ != RunState::kIdle) await_end(inside.lock);
  return TCPKIT_OK;
}

void Server::end_run(const RunObserver& observer, RunEnd how, uint64_t drain_timeout_ms) noexcept {
  const Lock lock(mutex_);
  if (observer_ != &observer) return;
  if (how == RunEnd::kNow) return request_stop();
  request_drain(drain_timeout_ms);
}

void Server::settle_run(uint64_t run_number) noexcept {
  Inside inside(*this);
  if (state_ != RunState::kIdle && run_number_ == run_number) await_end(inside.lock);
}

// ---- Freeing ----

void* Server::free_elsewhere(void* server) noexcept {
  free(static_cast<Server*>(server));
  return nullptr;
}

void Server::free(Server* server) noexcept {
  if (!server->on_own_thread()) {
    (void)server->stop();
    {
      Lock lock(server->mutex_);
      server->changed_.wait(lock, [server] { return server->callers_inside_ == 0; });
    }
    delete server;
    return;
  }
  server->request_stop();
  if (start_detached_thread(free_elsewhere, server) != 0) {
    server->config_->log.write(TCPKIT_LOG_ERROR, "no thread to free a server on: it leaks");
  }
}

}  // namespace tcpkit
