// What a server has: loops, listeners, connections, metrics; and where a new connection goes.
#include "server/server.h"

#include <new>

namespace tcpkit {

Server::Server(ServerSetup setup)
    : options_(setup.options),
      config_(std::move(setup.config)),
      strategy_(std::move(setup.strategy)),
      listeners_(options_),
      tick_(*this, options_.tick_interval_ms),
      handlers_data_(std::move(setup.handlers_data)),
      strategy_data_(std::move(setup.strategy_data)) {}

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
    publish_host(Ref<ConnHost>::adopt(new ConnHost(config_, index)));
  }
  return TCPKIT_OK;
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

Status Server::listen(const char* address, const tcpkit_listen_options& options) {
  const Lock lock(mutex_);
  Status status = listeners_.add(address, options);
  if (status != TCPKIT_OK) return status;
  Listeners::Entry& entry = listeners_.entries().back();
  status = listeners_.open(entry, loop_count());
  if (status == TCPKIT_OK && state_ == RunState::kRunning) {
    status = add_acceptors(entry, true);
  }
  if (status != TCPKIT_OK) listeners_.remove_last();
  return status;
}

// Entry i of a reuse_port listener is for loop i; a single socket is accepted from on loop 0.
Status Server::add_acceptors(const Listeners::Entry& entry, bool posted) noexcept {
  const Placement placement = entry.settings.reuse_port ? Placement::kHere : Placement::kSpread;
  const std::lock_guard lock(workers_mutex_);
  for (size_t i = 0; i < entry.sockets.size() && i < workers_.size(); ++i) {
    const AcceptSource source{entry.sockets[i]->fd(), placement};
    Worker& worker = *workers_[i];
    const Status status = posted ? worker.post_acceptor(source) : worker.add_acceptor(source);
    if (status != TCPKIT_OK) return status;
  }
  return TCPKIT_OK;
}

size_t Server::listener_count() const noexcept {
  const Lock lock(mutex_);
  return listeners_.count();
}

std::string Server::listener_address(size_t index) const {
  const Lock lock(mutex_);
  return listeners_.bound_text(index);
}

// ---- Connections ----

ConnHost* Server::place_connection(ConnHost& accepting, Placement placement) noexcept {
  if (config_->open_connections.add_one() > options_.max_connections) {
    config_->open_connections.remove_one();
    return nullptr;
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
  const std::lock_guard lock(workers_mutex_);
  const uint32_t index = host_count_.load(std::memory_order_relaxed);
  if (stop_requested_ || index == kMostLoops) return nullptr;
  try {
    auto new_host = Ref<ConnHost>::adopt(new ConnHost(config_, index));
    auto worker = std::make_unique<Worker>(*this, new_host);
    workers_.reserve(workers_.size() + 1);
    Status status = new_host->open();
    if (status == TCPKIT_OK) {
      active_workers_.fetch_add(1, std::memory_order_relaxed);
      handler_threads_.add_one();
      status = worker->start_thread();
      if (status == TCPKIT_OK) {
        workers_.push_back(std::move(worker));
        publish_host(std::move(new_host));
        return host(index);
      }
      active_workers_.fetch_sub(1, std::memory_order_relaxed);
      handler_threads_.remove_one();
    }
    config_->log.write(TCPKIT_LOG_WARNING, "no new read pool: %s", last_error().message);
  } catch (const std::bad_alloc&) {
    config_->log.write(TCPKIT_LOG_WARNING, "no new read pool: out of memory");
  }
  return nullptr;
}

Ref<Conn> Server::find(uint64_t conn_id) const noexcept {
  ConnHost* owner = host(ConnSlab::loop_of(conn_id));
  return owner == nullptr ? Ref<Conn>() : owner->slab().find(conn_id);
}

std::vector<Ref<Conn>> Server::connections() const {
  std::vector<Ref<Conn>> found;
  found.reserve(config_->open_connections.now());
  for (size_t i = 0; i < loop_count(); ++i) host(i)->slab().collect(found);
  return found;
}

// ---- Metrics ----

void Server::sum(tcpkit_metrics& metrics) const noexcept {
  for (size_t i = 0; i < loop_count(); ++i) add_counters(host(i)->counters(), metrics);
  metrics.connections = config_->open_connections.now();
  metrics.max_connections = config_->open_connections.most();
  metrics.handler_threads = handler_threads_.now();
  metrics.max_handler_threads = handler_threads_.most();
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
