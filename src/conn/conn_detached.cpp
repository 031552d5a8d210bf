// A connection that its loop has handed to threads of the user, as the loop sees it: handing over,
// what is left to do meanwhile, and taking it back when it ends.

// An account of it:
//
// From the handing over on the loop neither reads nor waits for input. It still sends what others
// have sent, by turns with the writer, and it still decides about the end: a close, an abort, a
// stop or a timeout changes the state at once, calls the threads back, and waits. When nobody is in
// a call and no handler runs, the connection is taken back, and ends like any other.
#include <new>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"
#include "conn/detached.h"
#include "conn/handler_runner.h"
#include "conn/strand.h"

namespace tcpkit {

Status Conn::detach() noexcept {
  if (is_closed()) return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
  if (detached() != nullptr) return TCPKIT_OK;
  if (strand() != nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: its packets are for the workers of its server");
  }
  if (filters() != nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: it has filters, which only its loop drives");
  }
  if (prelude_ == Prelude::kHandshake) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: it cannot be detached during a handshake");
  }
  return leave_loop(DetachedBy::kUser) ? TCPKIT_OK
                                       : fail(TCPKIT_E_NO_MEMORY, "out of memory for a detachment");
}

bool Conn::leave_loop(DetachedBy who) noexcept {
  auto* made = make_extras() == nullptr ? nullptr : new (std::nothrow) Detached(*this, who);
  if (made == nullptr) return false;
  made->set_limits(timeouts_.limits());
  extras()->off_loop.store(made, std::memory_order_release);
  lent_ = true;
  pauses_ |= kPausedDetached;
  host_.list_detached(*made);
  touch();
  return true;
}

// Until then, which is at the end of the event, calls wait.
bool Conn::is_handed_over() const noexcept {
  return detached()->gate().has(IoGate::kReady);
}

// After on_open, where a handler is to drive it.
void Conn::detach_for_handler() noexcept {
  if (host_.config().handlers.on_connection == nullptr || state() != ConnState::kOpen) return;
  if (detached() != nullptr) return;
  if (filters() != nullptr) return fail_now({TCPKIT_CLOSE_FILTER_ERROR, TCPKIT_E_NOT_SUPPORTED, 0});
  if (leave_loop(DetachedBy::kHandlerThread)) return;
  fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
}

// At the end of the event: nothing of it is on the way any more.
void Conn::hand_over() noexcept {
  Detached& taken = *detached();
  disarm_timer();
  // Waiting for the peer is for those who wait; the loop's own output keeps its time.
  timeouts_.limits().idle_ms = timeouts_.limits().read_ms = TimeoutLimits::kNever;
  timeouts_.limits().receive_rate = 0;
  const bool kept = stash_ == nullptr || taken.put({stash_->data(), stash_->size()});
  if (!kept || (tls_ != nullptr && !taken.open_engine())) {
    return fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
  }
  drop_stash();
  has_undelivered_ = false;
  framer_.scanned_bytes = 0;
  if (tls_ != nullptr) tls_->session.use_engine(taken.engine());
  if (watched_events_ != kNotWatched) host_.loop().unwatch(fd());
  watched_events_ = kNotWatched;
  const int error = set_blocking_mode(fd());
  if (error != 0) return fail_now({TCPKIT_CLOSE_IO_ERROR, status_from_errno(error), error});
  if (host_.draining()) taken.gate().interrupt(IoGate::kDraining, fd());
  if (taken.driver() == DetachedBy::kUser) return taken.gate().set_ready();
  taken.gate().begin_handler();
  taken.gate().set_ready();
  if (host_.config().handler_runner->submit(*this)) return;
  (void)taken.gate().end_handler();
  host_.own_counters().refused_by_threads.add(1);
  host_.config().warn_of_limit(ServerLimit::kHandlerThreads);
  reset_at_close(fd());
  fail_now({TCPKIT_CLOSE_LIMIT, TCPKIT_E_LIMIT, 0});
}

