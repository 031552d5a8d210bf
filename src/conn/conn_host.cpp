// Opening of connections, and their end together.
#include "conn/conn_host.h"

#include <unistd.h>

#include "conn/detached.h"

namespace tcpkit {

ConnHost::ConnHost(Ref<LoopHost> loop_host, std::shared_ptr<const ConnConfig> config,
                   uint32_t index, Role role) noexcept
    : loop_host_(std::move(loop_host)),
      config_(std::move(config)),
      index_(index),
      role_(role),
      read_size_(std::min(config_->read_buffer_size, loop_host_->read_buffer_size())),
      output_limit_(std::min(config_->flow.max_queued_bytes, EventOutput::kBytes)),
      slab_(index) {
  if (role == Role::kGuest) return;
  loop_host_->add_tenant(*this);
  loop_host_->set_owner(this);
}

// An owner is the last tenant of its loop, which does not run any more.
ConnHost::~ConnHost() {
  if (role_ == Role::kGuest) return;
  loop_host_->remove_tenant(*this);
  loop_host_->set_owner(nullptr);
}

Status ConnHost::open() noexcept {
  stopping_ = draining_ = drain_held_ = false;
  return loop_host_->open();
}

void ConnHost::refuse(int fd, const PeerAddress& peer) noexcept {
  close(fd);
  unreserve_one();
  config_->leave(config_->counted_peer(peer));
}

// Null, and the descriptor still the caller's, if it cannot be served.
Conn* ConnHost::make_conn(int fd, const SocketAddress& peer) noexcept {
  const ConnSlab::Place place = slab_.take();
  if (place.memory == nullptr) {
    (void)fail(TCPKIT_E_NO_MEMORY, "out of memory for a connection");
    config_->log.write(TCPKIT_LOG_ERROR, "out of memory for a connection; it is refused");
    return nullptr;
  }
  auto* conn = new (place.memory) Conn(*this, place.id, fd, peer);
  if (!conn->attach()) {
    conn->release();
    return nullptr;
  }
  ++open_count_;
  slab_.list(*conn);
  return conn;
}

void ConnHost::open_conn(int fd, const SocketAddress& peer, Transport transport) noexcept {
  if (stopping_) return refuse(fd, PeerAddress(peer));
  Conn* conn = make_conn(fd, peer);
  if (conn == nullptr) return refuse(fd, PeerAddress(peer));
  counters_.accepted.add(1);
  conn->open(transport);
}

Ref<Conn> ConnHost::make_dialled(int fd, const SocketAddress& peer) noexcept {
  Conn* conn = make_conn(fd, peer);
  if (conn == nullptr) return {};
  reserve_one();
  config_->open_connections.add_one();
  return Ref<Conn>::share(conn);
}

void ConnHost::conn_gone(const PeerAddress& counted) noexcept {
  counters_.closed.add(1);
  unreserve_one();
  config_->leave(counted);
  --open_count_;
}

void ConnHost::list_detached(Detached& detached) noexcept {
  const std::lock_guard lock(detached_mutex_);
  detached.next_listed = first_detached_;
  if (first_detached_ != nullptr) first_detached_->previous_listed = &detached;
  first_detached_ = &detached;
}

void ConnHost::unlist_detached(Detached& detached) noexcept {
  const std::lock_guard lock(detached_mutex_);
  Detached* const previous = detached.previous_listed;
  (previous == nullptr ? first_detached_ : previous->next_listed) = detached.next_listed;
  if (detached.next_listed != nullptr) detached.next_listed->previous_listed = previous;
  add_counters(detached.counters(), counters_);
}

void ConnHost::add_counters_to(tcpkit_metrics& metrics) const noexcept {
  const std::lock_guard lock(detached_mutex_);
  add_counters(counters_, metrics);
  for (const Detached* each = first_detached_; each != nullptr; each = each->next_listed) {
    add_counters(each->counters(), metrics);
  }
}

void ConnHost::abandon() noexcept {
  stopping_ = true;
  loop_host_->abandon();
}

// Without taking memory: the end of a server must not wait for any.
void ConnHost::stop() noexcept {
  stopping_ = true;
  uint32_t slot = 0;
  while (const Ref<Conn> conn = slab_.next_listed(slot)) conn->stop_now();
}

void ConnHost::drain(uint64_t timeout_ms, DrainHold hold) noexcept {
  if (stopping_) return;
  draining_ = true;
  drain_held_ = hold == DrainHold::kHeld;
  if (timeout_ms != TCPKIT_UNLIMITED) {
    loop().timers().arm(drain_timer_, loop().deadline_in(timeout_ms));
  }
  uint32_t slot = 0;
  while (const Ref<Conn> conn = slab_.next_listed(slot)) conn->drain();
}

void ConnHost::end_of_turn() noexcept {
  if (open_count_ > 0) return;
  if (draining_ && !drain_held_) stopping_ = true;
  if (!stopping_) return;
  if (drain_timer_.armed()) loop().timers().disarm(drain_timer_);
  if (role_ == Role::kOwner) loop_host_->end();
}

}  // namespace tcpkit
