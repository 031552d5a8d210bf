// What a server has: loops, listeners, connections, metrics; and where a new connection goes.
#include "server/server.h"

#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <new>

namespace tcpkit {

Server::Server(ServerSetup setup)
    : handlers_data_(std::move(setup.handlers_data)),
      strategy_data_(std::move(setup.strategy_data)),
      options_(setup.options),
      config_(std::move(setup.config)),
      strategy_(std::move(setup.strategy)),
      listeners_(options_),
      tick_(*this, options_.tick_interval_ms) {}

Server::~Server() {
  for (std::atomic<ConnHost*>& host : hosts_) {
    ConnHost* owned = host.load(std::memory_order_relaxed);
    if (owned != nullptr) owned->release();
  }
}

Status Server::prepare() {
  if (options_.listen != nullptr) {
    const Status status = listeners_.add_list(options_.listen);
    if (status != TCPKIT_OK) return status;
  }
  while (host_count_.load(std::memory_order_relaxed) < options_.loops) {
    const uint32_t index = host_count_.load(std::memory_order_relaxed);
    publish_host(make_host(index));
  }
  return TCPKIT_OK;
}

Ref<ConnHost> Server::make_host(uint32_t index) const {
  auto loop_host = Ref<LoopHost>::adopt(
      new LoopHost(config_->log, {config_, &config_->fork_guard}, config_->read_buffer_size));
  return Ref<ConnHost>::adopt(
      new ConnHost(std::move(loop_host), config_, index, ConnHost::Role::kOwner));
}

// release: whoever sees the count sees the host.
void Server::publish_host(Ref<ConnHost> host) noexcept {
  const uint32_t index = host_count_.load(std::memory_order_relaxed);
  hosts_[index].store(host.detach(), std::memory_order_relaxed);
  host_count_.store(index + 1, std::memory_order_release);
}

ConnHost* Server::host(size_t index) const noexcept {
  return index < loop_count() ? hosts_[index].load(std::memory_order_relaxed) : nullptr;
}

// ---- Listeners ----

// Resolving a name may take long, so the socket is opened before the lock is taken.
Status Server::listen(const char* address, const tcpkit_listen_options& options) {
  Listeners::Entry entry;
  Status status = listeners_.make_entry(address, options, entry);
  if (status == TCPKIT_OK) status = listeners_.open(entry, loop_count());
  if (status != TCPKIT_OK) return status;
  const Lock lock(mutex_);
  std::vector<Listeners::Entry>& entries = listeners_.entries();
  entries.reserve(entries.size() + 1);  // nothing may fail once acceptors are posted
  if (state_ == RunState::kRunning && !is_over()) status = post_acceptors(entry);
  if (status != TCPKIT_OK) return status;
  entry.keep();
  entries.push_back(std::move(entry));
  return TCPKIT_OK;
}

// The protocol of sd_listen_fds: descriptors from 3 on, if they were meant for this process.
Status Server::listen_inherited(size_t& count) {
  constexpr long kFirstFd = 3;
  count = 0;
  const char* pid = std::getenv("LISTEN_PID");
  const char* fds = std::getenv("LISTEN_FDS");
  if (pid == nullptr || fds == nullptr || std::strtol(pid, nullptr, 10) != getpid()) {
    return TCPKIT_OK;
  }
  char* end = nullptr;
  const long number = std::strtol(fds, &end, 10);
  if (end == fds || *end != '\0' || number < 0 || number > INT_MAX - kFirstFd) {
    return fail(TCPKIT_E_BAD_VALUE, "LISTEN_FDS: \"%s\" is not a number of descriptors", fds);
  }
  for (long i = 0; i < number; ++i) {
    const std::string address = "fd://" + std::to_string(kFirstFd + i);
    const Status status = listen(address.c_str(), TCPKIT_LISTEN_OPTIONS_INIT);
    if (status != TCPKIT_OK) return status;
    ++count;
  }
  return TCPKIT_OK;
}

int Server::listener_fd(size_t index) noexcept {
  const Lock lock(mutex_);
  return listeners_.hand_over(index);
}

// Before a run. Socket i of a reuse_port listener is for loop i; a single one is accepted from on
// loop 0.
Status Server::add_acceptors(const Listeners::Entry& entry) noexcept {
  const std::lock_guard lock(workers_mutex_);
  for (size_t i = 0; i < entry.sockets.size() && i < workers_.size(); ++i) {
    const Status status = workers_[i]->add_acceptor(entry.source(i));
    if (status != TCPKIT_OK) return status;
  }
  return TCPKIT_OK;
}

// In a run: all of them or none. Loops take tasks until they are told to stop, and that cannot
// happen under this lock.
Status Server::post_acceptors(const Listeners::Entry& entry) {
  const std::lock_guard lock(workers_mutex_);
  if (stop_requested_ || drain_requested_) {
    return fail(TCPKIT_E_NOT_RUNNING, "the server is stopping");
  }
  const size_t count = std::min(entry.sockets.size(), workers_.size());
  std::vector<std::unique_ptr<AddAcceptorTask>> tasks;
  for (size_t i = 0; i < count; ++i) {
    tasks.push_back(std::make_unique<AddAcceptorTask>(*workers_[i], entry.source(i)));
  }
  for (size_t i = 0; i < count; ++i) {
    if (workers_[i]->host().loop().post(tasks[i].get())) (void)tasks[i].release();
  }
  return TCPKIT_OK;
}

// A forked child may have inherited the lock held.
size_t Server::listener_count() const noexcept {
  if (config_->fork_guard.in_child()) return 0;
  const Lock lock(mutex_);
  return listeners_.count();
}

std::string Server::listener_address(size_t index) const {
  if (config_->fork_guard.in_child()) return {};
  const Lock lock(mutex_);
  return listeners_.bound_text(index);
}

// ---- Connections ----

ConnHost* Server::refuse(Counter& counter, ServerLimit limit) noexcept {
  counter.add(1);
  config_->warn_of_limit(limit);
  return nullptr;
}

// While new connections are to wait at a limit, the accept waits: for the next token of the rate,
// or for a moment in which a connection may have ended. The place is taken before the accept, since
// other loops may be accepting too.
uint64_t Server::begin_accept() noexcept {
  constexpr uint64_t kFullDelayMs = 20;
  if (!config_->waits_at_limit) return 0;
  if (config_->handshakes.now() >= config_->tls.max_handshakes) return kFullDelayMs;
  if (!config_->accept_slots.add_up_to(1, options_.max_connections)) return kFullDelayMs;
  if (config_->admission == nullptr) return 0;
  const uint64_t delay_ms = config_->admission->take_token(monotonic_ns() / 1'000'000u);
  if (delay_ms != 0) config_->accept_slots.remove_one();
  return delay_ms;
}

void Server::cancel_accept() noexcept {
  if (!config_->waits_at_limit) return;
  config_->accept_slots.remove_one();
  if (config_->admission != nullptr) config_->admission->return_token();
}

ConnHost* Server::place_connection(ConnHost& accepting, Placement placement,
                                   const PeerAddress& peer) noexcept {
  LoopCounters& counters = accepting.own_counters();
  if (!config_->open_connections.add_up_to(1, options_.max_connections)) {
    return refuse(counters.refused_connections, ServerLimit::kConnections);
  }
  Admitted admitted = Admitted::kYes;
  if (config_->admission != nullptr) {
    const uint64_t now_ms = monotonic_ns() / 1'000'000u;
    const auto token = config_->waits_at_limit ? Admission::Token::kTaken : Admission::Token::kTake;
    admitted = config_->admission->enter(config_->counted_peer(peer), now_ms, token);
  }
  if (admitted != Admitted::kYes) {
    config_->open_connections.remove_one();
    cancel_accept();
  }
  switch (admitted) {
    case Admitted::kAddressFull:
      return refuse(counters.refused_by_address, ServerLimit::kPerAddress);
    case Admitted::kPrefixFull:
      return refuse(counters.refused_by_prefix, ServerLimit::kPerPrefix);
    case Admitted::kTooFast:
      return refuse(counters.refused_by_rate, ServerLimit::kAcceptRate);
    case Admitted::kYes:
      break;
  }
  ConnHost* target = placement == Placement::kHere ? &accepting : choose_host();
  target->reserve_one();
  return target;
}

ConnHost* Server::choose_host() noexcept {
  std::array<uint32_t, kMostLoops> loads;
  const size_t count = loop_count();
  uint32_t least = 0;
  for (uint32_t i = 0; i < count; ++i) {
    loads[i] = host(i)->load();
    if (loads[i] < loads[least]) least = i;
  }
  const uint32_t chosen = strategy_->choose_pool({loads.data(), count});
  if (chosen != Strategy::kNewPool) return host(chosen);
  ConnHost* grown = grow();
  return grown != nullptr ? grown : host(least);
}

// On the accepting loop: one more loop with its thread; nullptr if that cannot be had.
ConnHost* Server::grow() noexcept {
  Status status = TCPKIT_E_NO_MEMORY;
  try {
    const std::lock_guard lock(workers_mutex_);
    const uint32_t index = host_count_.load(std::memory_order_relaxed);
    if (stop_requested_ || drain_requested_ || index == kMostLoops) return nullptr;
    Ref<ConnHost> new_host = make_host(index);
    auto worker = std::make_unique<Worker>(*this, new_host);
    workers_.reserve(workers_.size() + 1);
    status = new_host->open();
    if (status == TCPKIT_OK) status = start_thread_of(*worker);
    if (status == TCPKIT_OK) {
      workers_.push_back(std::move(worker));
      publish_host(std::move(new_host));
      return host(index);
    }
    new_host->abandon();
  } catch (const std::bad_alloc&) {
    status = fail(TCPKIT_E_NO_MEMORY, "out of memory for a loop");
  }
  config_->log.write(TCPKIT_LOG_WARNING, "no new read pool: %s", last_error().message);
  return nullptr;
}

Status Server::start_thread_of(Worker& worker) noexcept {
  active_workers_.fetch_add(1, std::memory_order_relaxed);
  config_->handler_threads.add_one();
  const Status status = worker.start_thread();
  if (status == TCPKIT_OK) return TCPKIT_OK;
  active_workers_.fetch_sub(1, std::memory_order_relaxed);
  config_->handler_threads.remove_one();
  return status;
}

Ref<Conn> Server::find(uint64_t conn_id) const noexcept {
  ConnHost* owner = host(ConnSlab::loop_of(conn_id));
  if (owner == nullptr) return {};
  Ref<Conn> conn = owner->slab().find(conn_id);
  return conn && conn->is_announced() ? conn : Ref<Conn>();
}

std::vector<Ref<Conn>> Server::connections() const {
  std::vector<Ref<Conn>> found;
  found.reserve(config_->open_connections.now());
  for (size_t i = 0; i < loop_count(); ++i) host(i)->slab().collect(found);
  std::erase_if(found, [](const Ref<Conn>& conn) { return !conn->is_announced(); });
  return found;
}

// ---- Metrics ----

void Server::sum(tcpkit_metrics& metrics) const noexcept {
  for (size_t i = 0; i < loop_count(); ++i) host(i)->add_counters_to(metrics);
  metrics.connections = config_->open_connections.now();
  metrics.max_connections = config_->open_connections.most();
  metrics.buffered_bytes = config_->buffered_bytes.now();
  metrics.max_buffered_bytes = config_->buffered_bytes.most();
  metrics.tls_handshakes_now = config_->handshakes.now();
  metrics.refused_sends = config_->refused_sends.load(std::memory_order_relaxed);
  metrics.handler_threads = config_->handler_threads.now();
  metrics.max_handler_threads = config_->handler_threads.most();
  metrics.waiting_connections = config_->waiting_connections.now();
}

tcpkit_metrics Server::metrics() const noexcept {
  tcpkit_metrics snapshot = TCPKIT_METRICS_INIT;
  sum(snapshot);
  const MetricsTick::Rates rates = tick_.rates();
  snapshot.reads_per_second = rates.reads_per_second;
  snapshot.writes_per_second = rates.writes_per_second;
  return snapshot;
}

void Server::publish(const tcpkit_metrics& metrics) noexcept {
  try {
    strategy_->on_metrics(handle(), &metrics);
    const tcpkit_handlers& handlers = config_->handlers;
    if (handlers.on_metrics != nullptr) handlers.on_metrics(handle(), &metrics, handlers.user_data);
  } catch (...) {
    config_->log.write(TCPKIT_LOG_ERROR, "a metrics callback threw; it is dropped");
  }
}

}  // namespace tcpkit
