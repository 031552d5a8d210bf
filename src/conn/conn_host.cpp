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
  if (role == Role::kOwner) loop_host_->add_tenant(*this);
}

// An owner is the last tenant of its loop, which does not run any more.
ConnHost::~ConnHost() {
  if (role_ == Role::kOwner) loop_host_->remove_tenant(*this);
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

void ConnHost::open_conn(int fd, const SocketAddress& peer, Transport transport) noexcept {
  if (stopping_) return refuse(fd, PeerAddress(peer));
  const ConnSlab::Place place = slab_.take();
  if (place.memory == nullptr) {
    config_->log.write(TCPKIT_LOG_ERROR, "out of memory for a connection; it is refused");
    return refuse(fd, PeerAddress(peer));
  }
  auto* conn = new (place.memory) Conn(*this, place.id, fd, peer);
  if (!conn->attach()) {
    conn->release();
    return refuse(fd, PeerAddress(peer));
  }
  counters_.accepted.add(1);
  ++open_count_;
  slab_.list(*conn);
  conn->open(transport);
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
