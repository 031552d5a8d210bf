// What the calls of a detached connection have in common: their begin and end, what they report to
// the loop, and the word of it that gets there.
#include "conn/detached.h"

#include <cstring>

#include "conn/conn_host.h"

namespace tcpkit {

Detached::Detached(Conn& conn, DetachedBy driver) noexcept
    : OffLoop(Kind::kDetached), conn_(conn), driver_(driver) {}

Detached::~Detached() {
  drop_input();
}

// ---- The loop ----

bool Detached::put(ByteView bytes) noexcept {
  if (bytes.empty()) return true;
  if (make_room(bytes.size()) != TCPKIT_OK) return false;
  std::memcpy(ahead_.room(bytes.size()).data(), bytes.data(), bytes.size());
  ahead_.came(bytes.size());
  return true;
}

void Detached::set_limits(const TimeoutLimits& limits) noexcept {
  idle_ms_.store(limits.idle_ms, std::memory_order_relaxed);
  read_ms_.store(limits.read_ms, std::memory_order_relaxed);
  write_ms_.store(limits.write_ms, std::memory_order_relaxed);
}

void Detached::set_limit(tcpkit_timeout timeout, uint32_t ms) noexcept {
  std::atomic<uint32_t>& limit = timeout == TCPKIT_TIMEOUT_IDLE   ? idle_ms_
                                 : timeout == TCPKIT_TIMEOUT_READ ? read_ms_
                                                                  : write_ms_;
  limit.store(ms, std::memory_order_relaxed);
}

void Detached::drop_input() noexcept {
  conn_.host().config().buffered_bytes.remove(counted_capacity_);
  counted_capacity_ = 0;
  ahead_ = ReadAhead();
  borrowed_ = 0;
}

CloseCause Detached::cause() noexcept {
  const std::lock_guard lock(cause_mutex_);
  return cause_;
}

ConnTimeouts::Kind Detached::overdue_kind() noexcept {
  const std::lock_guard lock(cause_mutex_);
  return overdue_kind_;
}

// ---- Reports ----

void Detached::note_cause(const CloseCause& cause) noexcept {
  const std::lock_guard lock(cause_mutex_);
  if (cause_.reason == 0) cause_ = cause;
}

Status Detached::overdue(ConnTimeouts::Kind timeout, const char* what) noexcept {
  {
    const std::lock_guard lock(cause_mutex_);
    if (overdue_kind_ == ConnTimeouts::Kind::kNone) overdue_kind_ = timeout;
  }
  tell_loop();
  return fail(TCPKIT_E_TIMED_OUT, "conn: %s has passed; it is closed", what);
}

void Detached::handler_threw() noexcept {
  threw_ = true;  // published by the gate
  handler_returned();
}

void Detached::handler_returned() noexcept {
  if (gate_.end_handler()) tell_loop();
}

// One task is enough for any number of things to tell: the loop looks at all of them.
void Detached::tell_loop() noexcept {
  if (told_.exchange(true)) return;
  conn_.retain();
  if (conn_.host().loop().post(this)) return;
  conn_.release();  // its loop has ended, and so has the connection
}

void Detached::run() noexcept {
  const Ref<Conn> keep = Ref<Conn>::adopt(&conn_);
  told_.store(false);
  keep->detached_went_on();
}

// ---- Calls ----

DetachedCall::DetachedCall(Detached& detached, IoGate::Bit call) noexcept
    : detached_(detached), call_(call), status_(detached.begin_call(call)) {
  if (status_ != TCPKIT_OK) return;
  is_begun_ = true;
  status_ = detached_.gate_.check();
}

DetachedCall::~DetachedCall() {
  if (is_begun_ && detached_.gate_.end(call_)) detached_.tell_loop();
}

Status Detached::begin_call(IoGate::Bit call) noexcept {
  if (conn_.host().loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: its loop must not wait in a blocking call");
  }
  return gate_.begin(call);
}

}  // namespace tcpkit
