// The end of a loop's turn, and of the loop.
#include "conn/loop_host.h"

#include <algorithm>
#include <new>

#include "conn/conn.h"

namespace tcpkit {

LoopHost::LoopHost(const Log& log, std::shared_ptr<const ForkGuard> fork_guard,
                   size_t read_buffer_size) noexcept
    : read_buffer_size_(read_buffer_size),
      log_(log),
      fork_guard_(std::move(fork_guard)),
      work_(loop_, handle(), log_) {}

Status LoopHost::open() noexcept {
  if (read_buffer_ == nullptr) {
    // Behind what is read there is room for a record that ends in it and began before.
    const size_t size = kFrontBytes + read_buffer_size_ + kRecordRoom;
    read_buffer_.reset(new (std::nothrow) uint8_t[size]);
    if (read_buffer_ == nullptr) {
      return fail(TCPKIT_E_NO_MEMORY, "out of memory for a read buffer of %zu bytes", size);
    }
  }
  if (!event_output_.allocate()) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a loop");
  ending_ = false;
  return loop_.open();
}

// Nothing that is run here may begin what only a run could end.
void LoopHost::abandon() noexcept {
  ending_ = true;
  loop_.close();
  work_.clear();
}

Resolver& LoopHost::resolver() {
  if (resolver_ == nullptr) resolver_ = std::make_shared<Resolver>();
  return *resolver_;
}

void LoopHost::add_tenant(LoopTenant& tenant) noexcept {
  tenant.previous_tenant = nullptr;
  tenant.next_tenant = first_tenant_;
  if (first_tenant_ != nullptr) first_tenant_->previous_tenant = &tenant;
  first_tenant_ = &tenant;
}

void LoopHost::remove_tenant(LoopTenant& tenant) noexcept {
  LoopTenant* const previous = tenant.previous_tenant;
  (previous == nullptr ? first_tenant_ : previous->next_tenant) = tenant.next_tenant;
  if (tenant.next_tenant != nullptr) tenant.next_tenant->previous_tenant = previous;
}

void LoopHost::end() noexcept {
  ending_ = true;
}

// Retained, since an event of its own may end the connection before the turn does.
void LoopHost::add_to_turn(Conn& conn) noexcept {
  conn.retain();
  conn.next_in_turn = first_in_turn_;
  first_in_turn_ = &conn;
}

void LoopHost::add_to_deliver(Conn& conn) noexcept {
  conn.retain();
  conn.next_to_deliver = nullptr;
  (last_to_deliver_ == nullptr ? first_to_deliver_ : last_to_deliver_->next_to_deliver) = &conn;
  last_to_deliver_ = &conn;
}

bool LoopHost::add_to_write(Conn& conn, uint32_t pool_size) noexcept {
  const bool none_wait = next_to_write_ == to_write_.size();
  if (none_wait && pool_written_ < pool_size) {
    ++pool_written_;
    return false;
  }
  try {
    to_write_.push_back(&conn);
  } catch (const std::bad_alloc&) {
    return false;
  }
  conn.retain();
  pool_size_ = none_wait ? pool_size : std::min(pool_size_, pool_size);
  return true;
}

// At the end of a turn: the next targets are written at the end of the one to come.
void LoopHost::begin_pool() noexcept {
  pool_written_ = 0;
  if (to_write_.empty()) return;
  while (next_to_write_ < to_write_.size() && pool_written_ < pool_size_) {
    const Ref<Conn> conn = Ref<Conn>::adopt(to_write_[next_to_write_++]);
    conn->write_in_turn();
    ++pool_written_;
  }
  if (next_to_write_ < to_write_.size() - next_to_write_) return;
  to_write_.erase(to_write_.begin(), to_write_.begin() + static_cast<ptrdiff_t>(next_to_write_));
  next_to_write_ = 0;
}

void LoopHost::finish_touched() noexcept {
  while (first_in_turn_ != nullptr) {
    const Ref<Conn> conn = Ref<Conn>::adopt(first_in_turn_);
    first_in_turn_ = conn->next_in_turn;
    conn->finish_turn();
  }
}

bool LoopHost::is_empty() const noexcept {
  if (first_in_turn_ != nullptr || first_to_deliver_ != nullptr) return false;
  if (!to_write_.empty()) return false;
  for (const LoopTenant* tenant = first_tenant_; tenant != nullptr; tenant = tenant->next_tenant) {
    if (tenant->is_here()) return false;
  }
  return true;
}

void LoopHost::end_if_empty() noexcept {
  for (LoopTenant* tenant = first_tenant_; tenant != nullptr; tenant = tenant->next_tenant) {
    tenant->evict();
  }
  finish_touched();
  if (!is_empty()) return;
  work_.clear();
  loop_.finish();
}

bool LoopHost::finish_turn() noexcept {
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
  if (owner_ != nullptr) owner_->end_of_turn();
  begin_pool();
  if (ending_) end_if_empty();
  return first_to_deliver_ != nullptr || first_in_turn_ != nullptr;
}

}  // namespace tcpkit
