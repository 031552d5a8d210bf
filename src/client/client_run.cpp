// A client that is run as a service: who waits for the end of what a connect has begun, and ends
// it.
#include <utility>

#include "client/client.h"

namespace tcpkit {

// Nothing is under way any more. What somebody asked for is no failure.
void Client::tell_observer(const ConnectFailure& failure) noexcept {
  const Lock lock(mutex_);
  if (observer_ == nullptr || (busy_ && !is_run_ending_)) return;
  const bool was_asked_for = closing_ || closes_wanted_ > 0 || freed_ != Freed::kNo;
  const bool in_order = was_asked_for || failure.status == TCPKIT_OK;
  std::exchange(observer_, nullptr)
      ->run_ended(in_order ? LastError{TCPKIT_OK, 0, {0}} : last_error_of(failure));
  changed_.notify_all();
}

// A loop that takes no more has ended everything by then.
void Client::end_run(const RunObserver& observer, RunEnd how) noexcept {
  const Lock lock(mutex_);
  if (observer_ != &observer) return;
  is_run_ending_ = true;
  const bool is_close = how == RunEnd::kGently;
  bool& posted = is_close ? close_run_posted_ : stop_run_posted_;
  if (posted || !post_job(is_close ? close_run_task_ : stop_run_task_)) return;
  posted = true;
  if (is_close) ++closes_wanted_;
}

void Client::settle_run(const RunObserver& observer) noexcept {
  Lock lock(mutex_);
  changed_.wait(lock,
                [&] { return observer_ != &observer && !close_run_posted_ && !stop_run_posted_; });
}

// The flags are taken back first: then job_done() may wake whoever waits for them.
void Client::close_run_here() noexcept {
  {
    const Lock lock(mutex_);
    close_run_posted_ = false;
  }
  close_here();
  job_done();
}

void Client::stop_run_here() noexcept {
  {
    const Lock lock(mutex_);
    stop_run_posted_ = false;
  }
  end_all(TCPKIT_E_CANCELLED, "the client was stopped");
  job_done();
}

}  // namespace tcpkit
