// The life of a connection: opening, state changes, closing, and what is asked of it.
#include "conn/conn.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <mutex>
#include <new>

#include "conn/conn_filters.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"
#include "conn/detached.h"
#include "conn/strand.h"

namespace tcpkit {
namespace {

uint64_t now_ms() noexcept {
  return monotonic_ns() / 1'000'000u;
}

}  // namespace

Conn::Conn(ConnHost& host, uint64_t id, int fd, const SocketAddress& peer) noexcept
    : host_(host),
      id_(id),
      connected_at_ms_(wall_ms()),
      peer_(peer),
      fd_(fd),
      timeouts_(host.config().timeouts) {
  host_.retain();
  read_rate_.start(host_.loop().turn_ms());
  write_rate_.start(host_.loop().turn_ms());
}

Conn::~Conn() {
  delete extras();
}

ConnExtras::ConnExtras() noexcept = default;

ConnExtras::~ConnExtras() {
  delete off_loop.load(std::memory_order_relaxed);
  delete proxy.load(std::memory_order_relaxed);
}

ConnExtras* Conn::make_extras() noexcept {
  if (extras() == nullptr) {
    extras_.store(new (std::nothrow) ConnExtras, std::memory_order_release);
  }
  return extras();
}

void Conn::destroy() noexcept {
  ConnHost& host = host_;
  const uint64_t id = id_;
  this->~Conn();
  host.slab().give_back(id);
  host.release();
}

// ---- Facts ----

std::string Conn::remote_address() const {
  const ProxyInfo* info = proxy();
  if (info != nullptr && info->family != ProxyFamily::kLocal) return info->text();
  if (peer_.family() != AF_UNIX || host_.config().fork_guard.in_child()) return peer_.text();
  const std::lock_guard lock(host_.slab().mutex());
  const std::string text = fd() < 0 ? std::string() : remote_address_text(fd());
  return text.empty() ? peer_.text() : text;
}

std::string Conn::local_address() const {
  if (host_.config().fork_guard.in_child()) return {};
  const std::lock_guard lock(host_.slab().mutex());
  return fd() < 0 ? std::string() : local_address_text(fd());
}

uint64_t Conn::reads_per_second() const noexcept {
  return read_rate_.per_second_now(total_read_, now_ms(), host_.config().tick_interval_ms);
}

uint64_t Conn::writes_per_second() const noexcept {
  return write_rate_.per_second_now(total_written_, now_ms(), host_.config().tick_interval_ms);
}

// The loop thread sees what it has just sent; others what was there at the end of the last event.
uint64_t Conn::queued_bytes() const noexcept {
  return host_.loop().is_home() ? pending_bytes() + posted_bytes_.load(std::memory_order_relaxed)
                                : total_queued_.load(std::memory_order_relaxed);
}

Status Conn::set_user_data(UserData user_data) noexcept {
  if (ended_) return fail(TCPKIT_E_CLOSED, "conn: its last callback has run");
  user_data_ = std::move(user_data);
  return TCPKIT_OK;
}

// ---- Opening ----

bool Conn::attach() noexcept {
  const ConnConfig& config = host_.config();
  if (config.framing != nullptr && config.framing->open_state(framer_) != TCPKIT_OK) {
    config.log.write(TCPKIT_LOG_ERROR, "the framing made no state; a connection is refused");
    return false;
  }
  const int error = host_.loop().watch(*this, fd(), EPOLLIN);
  if (error == 0) {
    watched_events_ = EPOLLIN;
    return true;
  }
  if (config.framing != nullptr) config.framing->close_state(framer_);
  config.log.write(TCPKIT_LOG_ERROR, "epoll_ctl failed (errno %d); a connection is refused", error);
  return false;
}

void Conn::open(Transport transport) noexcept {
  in_event_ = true;
  is_tls_wanted_ = transport == Transport::kTls;
  if (host_.dialler() != nullptr) {
    begin_dialled();
  } else if (!expect_proxy_header()) {
    begin_transport();
  }
  end_event();
}

// Inside an event: the user gets to know the connection.
void Conn::announce() noexcept {
  const ConnConfig& config = host_.config();
  if (!install_filters()) return;
  if (!make_strand()) return fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
  announced_.store(true, std::memory_order_release);
  if (host_.dialler() != nullptr) host_.dialler()->conn_opened();
  if (timeouts_.watch_writes()) timeouts_.note_write(host_.loop().now_ms());
  if (timeouts_.watch_reads() || timeouts_.watch_rate()) begin_reading_time();
  try {
    if (config.strategy.on_accept != nullptr) {
      config.strategy.on_accept(handle(), config.strategy.user_data);
    }
    if (config.handlers.on_open != nullptr) {
      config.handlers.on_open(handle(), config.handlers.user_data);
    }
  } catch (...) {
    callback_threw();
  }
  if (host_.dialler() != nullptr) host_.dialler()->conn_announced();
  detach_for_handler();
}

// ---- State ----

void Conn::step(ConnStep step) noexcept {
  const ConnState before = state();
  const ConnState after = next_state(before, step);
  if (before == ConnState::kOpen && after != before) disarm_timer();  // its timeouts are over
  state_.store(after, std::memory_order_relaxed);
}

void Conn::disarm_timer() noexcept {
  if (armed()) host_.loop().timers().disarm(*this);
}

// The first cause is the one that is told.
void Conn::begin_close(const CloseCause& cause) noexcept {
  if (state() != ConnState::kOpen) return;
  // What waits for a handshake will never leave.
  if (prelude_ == Prelude::kHandshake) return fail_now(cause);
  if (strand() != nullptr && is_for_strand(cause)) return;
  if (cause_.reason == 0) cause_ = cause;
  sends_refused_.store(true, std::memory_order_relaxed);
  step(ConnStep::kClose);
  touch();
}

void Conn::fail_now(const CloseCause& cause) noexcept {
  if (state() == ConnState::kClosed) return;
  if (strand() != nullptr) discard_deliveries(cause);
  if (cause_.reason == 0) cause_ = cause;
  sends_refused_.store(true, std::memory_order_relaxed);
  step(ConnStep::kFail);
  touch();
}

void Conn::callback_threw() noexcept {
  host_.own_counters().callback_errors.add(1);
  host_.config().log.write(TCPKIT_LOG_ERROR, "a callback of connection %llu threw; it is closed",
                           static_cast<unsigned long long>(id_));
  begin_close({TCPKIT_CLOSE_CALLBACK, TCPKIT_E_CALLBACK, 0});
}

void Conn::list_in_turn() noexcept {
  if (listed_in_turn_ || ended_) return;
  listed_in_turn_ = true;
  host_.loop_host().add_to_turn(*this);
}

void Conn::finish_turn() noexcept {
  listed_in_turn_ = false;
  end_event();
}

void Conn::end_event() noexcept {
  if (ended_) return;
  in_event_ = true;
  if (prelude_ == Prelude::kHandshake && (stash_ != nullptr || has_undelivered_)) {
    refuse_clear_bytes();
  }
  if (state() != ConnState::kClosed && has_output()) settle_output();
  if (above_high_.load(std::memory_order_relaxed)) leave_high();
  if (host_.draining()) close_if_idle();
  if (!is_settled()) {
    if (lent_) [[unlikely]]
      return end_detached_event();
    if ((pauses_ & kPausedByNewFilters) != 0) begin_new_filters();
    publish_queued();
    advance_close();
    if (state() != ConnState::kClosed) update_interest();
    if (state() == ConnState::kClosed) return finish_when_strand_rests();
  }
  in_event_ = false;
}

// Nothing to do but to read on: the way that nearly every event ends.
bool Conn::is_settled() const noexcept {
  return state() == ConnState::kOpen && watched_events_ == EPOLLIN && pauses_ == 0 &&
         !peer_ended_ && !waits_writable_ && !shutdown_wanted_;
}

void Conn::arm_close_timer() noexcept {
  const uint64_t timeout_ms = host_.config().close_timeout_ms;
  if (armed() || timeout_ms == TCPKIT_UNLIMITED) return;
  host_.loop().timers().arm(*this, host_.loop().deadline_in(timeout_ms));
}

// Goes on with a shutdown or a close as far as the write queue allows.
void Conn::advance_close() noexcept {
  if (state() == ConnState::kClosed || state() == ConnState::kLingering) return;
  const bool closing = state() == ConnState::kFlushing;
  if (filters() != nullptr && (closing || shutdown_wanted_) && !end_encoding()) return;
  if (all_sent() && (closing || shutdown_wanted_)) say_goodbye();
  if (!all_sent()) {
    if (closing) arm_close_timer();
    return;
  }
  if (!write_shut_ && (closing ? !peer_ended_ : shutdown_wanted_)) {
    write_shut_ = true;
    shut_down_writing(fd());
  }
  if (!closing && write_shut_ && peer_ended_) {
    begin_close({TCPKIT_CLOSE_PEER_FIN, TCPKIT_OK, 0});
  }
  if (state() != ConnState::kFlushing) return;
  step(ConnStep::kFlushed);
  if (peer_ended_) {
    step(ConnStep::kPeerEnded);
  } else {
    arm_close_timer();
  }
}

// The kernel tells us of what we want and of nothing else. Closing connections read on, to drop
// what comes until the peer ends its stream.
void Conn::update_interest() noexcept {
  const uint32_t wanted =
      (wants_input() ? uint32_t{EPOLLIN} : 0u) | (waits_writable_ ? uint32_t{EPOLLOUT} : 0u);
  if (wanted == watched_events_ || (wanted == 0 && watched_events_ == kNotWatched)) return;
  if (wanted == 0 && lent_) {  // the kernel would tell of an end even so
    host_.loop().unwatch(fd());
    watched_events_ = kNotWatched;
    return;
  }
  const int error = watched_events_ == kNotWatched ? host_.loop().watch(*this, fd(), wanted)
                                                   : host_.loop().rewatch(*this, fd(), wanted);
  watched_events_ = wanted;
  if (error != 0) fail_now({TCPKIT_CLOSE_IO_ERROR, status_from_errno(error), error});
}

// In a drain: nothing is left to be said, by us or by the peer. A client that has only just come is
// about to speak: it gets a moment for that, so that a restart turns nobody away.
void Conn::close_if_idle() noexcept {
  constexpr uint64_t kFreshMs = 1000;
  if (state() != ConnState::kOpen || prelude_ != Prelude::kNone || lent_) return;
  if (strand() != nullptr && !strand()->rests_or_tells()) return;
  if (stash_ != nullptr || has_undelivered_ || has_output() || !all_sent()) return;
  const uint64_t age_ms = wall_ms() - connected_at_ms_;
  if (total_read() == 0 && age_ms < kFreshMs) {
    const uint64_t deadline = host_.loop().deadline_in(kFreshMs - age_ms);
    if (!armed() || deadline_ms() > deadline) host_.loop().timers().arm(*this, deadline);
    return;
  }
  begin_close({TCPKIT_CLOSE_SHUTDOWN, TCPKIT_OK, 0});
}

void Conn::on_timer() noexcept {
  if (state() == ConnState::kClosed) return;  // ended earlier in this turn, whose end finishes it
  if (prelude_ != Prelude::kNone && state() == ConnState::kOpen) return prelude_overdue();
  if (state() == ConnState::kOpen) return check_timeouts();
  if (state() == ConnState::kLingering) {
    // All of it was handed to the kernel; the peer just does not end its stream.
    step(ConnStep::kPeerEnded);
    touch();
    return;
  }
  forget_orderly_cause();
  reset_at_close(fd());
  fail_now({TCPKIT_CLOSE_TIMEOUT, TCPKIT_E_TIMED_OUT, 0});
}

void Conn::stop_now() noexcept {
  if (state() == ConnState::kClosed) return;
  if (!queue_.empty() && !waits_writable_) flush_output();
  if (!all_sent()) forget_orderly_cause();
  if (host_.draining() && state() != ConnState::kLingering) {
    drained_by_force_ = true;
    reset_at_close(fd());
  }
  fail_now({TCPKIT_CLOSE_SHUTDOWN, TCPKIT_OK, 0});
}

// What the peer has sent by now is still served.
void Conn::drain() noexcept {
  if (state() != ConnState::kOpen) return;
  if (!is_announced()) return fail_now({TCPKIT_CLOSE_SHUTDOWN, TCPKIT_OK, 0});
  const tcpkit_handlers& handlers = host_.config().handlers;
  in_event_ = true;
  try {
    if (handlers.on_drain != nullptr) handlers.on_drain(handle(), handlers.user_data);
    if (wants_input()) read_ready();
  } catch (...) {
    drop_stash();
    callback_threw();
  }
  if (lent_ && is_handed_over()) detached()->gate().interrupt(IoGate::kDraining, fd());
  end_event();
}

// ---- The end ----

tcpkit_close_info Conn::close_info() const noexcept {
  const TlsFailure* failure = tls_ == nullptr ? nullptr : tls_->session.failure();
  const char* detail = failure == nullptr ? filter_detail() : failure->detail.c_str();
  return {sizeof(tcpkit_close_info),
          cause_.reason,
          cause_.status,
          cause_.error_number,
          unsent_bytes_,
          partial_bytes_,
          detail == nullptr ? "" : detail,
          failure == nullptr ? -1 : failure->alert,
          0};
}

// Under the lock, so that no other thread asks the kernel about a descriptor that is somebody
// else's by now.
void Conn::give_up_descriptor() noexcept {
  const std::lock_guard lock(host_.slab().mutex());
  if (watched_events_ != kNotWatched) host_.loop().unwatch(fd());
  close(fd());
  fd_.store(-1, std::memory_order_relaxed);
}

void Conn::finish_close() noexcept {
  in_event_ = true;  // what the handlers ask of this connection changes nothing any more
  drop_event_output();
  if (filters() != nullptr && may_end_orderly()) (void)end_encoding();
  say_goodbye();
  if (tls_ != nullptr) uncount_handshake();
  disarm_timer();
  unsent_bytes_ += queue_.bytes() + posted_bytes_.load(std::memory_order_relaxed);
  if (stash_ != nullptr && partial_bytes_ == 0) {
    partial_bytes_ = static_cast<uint32_t>(stash_->size());
  }
  queue_.clear(host_.blocks());
  drop_encoded();
  end_scopes();
  drop_tls_output();
  publish_queued();
  drop_stash();
  give_up_descriptor();
  host_.slab().unlist(*this);
  if (host_.draining()) count_drained();
  if (host_.config().framing != nullptr) host_.config().framing->close_state(framer_);
  end_filters();
  tell_end(close_info());
  ended_ = true;
  user_data_ = UserData();
  if (tls_ != nullptr) tls_->end();
  host_.conn_gone(counted_peer());
  if (host_.dialler() != nullptr) host_.dialler()->conn_gone();
  release();
}

void Conn::count_drained() noexcept {
  LoopCounters& counters = host_.own_counters();
  (drained_by_force_ ? counters.drained_by_force : counters.drained).add(1);
  if (drained_by_force_) counters.drain_lost_bytes.add(unsent_bytes_);
}

void Conn::run_close_handlers(const tcpkit_close_info& info) noexcept {
  CloseHandler* handler = close_handlers_.end();
  const tcpkit_handlers& handlers = host_.config().handlers;
  while (handler != nullptr) {
    const std::unique_ptr<CloseHandler> owner(handler);
    handler = handler->next;
    try {
      owner->function(handle(), &info, owner->user_data.get());
    } catch (...) {
      host_.own_counters().callback_errors.add(1);
      host_.config().log.write(TCPKIT_LOG_ERROR, "a close handler threw; it is dropped");
    }
  }
  if (handlers.on_close == nullptr) return;
  try {
    handlers.on_close(handle(), &info, handlers.user_data);
  } catch (...) {
    host_.own_counters().callback_errors.add(1);
    host_.config().log.write(TCPKIT_LOG_ERROR, "on_close threw; it is dropped");
  }
}

Status Conn::add_close_handler(tcpkit_close_fn function, UserData user_data) noexcept {
  std::unique_ptr<CloseHandler> handler(new (std::nothrow)
                                            CloseHandler{function, std::move(user_data)});
  if (handler == nullptr) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a close handler");
  if (close_handlers_.push(handler.get())) {
    (void)handler.release();
    return TCPKIT_OK;
  }
  const tcpkit_close_info info = close_info();
  try {
    handler->function(handle(), &info, handler->user_data.get());
  } catch (...) {
    host_.config().log.write(TCPKIT_LOG_ERROR, "a close handler threw; it is dropped");
  }
  return TCPKIT_OK;
}

// ---- Control ----

void Conn::apply(Control control) noexcept {
  if (ended_) return;
  switch (control) {
    case Control::kPause:
      return pause_reading(kPausedByUser);
    case Control::kResume:
      return resume_reading(kPausedByUser);
    case Control::kShutdown:
      sends_refused_.store(true, std::memory_order_relaxed);
      shutdown_wanted_ = true;
      return touch();
    case Control::kClose:
      return begin_close({TCPKIT_CLOSE_LOCAL, TCPKIT_OK, 0});
    case Control::kAbort:
      if (state() == ConnState::kClosed) return;
      cause_ = {TCPKIT_CLOSE_ABORTED, TCPKIT_OK, 0};
      reset_at_close(fd());
      return fail_now(cause_);
  }
}

void Conn::run_user_task(tcpkit_conn_fn function, void* user_data) noexcept {
  try {
    function(handle(), user_data);
  } catch (...) {
    callback_threw();
  }
}

}  // namespace tcpkit
