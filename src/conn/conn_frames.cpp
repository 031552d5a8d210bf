// Frames of broadcasts on their way into a connection, and the policy for one that takes them too
// slowly.

// An account of the policy:
//
// A connection is behind while frames wait for it that the kernel does not take. Then, and only
// then, the rules of the group are held against each new frame: it may not be more than max_frames
// or max_bytes that wait, and the oldest may not have waited for longer than quantum_ms. What
// happens else is the policy. Only frames of the same group are ever dropped, and only whole ones:
// the first of the queue may be half on its way. While a write is under way, or while bytes wait
// that were sent before TLS began, the queue is not to be touched; then the new frame is dropped.
#include <new>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"

namespace tcpkit {

// ---- Scopes ----

FrameScope* Conn::find_scope(const ConnGroup* group) const noexcept {
  FrameScope* scope = extras() == nullptr ? nullptr : extras()->first_scope;
  while (scope != nullptr && scope->group.get() != group) scope = scope->next;
  return scope;
}

FrameScope* Conn::take_scope(ConnGroup* group) noexcept {
  if (state() == ConnState::kClosed) return nullptr;
  if (FrameScope* found = find_scope(group)) return found;
  if (make_extras() == nullptr) return nullptr;
  auto* scope = new (std::nothrow) FrameScope(*this, Ref<ConnGroup>::share(group));
  if (scope == nullptr) return nullptr;
  scope->next = extras()->first_scope;
  return extras()->first_scope = scope;
}

// One whose frames still wait is left; another look will find it.
void Conn::give_back_scope(FrameScope& scope) noexcept {
  if (scope.is_member() || scope.backlog.frames > 0 || scope.pins > 0) return;
  FrameScope** link = &extras()->first_scope;
  while (*link != &scope) link = &(*link)->next;
  *link = scope.next;
  delete &scope;
}

// After the queue was cleared.
void Conn::end_scopes() noexcept {
  if (extras() == nullptr) return;
  FrameScope*& first = extras()->first_scope;
  while (first != nullptr) {
    const std::unique_ptr<FrameScope> scope(first);
    first = scope->next;
    if (scope->is_member()) scope->group->drop_member(*scope);
  }
}

// ---- Frames ----

bool Conn::may_drop_frames() const noexcept {
  return !flushing_ && (tls_ == nullptr || tls_->clear_bytes == 0);
}

bool Conn::is_behind(const FrameBacklog& backlog, const SharedFrame& frame,
                     const FrameRules& rules) const noexcept {
  if (backlog.frames == 0) return false;  // and no frame is larger than max_bytes
  if (backlog.frames >= rules.max_frames) return true;
  if (backlog.bytes > rules.max_bytes - frame.bytes.size()) return true;
  if (!waits_writable_ || rules.quantum_ms == TCPKIT_UNLIMITED) return false;
  const uint64_t age_ms = frame.queued_at_ms - WriteQueue::oldest_at_ms(backlog);
  return rules.quantum_ms == 0 || age_ms > rules.quantum_ms;
}

// A write may free a buffer of the user, whose function may let this connection leave the group.
FrameOutcome Conn::queue_frame(SharedFrame& frame, FrameScope& scope,
                               const FrameRules& rules) noexcept {
  const bool was_member = scope.is_member();
  ++scope.pins;
  const FrameOutcome outcome = queue_pinned(frame, scope, rules);
  --scope.pins;
  if (was_member && !scope.is_member()) give_back_scope(scope);
  return outcome;
}

FrameOutcome Conn::queue_pinned(SharedFrame& frame, FrameScope& scope,
                                const FrameRules& rules) noexcept {
  if (!takes_frames()) return FrameOutcome::kNotOpen;
  if (is_behind(scope.backlog, frame, rules)) {
    // What the kernel takes now does not count.
    if (!waits_writable_) flush_output();
    if (!takes_frames()) return FrameOutcome::kNotOpen;
    if (is_behind(scope.backlog, frame, rules)) return apply_policy(frame, scope, rules);
  }
  if (!find_room(frame.bytes.size())) return apply_policy(frame, scope, rules);
  return append_frame(frame, scope, rules);
}

FrameOutcome Conn::append_frame(SharedFrame& frame, FrameScope& scope,
                                const FrameRules& rules) noexcept {
  if (!spill_event_output() || !queue_.append_frame(host_.blocks(), frame, scope.backlog)) {
    publish_queued();
    return FrameOutcome::kNotOpen;
  }
  frame_queued(rules);
  return FrameOutcome::kQueued;
}

// A connection that waits for the kernel is written when that is ready, and needs no turn.
void Conn::frame_queued(const FrameRules& rules) noexcept {
  if (queued_bytes() > host_.config().flow.high_watermark) {
    if (!waits_writable_) flush_output();
    (void)note_level();
  }
  if (in_event_ || waits_writable_ || listed_in_turn_ || listed_to_write_) return;
  listed_to_write_ = host_.loop_host().add_to_write(*this, rules.pool_size);
  if (!listed_to_write_) list_in_turn();
}

FrameOutcome Conn::apply_policy(SharedFrame& frame, FrameScope& scope,
                                const FrameRules& rules) noexcept {
  if (rules.policy == TCPKIT_SLOW_CLOSE) {
    host_.own_counters().slow_consumers.add(1);
    reset_at_close(fd());
    fail_now({TCPKIT_CLOSE_SLOW_CONSUMER, TCPKIT_E_LIMIT, 0});
    return FrameOutcome::kSlow;
  }
  if (rules.policy == TCPKIT_SLOW_DROP_NEW || !may_drop_frames()) return FrameOutcome::kDropped;
  if (rules.policy == TCPKIT_SLOW_LATEST && replace_frame(frame, scope, rules)) {
    return FrameOutcome::kQueued;
  }
  return make_room(frame, scope, rules) ? append_frame(frame, scope, rules)
                                        : FrameOutcome::kDropped;
}

// ---- Dropping ----
//
// With the last queue that has it a buffer is freed, by a function of the user if it is theirs;
// flushing_ keeps that from writing or dropping in the queue that is being changed.

bool Conn::replace_frame(SharedFrame& frame, FrameScope& scope, const FrameRules& rules) noexcept {
  if (!take_room_here(frame.bytes.size())) return false;
  flushing_ = true;
  const bool replaced = queue_.replace_frame(host_.blocks(), frame, scope.backlog, rules.max_bytes);
  flushing_ = false;
  frames_dropped();
  return replaced;
}

// Drops the oldest frames until one more fits.
bool Conn::make_room(const SharedFrame& frame, FrameScope& scope,
                     const FrameRules& rules) noexcept {
  // For the latest only, age alone is no reason to drop one: it may be the latest of its key.
  FrameRules held = rules;
  if (rules.policy == TCPKIT_SLOW_LATEST) held.quantum_ms = TCPKIT_UNLIMITED;
  bool has_dropped = false;
  while (is_behind(scope.backlog, frame, held) || !take_room_here(frame.bytes.size())) {
    flushing_ = true;
    const bool dropped = queue_.drop_oldest(host_.blocks(), scope.backlog);
    flushing_ = false;
    if (!dropped) break;
    has_dropped = true;
    publish_queued();
  }
  if (has_dropped) frames_dropped();
  return !is_behind(scope.backlog, frame, held) && take_room_here(frame.bytes.size());
}

// Less is queued than before, so reading may go on.
void Conn::frames_dropped() noexcept {
  publish_queued();
  if (above_high_.load(std::memory_order_relaxed)) touch();
}

}  // namespace tcpkit
