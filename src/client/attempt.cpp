// A client on its loop: from an address to a connection, and what follows a failure or an end.

// An account of a series of attempts:
//
// It begins with connect(), or when a connection is lost and reconnect is on. An attempt resolves
// the host, lets the connector race over its addresses, and hands the descriptor to a connection,
// which sends the PROXY header and does its handshake. One timer bounds all of that, and between
// attempts it is the delay. A series ends with on_open, or with an on_connect_failed that no
// attempt follows. A connection that fails before on_open is told when it is gone, so that there is
// never more than one.
#include <sys/random.h>
#include <unistd.h>

#include <cstdio>
#include <new>

#include "client/client.h"
#include "client/jobs.h"

namespace tcpkit {
namespace {

uint64_t random_number() noexcept {
  uint64_t number = 0;
  return getrandom(&number, sizeof number, GRND_NONBLOCK) == sizeof number ? number
                                                                           : monotonic_ns();
}

// Messages are worth less than the failure that they are about.
template <typename Compose>
void set_message(ConnectFailure& failure, Compose compose) noexcept {
  try {
    failure.message = compose();
  } catch (const std::bad_alloc&) {
    failure.message.clear();
  }
}

const char* cause_of(const tcpkit_close_info& info) noexcept {
  if (info.detail[0] != '\0') return info.detail;
  if (info.status == TCPKIT_OK) return "the peer ended the stream";
  return status_text(info.status);
}

}  // namespace

// ---- On and off the loop ----

// False, and nothing will be begun: the loop ends, or the client was freed.
bool Client::join() noexcept {
  if (host_->loop_host().ending()) return false;
  const Lock lock(mutex_);
  if (freed_ != Freed::kNo) return false;
  if (!joined_) host_->loop_host().add_tenant(*this);
  joined_ = true;
  return true;
}

void Client::leave_when_idle() noexcept {
  if (stage_ != Stage::kIdle || !joined_ || leaving_) return;
  leaving_ = true;
  const bool posted = host_->loop().post(&leave_task_);
  TCPKIT_ASSERT(posted);
  (void)posted;
}

bool Client::is_going_away() const noexcept {
  return shutting_down_ || host_->loop_host().ending();
}

void Client::evict() noexcept {
  end_all(TCPKIT_E_NOT_RUNNING, "its loop ends");
  leave_when_idle();
}

// ---- A series ----

void Client::connect_here(ConnectJob& job) noexcept {
  address_ = job.address;
  address_text_.swap(job.text);
  verified_name_.swap(job.verified_name);
  attempts_ = 0;
  closing_ = false;
  backoff_.reset();
  if (join()) return begin_attempt();
  const bool ends = host_->loop_host().ending();
  const ConnectFailure failure = failure_of(ends ? TCPKIT_E_NOT_RUNNING : TCPKIT_E_CANCELLED, 0,
                                            ends ? "its loop ends" : "the client was freed");
  finish_series(&failure);
}

void Client::close_here() noexcept {
  {
    const Lock lock(mutex_);
    --closes_wanted_;
  }
  closing_ = true;
  if (stage_ == Stage::kOpen) {
    (void)conn_->request(Conn::Control::kClose);
  } else if (stage_ != Stage::kEnding) {
    end_all(TCPKIT_E_CANCELLED, "the client was closed");
  }
}

// At once, whatever the stage.
void Client::end_all(Status status, const char* why) noexcept {
  closing_ = true;
  switch (stage_) {
    case Stage::kIdle:
    case Stage::kEnding:
      return;
    case Stage::kResolving:
    case Stage::kConnecting:
      return attempt_failed(failure_of(status, 0, why));
    case Stage::kOpening:
      failure_ = failure_of(status, 0, why);
      return conn_->give_up(status);
    case Stage::kOpen:
      return conn_->stop_now();
    case Stage::kWaiting: {
      host_->loop().timers().disarm(*this);
      const ConnectFailure failure = failure_of(status, 0, why);
      return finish_series(&failure);
    }
  }
}

// ---- One attempt ----

void Client::begin_attempt() noexcept {
  stage_ = Stage::kResolving;
  if (options_.connect_timeout_ms != TCPKIT_UNLIMITED) {
    host_->loop().timers().arm(*this, host_->loop().deadline_in(options_.connect_timeout_ms));
  }
  Status status = TCPKIT_OK;
  try {
    const Targets targets = literal_targets(address_);
    if (!targets.empty()) return start_connecting(targets);
    ask_for_name();
    if (lookup_) return;
    status = last_error().status;
  } catch (const std::bad_alloc&) {
    status = fail(TCPKIT_E_NO_MEMORY, "out of memory for an attempt to connect");
  }
  attempt_failed(failure_of(status, last_error().error_number, last_error().message));
}

// No lookup: nobody can be asked, and the last error says why.
void Client::ask_for_name() {
  LoopHost& loop_host = host_->loop_host();
  loop_host.retain();
  std::shared_ptr<void> keeps_loop(&loop_host,
                                   [](void* kept) { static_cast<LoopHost*>(kept)->release(); });
  auto lookup = Ref<Lookup>::adopt(
      new Lookup(loop_host.loop(), std::move(keeps_loop), address_, resolve_way_, *this));
  if (loop_host.resolver().ask(lookup) == TCPKIT_OK) lookup_ = std::move(lookup);
}

void Client::on_resolved(Lookup& lookup) noexcept {
  const Ref<Lookup> answered = std::move(lookup_);
  if (lookup.status() != TCPKIT_OK) {
    const LastError& failure = lookup.failure();
    return attempt_failed(failure_of(failure.status, failure.error_number, failure.message));
  }
  try {
    return start_connecting(lookup.targets());
  } catch (const std::bad_alloc&) {
    attempt_failed(failure_of(TCPKIT_E_NO_MEMORY, 0, "out of memory for an attempt to connect"));
  }
}

void Client::start_connecting(const Targets& targets) {
  stage_ = Stage::kConnecting;
  connector_.start(targets, connect_settings_);
}

void Client::on_connect_failed(int error_number) noexcept {
  ConnectFailure failure{status_from_errno(error_number), error_number, -1, {}};
  set_message(failure, [this] {
    return "cannot connect to \"" + address_text_ + "\": " + connector_.account();
  });
  attempt_failed(failure);
}

void Client::on_connected(int fd, const SocketAddress& peer) noexcept {
  proxy_header_ = proxy_header_of(proxy_, fd, peer);
  failure_ = {};
  conn_ = host_->make_dialled(fd, peer);
  if (!conn_) {
    const LastError why = last_error();
    ::close(fd);
    return attempt_failed(failure_of(why.status, why.error_number, why.message));
  }
  stage_ = Stage::kOpening;
  const Ref<Conn> kept = conn_;
  kept->open(config_->tls.credentials ? Transport::kTls : Transport::kPlain);
}

void Client::stop_attempt() noexcept {
  if (armed()) host_->loop().timers().disarm(*this);
  connector_.stop();
  if (lookup_) lookup_->abandon();
  lookup_ = {};
}

void Client::on_timer() noexcept {
  if (stage_ == Stage::kWaiting) return begin_attempt();
  attempt_timed_out();
}

void Client::attempt_timed_out() noexcept {
  ConnectFailure failure{TCPKIT_E_TIMED_OUT, 0, -1, {}};
  set_message(failure, [this] {
    const std::string account = stage_ == Stage::kResolving ? "the host name is not resolved"
                                : stage_ == Stage::kConnecting
                                    ? connector_.account()
                                    : conn_->remote_address() + ": the TLS handshake is not done";
    return "cannot connect to \"" + address_text_ + "\": " + account + " after " +
           std::to_string(options_.connect_timeout_ms) + " ms";
  });
  if (stage_ != Stage::kOpening) return attempt_failed(failure);
  failure_ = std::move(failure);
  conn_->give_up(TCPKIT_E_TIMED_OUT);
}

ConnectFailure Client::failure_of(Status status, int error_number, const char* why) const noexcept {
  ConnectFailure failure{status, error_number, -1, {}};
  set_message(failure, [&] { return "cannot connect to \"" + address_text_ + "\": " + why; });
  return failure;
}

// ---- What follows ----

bool Client::close_is_wanted() const noexcept {
  const Lock lock(mutex_);
  return closes_wanted_ > 0 || freed_ != Freed::kNo;
}

bool Client::will_retry() const noexcept {
  return options_.reconnect == TCPKIT_ON && !closing_ && attempts_ < options_.max_attempts &&
         !is_going_away() && !close_is_wanted();
}

void Client::attempt_failed(const ConnectFailure& failure) noexcept {
  stop_attempt();
  host_->own_counters().connect_failures.add(1);
  ++attempts_;
  if (!will_retry()) return finish_series(&failure);
  const uint64_t delay_ms = backoff_.next_ms(random_number());
  wait_for_next(delay_ms);
  report(config_->handlers.on_connect_failed, failure, delay_ms);
}

void Client::wait_for_next(uint64_t delay_ms) noexcept {
  stage_ = Stage::kWaiting;
  host_->loop().timers().arm(*this, host_->loop().deadline_in(delay_ms));
}

// failure: why the series ends without a connection. The user may begin the next one in the
// callback.
void Client::finish_series(const ConnectFailure* failure) noexcept {
  stage_ = Stage::kIdle;
  DialWait* wait = nullptr;
  bool silent = false;
  {
    const Lock lock(mutex_);
    busy_ = false;
    wait = std::exchange(dial_wait_, nullptr);
    silent = freed_ == Freed::kByLastSilently;
  }
  if (failure != nullptr) {
    if (!silent) report(config_->handlers.on_connect_failed, *failure, TCPKIT_UNLIMITED);
    tell_dialler(wait, failure);
    tell_observer(*failure);
  }
  if (is_going_away()) leave_when_idle();
}

void Client::report(tcpkit_connect_fn function, const ConnectFailure& failure,
                    uint64_t retry_in_ms) noexcept {
  const bool has_message = !failure.message.empty();
  const tcpkit_connect_info info{
      sizeof(tcpkit_connect_info),
      failure.status,
      failure.error_number,
      failure.tls_alert,
      has_message ? failure.message.c_str() : status_text(failure.status),
      attempts_,
      retry_in_ms};
  config_->log.write(TCPKIT_LOG_INFO, "%s", info.message);
  if (function == nullptr) return;
  try {
    function(handle(), &info, config_->handlers.user_data);
  } catch (...) {
    host_->own_counters().callback_errors.add(1);
    config_->log.write(TCPKIT_LOG_ERROR, "a callback of a client threw; it is dropped");
  }
}

// ---- The connection ----

void Client::conn_opened() noexcept {
  host_->loop().timers().disarm(*this);
  stage_ = Stage::kOpen;
  attempts_ = 0;
  opened_at_ms_ = host_->loop().now_ms();
  host_->own_counters().connects.add(1);
  const Lock lock(mutex_);
  open_conn_ = conn_;
}

void Client::conn_announced() noexcept {
  DialWait* wait = nullptr;
  {
    const Lock lock(mutex_);
    wait = std::exchange(dial_wait_, nullptr);
  }
  // Nobody is called with what comes: it is for the blocking calls of whoever dials.
  const tcpkit_handlers& handlers = config_->handlers;
  const bool is_for_calls =
      wait != nullptr && handlers.on_data == nullptr && handlers.on_packet == nullptr;
  if (is_for_calls && conn_->detach() != TCPKIT_OK) (void)conn_->request(Conn::Control::kAbort);
  tell_dialler(wait, nullptr);
}

// Unless we have ended it ourselves, and know why.
void Client::conn_failed(const tcpkit_close_info& info) noexcept {
  if (failure_.status != TCPKIT_OK) return;
  failure_.status = info.status == TCPKIT_OK ? TCPKIT_E_TLS_TRUNCATED : info.status;
  failure_.error_number = info.sys_errno;
  failure_.tls_alert = info.tls_alert;
  set_message(failure_, [&] {
    return "cannot connect to \"" + address_text_ + "\": " + conn_->remote_address() + ": " +
           cause_of(info);
  });
}

void Client::conn_ending() noexcept {
  stage_ = Stage::kEnding;
  will_follow_ = will_retry();
  const Lock lock(mutex_);
  open_conn_ = {};
  if (!will_follow_) busy_ = false;
}

void Client::conn_ended(const tcpkit_close_info& info) noexcept {
  if (!will_follow_ && info.status == TCPKIT_OK) return;
  failure_ = {info.status, info.sys_errno, info.tls_alert, {}};
  set_message(failure_, [&] {
    return "lost the connection to \"" + address_text_ +
           "\": " + tcpkit_close_reason_name(info.reason) + ": " + cause_of(info);
  });
}

void Client::conn_gone() noexcept {
  const bool had_opened = stage_ == Stage::kEnding;
  conn_ = {};
  ConnectFailure failure = std::move(failure_);
  failure_ = {};
  if (!had_opened) return attempt_failed(failure);
  backoff_.note_connection(host_->loop().now_ms() - opened_at_ms_);
  if (will_follow_ && will_retry()) {
    host_->own_counters().reconnects.add(1);
    const uint64_t delay_ms = backoff_.next_ms(random_number());
    wait_for_next(delay_ms);
    return report(config_->handlers.on_reconnect, failure, delay_ms);
  }
  stage_ = Stage::kIdle;
  if (will_follow_) {
    const Lock lock(mutex_);
    busy_ = false;
  }
  tell_observer(failure);
  if (is_going_away()) leave_when_idle();
}

}  // namespace tcpkit
