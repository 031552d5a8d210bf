// Writing on the thread of a handler: the caller's memory -> kernel, in turns with the loop.

// An account of a write:
//
// The writer takes the turn when the loop does not write and nothing that was sent before waits;
// then it offers its bytes to the kernel until all are taken, and waits for room in between. The
// loop does not wait meanwhile: what it has to send stays in its queue, and the end of the write
// tells it. So a write is one piece of the stream, and what was sent before it comes before it.
#include <array>
#include <cerrno>
#include <cstring>

#include "base/clock.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"
#include "conn/detached.h"

namespace tcpkit {
namespace {

constexpr size_t kMostPieces = 3;  // header, packet, trailer
constexpr size_t kRecordBytes = 16u << 10;

size_t total_size(std::span<const ByteView> pieces) noexcept {
  size_t total = 0;
  for (const ByteView& piece : pieces) total += piece.size();
  return total;
}

// Drops sent bytes from the front of entries.
std::span<iovec> advance(std::span<iovec> entries, size_t sent) noexcept {
  while (!entries.empty() && sent >= entries[0].iov_len) {
    sent -= entries[0].iov_len;
    entries = entries.subspan(1);
  }
  if (!entries.empty()) {
    entries[0].iov_base = static_cast<uint8_t*>(entries[0].iov_base) + sent;
    entries[0].iov_len -= sent;
  }
  return entries;
}

Status refused() noexcept {
  return fail(TCPKIT_E_CLOSED, "conn: it is closed, or shut down");
}

uint64_t after_ms(uint64_t start_ns, uint32_t limit_ms) noexcept {
  return limit_ms == TimeoutLimits::kNever ? UINT64_MAX : start_ns + uint64_t{limit_ms} * 1'000'000;
}

}  // namespace

// ---- The calls ----

Status Detached::write(std::span<const ByteView> pieces) noexcept {
  const DetachedCall call(*this, IoGate::kWriting);
  if (call.status() != TCPKIT_OK) return call.status();
  if (conn_.sends_refused_.load(std::memory_order_relaxed) || write_broken_.load())
    return refused();
  if (total_size(pieces) == 0) return TCPKIT_OK;
  const Status status = await_turn();
  if (status != TCPKIT_OK) return status;
  return conn_.tls_ == nullptr ? send_all(pieces) : send_sealed(pieces);
}

Status Detached::write_packet(ByteView packet) noexcept {
  const Framing* framing = conn_.host().config().framing.get();
  if (framing == nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: its server has no framing, so it has no packets");
  }
  Envelope envelope;
  Status status = framing->encode(packet, envelope);
  if (status != TCPKIT_OK) return status;
  const ByteView pieces[kMostPieces] = {
      {envelope.header, envelope.header_size}, packet, {envelope.trailer, envelope.trailer_size}};
  status = write(pieces);
  if (status == TCPKIT_OK) counters_.packets_written.add(1);
  return status;
}

// ---- The turn ----

Status Detached::await_turn() noexcept {
  bool announced = false;
  uint64_t start_ns = 0;
  for (;;) {
    if (gate_.take_write_turn()) {
      if (conn_.total_queued_.load() == 0) return TCPKIT_OK;
      if (gate_.drop_write_turn()) tell_loop();
    }
    if (!announced) {
      announced = true;
      gate_.announce_writer();
      continue;
    }
    const Status status = wait_for_room(-1, start_ns);
    if (status != TCPKIT_OK) return status;
    if (write_broken_.load()) return refused();
  }
}

// start_ns: when the waiting began; 0: it does now.
Status Detached::wait_for_room(int fd, uint64_t& start_ns) noexcept {
  if (start_ns == 0) start_ns = monotonic_ns();
  const Due due = write_due(start_ns);
  gate_.wait(fd, due.at_ns);
  const Status status = gate_.check();
  if (status != TCPKIT_OK || due.at_ns == UINT64_MAX || monotonic_ns() < due.at_ns) return status;
  switch (due.kind) {
    case ConnTimeouts::Kind::kWrite:
      return overdue(due.kind, "write_timeout_ms");
    case ConnTimeouts::Kind::kIdle:
      return overdue(due.kind, "idle_timeout_ms");
    default:
      return fail(TCPKIT_E_TIMED_OUT, "conn: the write deadline has passed");
  }
}

Detached::Due Detached::write_due(uint64_t start_ns) const noexcept {
  Due due{write_deadline_ns_.load(), ConnTimeouts::Kind::kNone};
  const uint64_t write_ns = after_ms(start_ns, write_ms_.load(std::memory_order_relaxed));
  const uint64_t idle_ns = after_ms(start_ns, idle_ms_.load(std::memory_order_relaxed));
  if (write_ns < due.at_ns) due = {write_ns, ConnTimeouts::Kind::kWrite};
  if (idle_ns < due.at_ns) due = {idle_ns, ConnTimeouts::Kind::kIdle};
  return due;
}

// ---- Sending ----

Status Detached::send_all(std::span<const ByteView> pieces) noexcept {
  std::array<iovec, kMostPieces> entries{};
  size_t count = 0;
  for (const ByteView& piece : pieces) {
    if (!piece.empty()) entries[count++] = {const_cast<uint8_t*>(piece.data()), piece.size()};
  }
  std::span<iovec> rest(entries.data(), count);
  const size_t total = total_size(pieces);
  size_t sent = 0;
  uint64_t start_ns = 0;
  for (;;) {
    const IoResult result = send_gathered(conn_.fd(), rest);
    if (result.error_number != 0 && result.error_number != EAGAIN) {
      return cut_short(send_failed(result.error_number), sent, total);
    }
    if (result.bytes > 0) {
      count_written(result.bytes);
      sent += result.bytes;
      start_ns = 0;
      rest = advance(rest, result.bytes);
    }
    if (sent == total) return TCPKIT_OK;
    const Status status = wait_for_room(conn_.fd(), start_ns);
    if (status != TCPKIT_OK) return cut_short(status, sent, total);
  }
}

Status Detached::send_failed(int error_number) noexcept {
  const bool reset = error_number == ECONNRESET || error_number == EPIPE;
  const Status status = reset ? TCPKIT_E_RESET : status_from_errno(error_number);
  note_cause({reset ? TCPKIT_CLOSE_PEER_RESET : TCPKIT_CLOSE_IO_ERROR, status, error_number});
  write_broken_.store(true);
  return fail_errno(error_number, "conn: sending failed");
}

// Nobody can go on behind half of a message.
Status Detached::cut_short(Status status, size_t sent, size_t total) noexcept {
  if (sent == 0 && !write_broken_.load()) return status;
  write_broken_.store(true);
  conn_.sends_refused_.store(true, std::memory_order_relaxed);
  unsent_bytes_ += total - sent;
  tell_loop();
  return status;
}

void Detached::count_written(size_t bytes) noexcept {
  const uint64_t now_ms = coarse_ms();
  counters_.written_bytes.add(bytes);
  const uint64_t total = conn_.total_written() + bytes;
  conn_.total_written_.store(total, std::memory_order_relaxed);
  conn_.write_rate_.note(total, now_ms, conn_.host().config().tick_interval_ms);
  wrote_at_ms_.store(now_ms, std::memory_order_relaxed);
}

// ---- TLS ----

// A packet with what goes around it becomes one record, if it fits.
Status Detached::send_sealed(std::span<const ByteView> pieces) noexcept {
  const size_t total = total_size(pieces);
  if (pieces.size() == 1 || total > kRecordBytes) {
    size_t done = 0;
    for (const ByteView& piece : pieces) {
      const Status status = seal_piece(piece, done);
      if (status != TCPKIT_OK) return cut_short(status, done, total);
    }
    return TCPKIT_OK;
  }
  std::array<uint8_t, kRecordBytes> record;
  size_t used = 0;
  for (const ByteView& piece : pieces) {
    if (!piece.empty()) std::memcpy(record.data() + used, piece.data(), piece.size());
    used += piece.size();
  }
  size_t done = 0;
  const Status status = seal_piece({record.data(), used}, done);
  return status == TCPKIT_OK ? status : cut_short(status, done, total);
}

// What was sealed and has not left cannot be taken back: then the stream is broken.
Status Detached::seal_piece(ByteView plain, size_t& done) noexcept {
  std::unique_lock lock(tls_mutex_);
  while (!plain.empty()) {
    const ByteView part = plain.first(std::min(plain.size(), TlsEngine::kMostPlainBytes));
    if (!conn_.tls_->session.seal(part)) {
      const TlsFailure* failure = conn_.tls_->session.failure();
      const Status status = failure == nullptr ? TCPKIT_E_NO_MEMORY : failure->status;
      note_cause({TCPKIT_CLOSE_TLS_ERROR, status, 0});
      write_broken_.store(true);
      return fail(status, "conn: %s", status_text(status));
    }
    const Status status = send_output(lock);
    if (status != TCPKIT_OK) {
      write_broken_.store(true);
      return status;
    }
    count_written(part.size());
    done += part.size();
    plain = plain.subspan(part.size());
  }
  return TCPKIT_OK;
}

// The lock is not held while this waits: the reader may use the session then.
Status Detached::send_output(std::unique_lock<std::mutex>& lock) noexcept {
  uint64_t start_ns = 0;
  while (!engine_.output().empty()) {
    const ByteView bytes = engine_.output();
    iovec entry{const_cast<uint8_t*>(bytes.data()), bytes.size()};
    const IoResult result = send_gathered(conn_.fd(), {&entry, 1});
    if (result.error_number != 0 && result.error_number != EAGAIN) {
      return send_failed(result.error_number);
    }
    engine_.output_taken(result.bytes);
    if (result.bytes == bytes.size()) continue;
    if (result.bytes > 0) start_ns = 0;
    lock.unlock();
    const Status status = wait_for_room(conn_.fd(), start_ns);
    lock.lock();
    if (status != TCPKIT_OK) return status;
  }
  return TCPKIT_OK;
}

}  // namespace tcpkit
