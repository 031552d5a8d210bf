// Start, run, stop, wait and free. A run goes idle -> starting -> running -> ending -> idle. Loops
// end by themselves once they are told to stop; whoever waits last joins them and closes up.
#include <new>

#include "base/thread.h"
#include "server/server.h"

namespace tcpkit {

bool Server::on_own_loop() const noexcept {
  for (size_t i = 0; i < loop_count(); ++i) {
    if (host(i)->loop().is_home()) return true;
  }
  return false;
}

bool Server::is_running() const noexcept {
  const Lock lock(mutex_);
  return state_ != RunState::kIdle;
}

// ---- Starting ----

Status Server::open_everything() {
  const std::lock_guard lock(workers_mutex_);
  stop_requested_ = false;
  for (size_t i = 0; i < loop_count(); ++i) {
    const Status status = host(i)->open();
    if (status != TCPKIT_OK) return status;
    workers_.push_back(std::make_unique<Worker>(*this, Ref<ConnHost>::share(host(i))));
  }
  return listeners_.open_all(loop_count());
}

Status Server::call_start_hook() noexcept {
  try {
    strategy_->on_start(handle());
    return TCPKIT_OK;
  } catch (...) {
    return fail(TCPKIT_E_CALLBACK, "the strategy's on_start threw");
  }
}

// Acceptors and the tick are armed before their threads exist; the threads' creation publishes
// them.
Status Server::start_workers(uint32_t first_thread) {
  for (const Listeners::Entry& entry : listeners_.entries()) {
    const Status status = add_acceptors(entry, false);
    if (status != TCPKIT_OK) return status;
  }
  tick_.start(host(0)->loop());
  const std::lock_guard lock(workers_mutex_);
  workers_[0]->set_tick(&tick_);
  active_workers_.store(static_cast<uint32_t>(workers_.size()), std::memory_order_relaxed);
  for (size_t i = 0; i < workers_.size(); ++i) handler_threads_.add_one();
  for (size_t i = first_thread; i < workers_.size(); ++i) {
    const Status status = workers_[i]->start_thread();
    if (status != TCPKIT_OK) return status;
  }
  return TCPKIT_OK;
}

// Takes back a start that failed half-way: threads that run are stopped, the others never will.
// Unlocked meanwhile, since a loop that ends takes the lock; the state keeps others out.
void Server::abandon_start(Lock& lock) noexcept {
  const LastError why = last_error();
  lock.unlock();
  {
    const std::lock_guard workers_lock(workers_mutex_);
    stop_requested_ = true;
    for (const auto& worker : workers_) worker->abandon();
    workers_.clear();
  }
  lock.lock();
  host(0)->loop().timers().disarm(tick_);
  listeners_.undo_open_all();
  handler_threads_.remove_all();
  active_workers_.store(0, std::memory_order_relaxed);
  state_ = RunState::kIdle;
  restore_last_error(why);
}

Status Server::begin_start(Lock& lock, uint32_t first_thread) {
  const bool ended_unseen =
      state_ == RunState::kRunning && active_workers_ == 0 && !run_caller_inside_;
  if (ended_unseen) await_idle(lock);
  if (state_ != RunState::kIdle) {
    return fail(TCPKIT_E_ALREADY_RUNNING, "the server was started and has not stopped");
  }
  state_ = RunState::kStarting;
  Status status = open_everything();
  if (status == TCPKIT_OK) {
    lock.unlock();
    status = call_start_hook();
    lock.lock();
  }
  if (status == TCPKIT_OK) status = start_workers(first_thread);
  if (status == TCPKIT_OK) {
    state_ = RunState::kRunning;
  } else {
    abandon_start(lock);
  }
  changed_.notify_all();
  return status;
}

Status Server::start() {
  Lock lock(mutex_);
  return begin_start(lock, 0);
}

Status Server::run() {
  Lock lock(mutex_);
  Status status = begin_start(lock, 1);
  if (status != TCPKIT_OK) return status;
  run_caller_inside_ = true;
  Worker& first = *workers_[0];
  lock.unlock();
  SignalWatcher signals(first.host().loop());
  if (options_.handle_signals == TCPKIT_ON) status = signals.open(on_signal, this);
  const LastError why = last_error();
  if (status != TCPKIT_OK) request_stop();
  first.run();
  signals.close();
  lock.lock();
  changed_.wait(lock, [this] { return active_workers_ == 0; });
  finish_run(lock);
  run_caller_inside_ = false;
  changed_.notify_all();
  if (status != TCPKIT_OK) restore_last_error(why);
  return status;
}

void Server::on_signal(int signal_number, void* server) noexcept {
  auto* stopped = static_cast<Server*>(server);
  stopped->config_->log.write(TCPKIT_LOG_INFO, "signal %d: the server stops", signal_number);
  stopped->request_stop();
}

// ---- Stopping ----

void Server::request_stop() noexcept {
  const std::lock_guard lock(workers_mutex_);
  if (stop_requested_) return;
  stop_requested_ = true;
  for (const auto& worker : workers_) worker->post_stop();
}

void Server::worker_ended() noexcept {
  const Lock lock(mutex_);
  handler_threads_.remove_one();
  active_workers_.fetch_sub(1, std::memory_order_relaxed);
  changed_.notify_all();
}

// Waits for the end of a run; the first waiter closes it up, unless the thread in run() does.
void Server::await_idle(Lock& lock) noexcept {
  const auto can_finish = [this] {
    return state_ == RunState::kRunning && active_workers_ == 0 && !run_caller_inside_;
  };
  while (state_ != RunState::kIdle) {
    changed_.wait(lock, [&] { return state_ == RunState::kIdle || can_finish(); });
    if (can_finish()) finish_run(lock);
  }
}

void Server::finish_run(Lock& lock) noexcept {
  state_ = RunState::kEnding;
  listeners_.close_all();
  lock.unlock();
  {
    const std::lock_guard workers_lock(workers_mutex_);
    for (const auto& worker : workers_) worker->join();
    workers_.clear();
  }
  tick_.clear_rates();
  try {
    strategy_->on_stop(handle());
  } catch (...) {
    config_->log.write(TCPKIT_LOG_ERROR, "the strategy's on_stop threw; it is dropped");
  }
  lock.lock();
  state_ = RunState::kIdle;
  changed_.notify_all();
}

Status Server::stop() {
  if (on_own_loop()) {
    request_stop();
    return TCPKIT_OK;
  }
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return state_ != RunState::kStarting; });
  if (state_ == RunState::kIdle) return TCPKIT_OK;
  if (state_ == RunState::kRunning) request_stop();
  await_idle(lock);
  return TCPKIT_OK;
}

Status Server::wait() {
  if (on_own_loop()) {
    return fail(TCPKIT_E_WRONG_THREAD, "waiting on a loop of the server would never end");
  }
  Lock lock(mutex_);
  changed_.wait(lock, [this] { return state_ != RunState::kStarting; });
  await_idle(lock);
  return TCPKIT_OK;
}

// ---- Freeing ----

void* Server::free_elsewhere(void* server) noexcept {
  free(static_cast<Server*>(server));
  return nullptr;
}

void Server::free(Server* server) noexcept {
  if (!server->on_own_loop()) {
    (void)server->stop();
    {
      Lock lock(server->mutex_);
      server->changed_.wait(lock, [server] { return !server->run_caller_inside_; });
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