// A handler returned, a call ended while the connection closes, or something has to be told.
void Conn::detached_went_on() noexcept {
  if (ended_ || !lent_) return;
  in_event_ = true;
  Detached& taken = *detached();
  const ConnTimeouts::Kind overdue = taken.overdue_kind();
  if (overdue != ConnTimeouts::Kind::kNone && state() == ConnState::kOpen) timed_out(overdue);
  const bool returned = taken.driver() == DetachedBy::kHandlerThread && is_handed_over() &&
                        !taken.gate().has(IoGate::kHandler);
  if (returned && taken.threw()) {
    callback_threw();
  } else if (returned) {
    begin_close({taken.saw_end() ? TCPKIT_CLOSE_PEER_FIN : TCPKIT_CLOSE_LOCAL, TCPKIT_OK, 0});
  }
  if (tls_ != nullptr && state() == ConnState::kOpen) flush_tls_answers();
  end_event();
}

// What OpenSSL answered to what a reader has opened.
void Conn::flush_tls_answers() noexcept {
  if (!detached()->gate().take_loop_turn()) return;
  {
    const std::lock_guard lock(detached()->tls_mutex());
    take_sealed_output();
  }
  detached()->gate().drop_loop_turn();
}

// In place of the end of an event of a connection that the loop drives.
void Conn::end_detached_event() noexcept {
  if (!is_handed_over() && state() == ConnState::kOpen) hand_over();
  if (state() != ConnState::kOpen) recall();
  if (!lent_) return end_event();
  publish_queued();
  if (state() == ConnState::kClosed) {
    drop_event_output();
    if (watched_events_ != kNotWatched) host_.loop().unwatch(fd());
    watched_events_ = kNotWatched;
  } else {
    end_stream_if_wanted();
    update_interest();
  }
  detached()->gate().wake_waiting_writer();
  in_event_ = false;
}

// A shutdown that was asked for, once everything before it has left.
void Conn::end_stream_if_wanted() noexcept {
  if (!shutdown_wanted_ || write_shut_ || state() != ConnState::kOpen || !all_sent()) return;
  if (!detached()->gate().take_loop_turn()) return;  // the end of the write tells
  {
    const std::lock_guard lock(detached()->tls_mutex());
    say_goodbye();
  }
  if (all_sent()) {
    write_shut_ = true;
    shut_down_writing(fd());
  }
  detached()->gate().drop_loop_turn();
}

// It ends: nobody may wait for its peer any more.
void Conn::recall() noexcept {
  IoGate& gate = detached()->gate();
  if (!gate.has(IoGate::kClosing)) gate.interrupt(IoGate::kClosing, fd());
  if (!is_handed_over()) gate.set_ready();
  const bool is_handlers = detached()->driver() == DetachedBy::kHandlerThread;
  if (is_handlers && host_.config().handler_runner->withdraw(*this)) (void)gate.end_handler();
  if (gate.is_left()) take_back();
}

void Conn::take_back() noexcept {
  Detached& taken = *detached();
  lent_ = false;
  pauses_ &= static_cast<uint8_t>(~kPausedDetached);
  host_.unlist_detached(taken);
  if (host_.config().framing != nullptr && partial_bytes_ == 0) {
    partial_bytes_ = static_cast<uint32_t>(taken.unread_bytes());
  }
  taken.drop_input();
  unsent_bytes_ += taken.unsent_bytes();
  if (taken.saw_end()) peer_ended_ = true;
  if (taken.stream_is_broken()) write_broken_ = true;
  const CloseCause noted = taken.cause();
  const bool orderly =
      cause_.reason == TCPKIT_CLOSE_LOCAL || cause_.reason == TCPKIT_CLOSE_PEER_FIN;
  if (noted.reason == 0 || !orderly) return;
  cause_ = noted;
  const bool may_flush = noted.reason == TCPKIT_CLOSE_FRAME_TOO_BIG ||
                         noted.reason == TCPKIT_CLOSE_FRAME_ERROR ||
                         noted.reason == TCPKIT_CLOSE_CALLBACK;
  if (!may_flush) step(ConnStep::kFail);
}

// ---- Any thread ----

Status Conn::cancel() noexcept {
  Detached* taken = detached();
  if (taken == nullptr) return fail(TCPKIT_E_NOT_SUPPORTED, "conn: it is not detached");
  const std::lock_guard lock(host_.slab().mutex());  // so that the descriptor is ours
  if (fd() >= 0) taken->gate().interrupt(IoGate::kCancelled, fd());
  return TCPKIT_OK;
}

}  // namespace tcpkit
