// What keeps a connection in bounds: how much may wait for its peer, and for how long.

// An account of flow control:
//
// Queued bytes are those that a write did not get rid of, and those that other threads have posted.
// A send that leaves more than high_watermark of them answers so, and while there are so many
// nothing is read, so that a peer that does not take answers cannot ask for more. The flag
// above_high_ stays up until no more than low_watermark are left; then reading goes on and
// on_writable is called. A send that would pass the hard cap of the connection, or the budget of
// the server, fails and queues nothing. What is sent in an event of the connection is offered to
// the kernel first; if the kernel does not take it and the budget has no room, the connection ends.
#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/detached.h"

namespace tcpkit {
namespace {

bool fits(uint64_t queued, size_t bytes, size_t limit) noexcept {
  return bytes <= limit && queued <= limit - bytes;
}

}  // namespace

bool Conn::take_room_below_high(size_t bytes) noexcept {
  const uint64_t queued = pending_bytes() + posted_bytes_.load(std::memory_order_relaxed);
  return fits(queued, bytes, host_.config().flow.high_watermark) && take_room_here(bytes);
}

Status Conn::refuse_full(size_t bytes) noexcept {
  const FlowLimits& flow = host_.config().flow;
  host_.config().refused_sends.fetch_add(1, std::memory_order_relaxed);
  if (!fits(queued_bytes(), bytes, flow.max_queued_bytes)) {
    return fail(TCPKIT_E_QUEUE_FULL, "conn: %zu bytes more would pass max_queued_bytes, %zu", bytes,
                flow.max_queued_bytes);
  }
  host_.config().warn_of_limit(ServerLimit::kBuffered);
  return fail(TCPKIT_E_QUEUE_FULL, "conn: %zu bytes more would pass max_buffered_bytes, %zu", bytes,
              flow.max_buffered_bytes);
}

// Any thread. Puts bytes on the accounts of the connection and of the server, or on neither: of two
// threads that race for the last room one gets it.
bool Conn::take_room(size_t bytes) noexcept {
  const ConnConfig& config = host_.config();
  uint64_t queued = total_queued_.load();
  do {
    if (!fits(queued, bytes, config.flow.max_queued_bytes)) return false;
  } while (!total_queued_.compare_exchange_weak(queued, queued + bytes));
  if (config.buffered_bytes.add_up_to(bytes, config.flow.max_buffered_bytes)) return true;
  total_queued_.fetch_sub(bytes);
  return false;
}

// Loop thread: room for bytes more and for what is queued here and on no account yet. The bytes are
// put on the accounts at once; publish_queued() takes off what was not queued after all.
bool Conn::take_room_here(size_t bytes) noexcept {
  const uint64_t wanted = pending_bytes() + bytes;
  if (wanted <= published_bytes_) return true;
  const auto more = static_cast<size_t>(wanted - published_bytes_);
  if (!take_room(more)) return false;
  published_bytes_ += more;
  return true;
}

// Loop thread, for its own sends. What the kernel would take now does not count.
bool Conn::find_room(size_t bytes) noexcept {
  if (take_room_here(bytes)) return true;
  if (!has_output() || waits_writable_) return false;
  flush_output();
  return take_room_here(bytes);
}

Status Conn::admit(size_t bytes) noexcept {
  return find_room(bytes) ? TCPKIT_OK : refuse_full(bytes);
}

// For bytes that were sent already and that nobody takes.
void Conn::out_of_room() noexcept {
  host_.config().warn_of_limit(ServerLimit::kBuffered);
  reset_at_close(fd());
  fail_now({TCPKIT_CLOSE_LIMIT, TCPKIT_E_LIMIT, 0});
}

// The flag is raised before the bytes are posted, so the loop finds it when it has sent them.
Status Conn::reserve_posted(size_t bytes) noexcept {
  if (!take_room(bytes)) return refuse_full(bytes);
  posted_bytes_.fetch_add(bytes);
  if (total_queued_.load() <= host_.config().flow.high_watermark) return TCPKIT_OK;
  above_high_.store(true);
  return TCPKIT_OK_ABOVE_HIGH;
}

void Conn::unreserve_posted(size_t bytes) noexcept {
  host_.config().buffered_bytes.remove(bytes);
  posted_bytes_.fetch_sub(bytes);
  total_queued_.fetch_sub(bytes);
}

void Conn::posted_arrived(size_t bytes) noexcept {
  posted_bytes_.fetch_sub(bytes);
  published_bytes_ += bytes;
}

// What the loop's output buffer holds is nobody's yet: the kernel may take it.
void Conn::publish_queued() noexcept {
  const uint64_t before = published_bytes_;
  const uint64_t now = queue_.bytes() + sealed_plain_bytes() + encoded_bytes();
  if (now == before) return;
  published_bytes_ = now;
  if (now > before) {
    total_queued_.fetch_add(now - before);
    host_.config().buffered_bytes.add(now - before);
  } else {
    total_queued_.fetch_sub(before - now);
    host_.config().buffered_bytes.remove(before - now);
  }
}

// Whoever fills the queue to the brim outside of an event asks the kernel before it says so.
Status Conn::after_queueing() noexcept {
  publish_queued();
  const bool above = queued_bytes() > host_.config().flow.high_watermark;
  if (above && !waits_writable_) flush_output();
  return note_level();
}

Status Conn::note_level() noexcept {
  const FlowLimits& flow = host_.config().flow;
  if (state() != ConnState::kOpen || queued_bytes() <= flow.high_watermark) return TCPKIT_OK;
  above_high_.store(true);
  if (flow.pause_above_high && (pauses_ & kPausedByOutput) == 0) {
    host_.own_counters().output_pauses.add(1);
    pause_reading(kPausedByOutput);
  }
  return TCPKIT_OK_ABOVE_HIGH;
}

// At the end of an event. The flag goes down before the second look: a thread whose send finds the
// queue above high raises it again after that, or its bytes are seen here.
void Conn::leave_high() noexcept {
  const ConnConfig& config = host_.config();
  publish_queued();
  if (state() != ConnState::kOpen || total_queued_.load() > config.flow.low_watermark) return;
  above_high_.store(false);
  if (total_queued_.load() > config.flow.low_watermark) return above_high_.store(true);
  if ((pauses_ & kPausedByOutput) != 0) resume_reading(kPausedByOutput);
  if (config.handlers.on_writable == nullptr) return;
  try {
    config.handlers.on_writable(handle(), config.handlers.user_data);
  } catch (...) {
    callback_threw();
  }
  if (has_output()) settle_output();
  if (above_high_.load(std::memory_order_relaxed) && !waits_writable_) list_in_turn();
}

// ---- Time ----

// The kernel took less than it was offered: the peer has write_timeout_ms for the next byte.
void Conn::begin_waiting() noexcept {
  waits_writable_ = true;
  if (!timeouts_.watch_waiting()) return;
  timeouts_.note_write(host_.loop().now_ms());
  schedule_timeouts();
}

// Whether min_receive_rate counts: bytes that wait for us, or for another turn, are not owed.
bool Conn::owes_bytes() const noexcept {
  if (has_undelivered_) return false;
  return host_.config().framing == nullptr || stash_ != nullptr || framer_.discard_bytes != 0;
}

ConnTimeouts::Running Conn::running_timeouts() const noexcept {
  const bool reading = pauses_ == 0 && !peer_ended_;
  return {reading, waits_writable_, reading && owes_bytes()};
}

// The peer's time to send begins anew.
void Conn::begin_reading_time() noexcept {
  const uint64_t now_ms = host_.loop().now_ms();
  if (timeouts_.watch_reads()) timeouts_.note_read(now_ms);
  if (timeouts_.watch_rate()) timeouts_.begin_rate(now_ms);
  schedule_timeouts();
}

// Arms the timer for the first deadline, unless it comes earlier anyway: activity moves deadlines
// away, and then the timer finds nothing due and is armed again.
void Conn::schedule_timeouts() noexcept {
  if (state() != ConnState::kOpen || prelude_ != Prelude::kNone) return;
  const ConnTimeouts::Next next = timeouts_.next_after(host_.loop().now_ms(), running_timeouts());
  if (next.kind == ConnTimeouts::Kind::kNone) return;
  if (armed() && deadline_ms() <= next.deadline_ms) return;
  host_.loop().timers().arm(*this, next.deadline_ms);
}

// By the time of the turn, which is rounded down.
void Conn::check_timeouts() noexcept {
  if (host_.draining()) touch();  // it may have waited for a fresh connection to speak
  const uint64_t now_ms = host_.loop().turn_ms();
  const ConnTimeouts::Next next = timeouts_.next_after(now_ms, running_timeouts());
  if (next.kind == ConnTimeouts::Kind::kNone) return;
  if (next.deadline_ms > now_ms) return host_.loop().timers().arm(*this, next.deadline_ms);
  timed_out(next.kind);
}

void Conn::timed_out(ConnTimeouts::Kind kind) noexcept {
  LoopCounters& counters = host_.own_counters();
  tcpkit_close_reason reason = TCPKIT_CLOSE_IDLE_TIMEOUT;
  if (kind == ConnTimeouts::Kind::kRead) reason = TCPKIT_CLOSE_READ_TIMEOUT;
  if (kind == ConnTimeouts::Kind::kWrite) reason = TCPKIT_CLOSE_WRITE_TIMEOUT;
  if (kind == ConnTimeouts::Kind::kRate) reason = TCPKIT_CLOSE_RATE_TIMEOUT;
  if (kind == ConnTimeouts::Kind::kIdle) counters.idle_timeouts.add(1);
  if (kind == ConnTimeouts::Kind::kRead) counters.read_timeouts.add(1);
  if (kind == ConnTimeouts::Kind::kWrite) counters.write_timeouts.add(1);
  if (kind == ConnTimeouts::Kind::kRate) counters.rate_timeouts.add(1);
  if (!all_sent()) reset_at_close(fd());
  fail_now({reason, TCPKIT_E_TIMED_OUT, 0});
}

Status Conn::set_timeout(tcpkit_timeout timeout, uint32_t ms) noexcept {
  if (state() != ConnState::kOpen) return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
  if (lent_ && is_handed_over()) return set_detached_timeout(timeout, ms);
  TimeoutLimits& limits = timeouts_.limits();
  if (timeout == TCPKIT_TIMEOUT_IDLE) limits.idle_ms = ms;
  if (timeout == TCPKIT_TIMEOUT_READ) limits.read_ms = ms;
  if (timeout == TCPKIT_TIMEOUT_WRITE) limits.write_ms = ms;
  const uint64_t now_ms = host_.loop().now_ms();
  if (timeout != TCPKIT_TIMEOUT_WRITE) timeouts_.note_read(now_ms);
  if (timeout != TCPKIT_TIMEOUT_READ) timeouts_.note_write(now_ms);
  schedule_timeouts();
  return TCPKIT_OK;
}

// Of those only the time for the loop's own output is the loop's.
Status Conn::set_detached_timeout(tcpkit_timeout timeout, uint32_t ms) noexcept {
  detached()->set_limit(timeout, ms);
  if (timeout != TCPKIT_TIMEOUT_WRITE) return TCPKIT_OK;
  timeouts_.limits().write_ms = ms;
  timeouts_.note_write(host_.loop().now_ms());
  schedule_timeouts();
  return TCPKIT_OK;
}

Status Conn::set_receive_rate(uint32_t bytes_per_second, uint32_t grace_ms) noexcept {
  if (state() != ConnState::kOpen) return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
  timeouts_.limits().receive_rate = bytes_per_second;
  timeouts_.limits().rate_grace_ms = grace_ms;
  timeouts_.begin_rate(host_.loop().now_ms());
  schedule_timeouts();
  return TCPKIT_OK;
}

}  // namespace tcpkit
