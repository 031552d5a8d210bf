// Reading on the thread of a handler: kernel -> the caller's memory, or the bytes read ahead.

// An account of a read:
//
// Without a deadline the thread waits in recv itself, so a message costs one system call. What
// timeouts of the options say is told to the kernel once; when it says that they are over, the
// clock decides. With a deadline the thread waits in ppoll and then receives. Reads of packets and
// of few bytes receive as much as there is and keep the rest; large ones go straight to the caller.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"
#include "conn/detached.h"

namespace tcpkit {
namespace {

// Reads of fewer bytes read ahead.
constexpr size_t kDirectBytes = 1024;

uint64_t after_ms(uint64_t start_ns, uint32_t limit_ms) noexcept {
  return limit_ms == TimeoutLimits::kNever ? UINT64_MAX : start_ns + uint64_t{limit_ms} * 1'000'000;
}

}  // namespace

// ---- The calls ----

Status Detached::read(std::span<uint8_t> target, size_t& taken) noexcept {
  const DetachedCall call(*this, IoGate::kReading);
  if (call.status() != TCPKIT_OK) return call.status();
  begin_plain_read();
  return read_some(target, taken);
}

Status Detached::read_exactly(std::span<uint8_t> target) noexcept {
  const DetachedCall call(*this, IoGate::kReading);
  if (call.status() != TCPKIT_OK) return call.status();
  begin_plain_read();
  Status status = TCPKIT_OK;
  size_t done = 0;
  while (done < target.size() && status == TCPKIT_OK) {
    size_t taken = 0;
    inside_bytes_ = done;
    status = read_some(target.subspan(done), taken);
    done += taken;
  }
  inside_bytes_ = 0;
  return status == TCPKIT_OK ? status : give_back(target.first(done), status);
}

// What is taken between packets moves the place from which the framer has to look.
void Detached::begin_plain_read() noexcept {
  drop_borrowed();
  conn_.framer_.scanned_bytes = 0;
}

Status Detached::read_some(std::span<uint8_t> target, size_t& taken) noexcept {
  taken = ahead_.take_into(target);
  if (taken > 0) return TCPKIT_OK;
  if (target.size() >= kDirectBytes || conn_.tls_ != nullptr) return fill(target, taken);
  Status status = make_room(1);
  if (status != TCPKIT_OK) return status;
  size_t came = 0;
  status = fill(ahead_.room(1), came);
  if (status != TCPKIT_OK) return status;
  ahead_.came(came);
  taken = ahead_.take_into(target);
  return TCPKIT_OK;
}

// The beginning of what did not come in full is the next read's.
Status Detached::give_back(ByteView bytes, Status why) noexcept {
  if (bytes.empty()) return why;
  const LastError error = last_error();
  if (!put(bytes)) {
    note_cause({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return TCPKIT_E_NO_MEMORY;
  }
  if (why == TCPKIT_E_END) {
    return fail(TCPKIT_E_UNEXPECTED_EOF, "conn: the stream ended after %zu bytes", bytes.size());
  }
  restore_last_error(error);
  return why;
}

void Detached::drop_borrowed() noexcept {
  ahead_.take(borrowed_);
  borrowed_ = 0;
}

// ---- Receiving ----

// At least one byte of the user's.
Status Detached::fill(std::span<uint8_t> room, size_t& taken) noexcept {
  if (read_end_ != TCPKIT_OK) return end_again();
  if (conn_.tls_ != nullptr) [[unlikely]]
    return fill_sealed(room, taken);
  const Status status = receive_bytes(room, taken);
  if (status != TCPKIT_OK) return status;
  count_read(taken);
  return TCPKIT_OK;
}

Status Detached::receive_bytes(std::span<uint8_t> room, size_t& taken) noexcept {
  gate_.set_mid_packet(is_inside());
  const bool waits_in_kernel = read_deadline_ns_.load() == UINT64_MAX;
  bool receives = waits_in_kernel || filled_ || gate_.has(IoGate::kDraining);
  uint64_t start_ns = 0;
  for (;;) {
    Status status = gate_.check();
    if (status != TCPKIT_OK) return status;
    if (receives) {
      const bool waits = waits_in_kernel && start_ns == 0 && !gate_.has(IoGate::kDraining);
      const IoResult result =
          waits ? receive_waiting(room) : tcpkit::receive(conn_.fd(), room.data(), room.size());
      taken = result.bytes;
      filled_ = taken == room.size();
      if (taken > 0) return TCPKIT_OK;
      if (result.error_number == 0) return stream_ended();
      if (result.error_number != EAGAIN) return receive_failed(result.error_number);
      if (waits && kernel_limit_ms_ != TimeoutLimits::kNever) {
        start_ns = monotonic_ns() - uint64_t{kernel_limit_ms_} * 1'000'000;
      }
    }
    if (gate_.has(IoGate::kDraining) && !is_inside()) {
      return fail(TCPKIT_E_CANCELLED, "conn: its server drains");
    }
    if (start_ns == 0) start_ns = monotonic_ns();
    status = wait_for_input(start_ns);
    if (status != TCPKIT_OK) return status;
    receives = true;
  }
}

IoResult Detached::receive_waiting(std::span<uint8_t> room) noexcept {
  const uint32_t limit_ms =
      std::min(idle_ms_.load(std::memory_order_relaxed), read_ms_.load(std::memory_order_relaxed));
  if (limit_ms != kernel_limit_ms_) {
    kernel_limit_ms_ = limit_ms;
    set_receive_timeout(conn_.fd(), limit_ms);
  }
  return tcpkit::receive_waiting(conn_.fd(), room.data(), room.size());
}

// start_ns: when the waiting began.
Detached::Due Detached::read_due(uint64_t start_ns) const noexcept {
  Due due{read_deadline_ns_.load(), ConnTimeouts::Kind::kNone};
  const uint64_t read_ns = after_ms(start_ns, read_ms_.load(std::memory_order_relaxed));
  const uint64_t quiet_ns = std::max(start_ns, wrote_at_ms_.load() * 1'000'000);
  const uint64_t idle_ns = after_ms(quiet_ns, idle_ms_.load(std::memory_order_relaxed));
  if (read_ns < due.at_ns) due = {read_ns, ConnTimeouts::Kind::kRead};
  if (idle_ns < due.at_ns) due = {idle_ns, ConnTimeouts::Kind::kIdle};
  return due;
}

Status Detached::wait_for_input(uint64_t start_ns) noexcept {
  const Due due = read_due(start_ns);
  if (wait_readable(conn_.fd(), due.at_ns) || read_due(start_ns).at_ns > due.at_ns) {
    return TCPKIT_OK;
  }
  switch (due.kind) {
    case ConnTimeouts::Kind::kRead:
      return overdue(due.kind, "read_timeout_ms");
    case ConnTimeouts::Kind::kIdle:
      return overdue(due.kind, "idle_timeout_ms");
    default:
      return fail(TCPKIT_E_TIMED_OUT, "conn: the read deadline has passed");
  }
}

// The user's bytes: of TLS those that were sealed.
void Detached::count_read(size_t bytes) noexcept {
  counters_.read_bytes.add(bytes);
  const uint64_t total = conn_.total_read() + bytes;
  conn_.total_read_.store(total, std::memory_order_relaxed);
  conn_.read_rate_.note(total, coarse_ms(), conn_.host().config().tick_interval_ms);
}

// ---- Ends ----

// Of the peer, or of ours: whoever calls a reader back ends the stream for it.
Status Detached::stream_ended() noexcept {
  const Status status = gate_.check();
  if (status != TCPKIT_OK) return status;
  if (gate_.has(IoGate::kCut)) return fail(TCPKIT_E_CANCELLED, "conn: its server drains");
  read_end_ = TCPKIT_E_END;
  return end_again();
}

Status Detached::receive_failed(int error_number) noexcept {
  const Status status = gate_.check();
  if (status != TCPKIT_OK) return status;
  const bool reset = error_number == ECONNRESET || error_number == EPIPE;
  read_end_ = status_from_errno(error_number);
  note_cause({reset ? TCPKIT_CLOSE_PEER_RESET : TCPKIT_CLOSE_IO_ERROR, read_end_, error_number});
  return fail_errno(error_number, "conn: receiving failed");
}

Status Detached::end_again() const noexcept {
  if (read_end_ == TCPKIT_E_END) return fail(TCPKIT_E_END, "conn: the peer has ended its stream");
  return fail(read_end_, "conn: %s", status_text(read_end_));
}

// ---- TLS ----

Status Detached::fill_sealed(std::span<uint8_t> room, size_t& taken) noexcept {
  for (;;) {
    Status status = open_some(room, taken);
    if (status != TCPKIT_OK || taken > 0) return status;
    size_t came = 0;
    status = receive_bytes(engine_.input_space(), came);
    if (status == TCPKIT_E_END) {
      const std::lock_guard lock(tls_mutex_);
      conn_.tls_->session.set_failure(TCPKIT_E_TLS_TRUNCATED,
                                      "the stream ended without close_notify");
      read_end_ = TCPKIT_E_TLS_TRUNCATED;
      note_cause({TCPKIT_CLOSE_TLS_TRUNCATED, read_end_, 0});
      return end_again();
    }
    if (status != TCPKIT_OK) return status;
    engine_.input_came(came);
  }
}

// Nothing taken and OK: more has to be received.
Status Detached::open_some(std::span<uint8_t> room, size_t& taken) noexcept {
  ConnTls& tls = *conn_.tls_;
  const std::lock_guard lock(tls_mutex_);
  if (tls.next == TlsSession::Opening::kMore) {
    const TlsSession::Opened opened = tls.session.open_some(room);
    tls.next = opened.then;
    taken = opened.bytes;
    // An answer of OpenSSL's: to a change of keys, or an alert.
    if (!engine_.output().empty()) tell_loop();
    if (taken > 0) count_read(taken);
    if (taken > 0 || opened.then == TlsSession::Opening::kMore) return TCPKIT_OK;
  }
  taken = 0;
  if (tls.next == TlsSession::Opening::kFailed) {
    const TlsFailure* failure = tls.session.failure();
    read_end_ = failure == nullptr ? TCPKIT_E_NO_MEMORY : failure->status;
    note_cause({TCPKIT_CLOSE_TLS_ERROR, read_end_, 0});
  } else {
    tls.peer_said_goodbye = true;
    read_end_ = TCPKIT_E_END;
  }
  return end_again();
}

}  // namespace tcpkit
