// Packets on the thread of a handler: cut from the bytes that were read ahead, of which they are
// views until the next read.
#include <algorithm>

#include "conn/conn_host.h"
#include "conn/detached.h"

namespace tcpkit {
namespace {

// A peer that names a large size has not sent it yet: room grows with what came.
constexpr size_t kMostAtOnce = 64u << 10;

}  // namespace

// ---- What they have in common ----

Status Detached::make_room(size_t bytes) noexcept {
  const size_t capacity = ahead_.capacity_for(bytes);
  if (capacity == 0) return TCPKIT_OK;
  const ConnConfig& config = conn_.host().config();
  const uint64_t counted = capacity > ReadAhead::kBytes ? capacity : 0;
  const uint64_t more = counted - std::min(counted, counted_capacity_);
  if (more > 0 && !config.buffered_bytes.add_up_to(more, config.flow.max_buffered_bytes)) {
    config.warn_of_limit(ServerLimit::kBuffered);
    note_cause({TCPKIT_CLOSE_LIMIT, TCPKIT_E_LIMIT, 0});
    return fail(TCPKIT_E_LIMIT, "conn: %zu bytes of input would pass max_buffered_bytes", capacity);
  }
  if (!ahead_.grow(capacity)) {
    config.buffered_bytes.remove(more);
    note_cause({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return fail(TCPKIT_E_NO_MEMORY, "out of memory for %zu bytes of input", capacity);
  }
  counted_capacity_ += more;
  return TCPKIT_OK;
}

Status Detached::read_more(size_t missing) noexcept {
  const size_t wanted = std::min(missing, std::max(ahead_.size(), kMostAtOnce));
  Status status = make_room(std::max<size_t>(wanted, 1));
  if (status != TCPKIT_OK) return status;
  size_t came = 0;
  status = fill(ahead_.room(std::max<size_t>(wanted, 1)), came);
  if (status == TCPKIT_OK) ahead_.came(came);
  return status == TCPKIT_E_END && !ahead_.empty() ? end_inside() : status;
}

Status Detached::end_inside() noexcept {
  if (!tail_told_) {
    tail_told_ = true;
    counters_.tails.add(1);
    counters_.tail_bytes.add(ahead_.size());
  }
  return fail(TCPKIT_E_UNEXPECTED_EOF, "conn: the stream ended inside a packet, after %zu bytes",
              ahead_.size());
}

Status Detached::lend(ByteView packet, size_t frame_bytes, ByteView& out) noexcept {
  out = packet;
  borrowed_ = frame_bytes;
  return TCPKIT_OK;
}

// ---- In the framing of the server ----

Status Detached::read_packet(ByteView& packet) noexcept {
  const DetachedCall call(*this, IoGate::kReading);
  if (call.status() != TCPKIT_OK) return call.status();
  if (conn_.host().config().framing == nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: its server has no framing, so it has no packets");
  }
  if (frame_error_ != TCPKIT_OK) return fail(frame_error_, "conn: %s", status_text(frame_error_));
  drop_borrowed();
  for (;;) {
    size_t missing = 1;
    Status status = next_packet(packet, missing);
    if (status != TCPKIT_OK || borrowed_ > 0) return status;
    status = read_more(missing);
    if (status == TCPKIT_E_UNEXPECTED_EOF) return deliver_tail(packet);
    if (status != TCPKIT_OK) return status;
  }
}

// Nothing lent and OK: that many bytes are missing.
Status Detached::next_packet(ByteView& packet, size_t& missing) noexcept {
  const Framing& framing = *conn_.host().config().framing;
  FramerState& framer = conn_.framer_;
  while (!ahead_.empty()) {
    WholeFrame frame;
    if (framing.cut_whole(framer, ahead_.bytes(), frame)) {
      counters_.packets_read.add(1);
      return lend(frame.packet, frame.frame_size, packet);
    }
    const CutResult cut = framing.next(framer, ahead_.bytes());
    if (cut.discards_packet) counters_.packets_discarded.add(1);
    if (cut.cut == Cut::kFail) return framing_failed(cut.status);
    if (cut.cut == Cut::kMore) {
      missing = cut.needed_size > ahead_.size() ? cut.needed_size - ahead_.size() : 1;
      return TCPKIT_OK;
    }
    if (cut.cut == Cut::kPacket) {
      counters_.packets_read.add(1);
      return lend(cut.packet, cut.consumed_size, packet);
    }
    ahead_.take(cut.consumed_size);
  }
  return TCPKIT_OK;
}

// The user may answer before it closes, so only the reason is kept.
Status Detached::framing_failed(Status status) noexcept {
  frame_error_ = status;
  if (status == TCPKIT_E_CALLBACK) {
    note_cause({TCPKIT_CLOSE_CALLBACK, status, 0});
  } else {
    counters_.frame_errors.add(1);
    const bool too_big = status == TCPKIT_E_PACKET_TOO_BIG;
    note_cause({too_big ? TCPKIT_CLOSE_FRAME_TOO_BIG : TCPKIT_CLOSE_FRAME_ERROR, status, 0});
  }
  return fail(status, "conn: %s", status_text(status));
}

// After the end of the stream inside a packet, of which the message tells.
Status Detached::deliver_tail(ByteView& packet) noexcept {
  const ConnConfig& config = conn_.host().config();
  const bool wanted = config.deliver_tail && conn_.framer_.discard_bytes == 0 &&
                      ahead_.size() <= config.max_packet_size;
  if (!wanted) return TCPKIT_E_UNEXPECTED_EOF;
  counters_.packets_read.add(1);
  return lend(ahead_.bytes(), ahead_.size(), packet);
}

// ---- In a framing of the call ----

Status Detached::read_prefixed(const LengthPrefix& prefix, ByteView& packet) noexcept {
  const DetachedCall call(*this, IoGate::kReading);
  if (call.status() != TCPKIT_OK) return call.status();
  begin_plain_read();
  for (;;) {
    const CallCut cut = cut_prefixed(ahead_.bytes(), prefix);
    if (cut.kind == CallCut::Kind::kPacket) return lend(cut.packet, cut.frame_size, packet);
    if (cut.kind == CallCut::Kind::kTooBig) {
      return fail(TCPKIT_E_PACKET_TOO_BIG, "conn: the packet has %llu bytes, max_size is %zu",
                  static_cast<unsigned long long>(cut.named_size), prefix.max_size);
    }
    const Status status = read_more(cut.missing);
    if (status != TCPKIT_OK) return status;
  }
}

Status Detached::read_separated(ByteView separator, size_t max_size, ByteView& packet) noexcept {
  const DetachedCall call(*this, IoGate::kReading);
  if (call.status() != TCPKIT_OK) return call.status();
  begin_plain_read();
  SeparatorSearch search(separator, max_size);
  for (;;) {
    const CallCut cut = search.next(ahead_.bytes());
    if (cut.kind == CallCut::Kind::kPacket) return lend(cut.packet, cut.frame_size, packet);
    if (cut.kind == CallCut::Kind::kTooBig) {
      return fail(TCPKIT_E_PACKET_TOO_BIG, "conn: no separator came within %zu bytes", max_size);
    }
    const Status status = read_more(cut.missing);
    if (status != TCPKIT_OK) return status;
  }
}

}  // namespace tcpkit
