// Opening and recycling of connections, and the end of a loop's turn.
#include "conn/conn_host.h"

#include <unistd.h>

#include <new>

namespace tcpkit {

ConnHost::ConnHost(std::shared_ptr<const ConnConfig> config, uint32_t index) noexcept
    : config_(std::move(config)),
      index_(index),
      work_(loop_, handle(), config_->log),
      slab_(index) {}

Status ConnHost::open() noexcept {
  if (read_buffer_ == nullptr) {
    // Behind what is read there is room for a record that ends in it and began before.
    const size_t size = kFrontBytes + config_->read_buffer_size + kRecordRoom;
    read_buffer_.reset(new (std::nothrow) uint8_t[size]);
    if (read_buffer_ == nullptr) {
      return fail(TCPKIT_E_NO_MEMORY, "out of memory for a read buffer of %zu bytes", size);
    }
  }
  if (!event_output_.allocate(config_->flow.max_queued_bytes))
    return fail(TCPKIT_E_NO_MEMORY, "out of memory for a loop");
  stopping_ = draining_ = drain_held_ = false;
  return loop_.open();
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

void ConnHost::abandon() noexcept {
  stopping_ = true;
  loop_.close();
  work_.clear();
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
    loop_.timers().arm(drain_timer_, loop_.deadline_in(timeout_ms));
  }
  uint32_t slot = 0;
  while (const Ref<Conn> conn = slab_.next_listed(slot)) conn->drain();
}

// Retained, since an event of its own may end the connection before the turn does.
void ConnHost::add_to_turn(Conn& conn) noexcept {
  conn.retain();
  conn.next_in_turn = first_in_turn_;
  first_in_turn_ = &conn;
}

void ConnHost::add_to_deliver(Conn& conn) noexcept {
  conn.retain();
  conn.next_to_deliver = nullptr;
  (last_to_deliver_ == nullptr ? first_to_deliver_ : last_to_deliver_->next_to_deliver) = &conn;
  last_to_deliver_ = &conn;
}

void ConnHost::finish_touched() noexcept {
  while (first_in_turn_ != nullptr) {
    const Ref<Conn> conn = Ref<Conn>::adopt(first_in_turn_);
    first_in_turn_ = conn->next_in_turn;
    conn->finish_turn();
  }
}

bool ConnHost::finish_turn() noexcept {
  handshake_ns_ = 0;
  finish_touched();
  Conn* waiting = first_to_deliver_;
  first_to_deliver_ = last_to_deliver_ = nullptr;
  while (waiting != nullptr) {
    const Ref<Conn> conn = Ref<Conn>::adopt(waiting);
    waiting = waiting->next_to_deliver;
    conn->continue_delivery();
  }
  finish_touched();
  if (draining_ && !drain_held_ && open_count_ == 0) stopping_ = true;
  if (stopping_ && open_count_ == 0 && first_in_turn_ == nullptr) {
    work_.clear();
    loop_.timers().disarm(drain_timer_);
    loop_.finish();
  }
  return first_to_deliver_ != nullptr || first_in_turn_ != nullptr || stopping_;
}

}  // namespace tcpkit
