// A connection whose data goes to worker threads, as the loop sees it: when it pauses, and what has
// to wait until everything that was delivered has been dealt with.
#include <new>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/strand.h"

namespace tcpkit {

bool Conn::make_strand() noexcept {
  const ConnConfig& config = host_.config();
  if (config.work_runner == nullptr) return true;
  if (make_extras() == nullptr) return false;
  auto* made = new (std::nothrow) Strand(*this, *config.work_runner);
  extras()->off_loop.store(made, std::memory_order_release);
  return made != nullptr;
}

void Conn::set_worker_pause(bool paused) noexcept {
  if (paused) return pause_reading(kPausedByWorkers);
  if ((pauses_ & kPausedByWorkers) != 0 && !ended_) resume_reading(kPausedByWorkers);
}

void Conn::worker_threw() noexcept {
  if (!ended_) callback_threw();
}

// Reset or orderly, by the reason.
void Conn::close_for(const CloseCause& cause) noexcept {
  if (ended_) return;
  if (cause.reason == TCPKIT_CLOSE_NO_MEMORY) return fail_now(cause);
  begin_close(cause);
}

// What ends the stream is told behind what came before it. True: later.
bool Conn::is_for_strand(const CloseCause& cause) noexcept {
  const bool comes_from_peer = cause.reason == TCPKIT_CLOSE_FRAME_TOO_BIG ||
                               cause.reason == TCPKIT_CLOSE_FRAME_ERROR ||
                               cause.reason == TCPKIT_CLOSE_TLS_TRUNCATED;
  if (!comes_from_peer) {
    discard_deliveries(cause);
    return false;
  }
  if (!strand()->defer_close(cause)) return false;
  pause_reading(kPausedByWorkers);
  return true;
}

// Where we end it nobody waits for what is queued; what a peer has sent before its end is
// delivered.
void Conn::discard_deliveries(const CloseCause& cause) noexcept {
  const bool is_ours = cause.reason == TCPKIT_CLOSE_LOCAL || cause.reason == TCPKIT_CLOSE_ABORTED ||
                       cause.reason == TCPKIT_CLOSE_SHUTDOWN ||
                       cause.reason == TCPKIT_CLOSE_CALLBACK ||
                       cause.reason == TCPKIT_CLOSE_NO_MEMORY;
  if (is_ours) strand()->discard();
}

void Conn::strand_went_on() noexcept {
  if (ended_) return;
  in_event_ = true;
  end_event();
}

// on_close is the last callback: those on the workers come before it.
void Conn::finish_when_strand_rests() noexcept {
  if (strand() == nullptr || strand()->rests_or_tells()) return finish_close();
  drop_event_output();
  if (watched_events_ != kNotWatched) host_.loop().unwatch(fd());
  watched_events_ = kNotWatched;
  in_event_ = false;
}

}  // namespace tcpkit
