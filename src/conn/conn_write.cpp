// The way out: user -> encoder -> one system call per event. Small sends are copied together,
// inside an event into the loop's output buffer, elsewhere into the connection's write queue; a
// large one is written at once, straight from the user's memory, and only its rest is copied.
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_tasks.h"
#include "conn/detached.h"
#include "conn/strand.h"

namespace tcpkit {
namespace {

// Rejected: writing every send at once. A system call costs more than copying 64 KiB.
constexpr size_t kWriteThroughBytes = 64u << 10;
constexpr size_t kEntriesPerWrite = 256;

Status refused() noexcept {
  return fail(TCPKIT_E_CLOSED, "conn: it is closed, or shut down");
}

Status out_of_memory(size_t bytes) noexcept {
  return fail(TCPKIT_E_NO_MEMORY, "out of memory for %zu bytes to send", bytes);
}

uint8_t* put(uint8_t* target, ByteView bytes) noexcept {
  copy_short(target, bytes.data(), bytes.size());
  return target + bytes.size();
}

size_t total_size(std::span<const ByteView> pieces) noexcept {
  size_t total = 0;
  for (const ByteView& piece : pieces) total += piece.size();
  return total;
}

}  // namespace

// Place for a small send: in the loop's output buffer during an event of this connection, unless
// older bytes wait; else in its last block. nullptr if there is none.
[[gnu::always_inline]] inline uint8_t* Conn::claim_output(size_t bytes) noexcept {
  const bool in_own_event = in_event_ && !flushing_ && queue_.empty() && !waits_writable_;
  if (!in_own_event) return take_room_below_high(bytes) ? queue_.claim(bytes) : nullptr;
  EventOutput& output = host_.event_output();
  uint8_t* target = output.claim(bytes, host_.output_limit());
  if (target != nullptr || bytes > host_.output_limit()) return target;
  return claim_after_flush(bytes);
}

uint8_t* Conn::claim_after_flush(size_t bytes) noexcept {
  flush_output();
  if (queue_.empty() && !waits_writable_)
    return host_.event_output().claim(bytes, host_.output_limit());
  return take_room_below_high(bytes) ? queue_.claim(bytes) : nullptr;
}

Status Conn::send(std::span<const ByteView> pieces) noexcept {
  if (sends_refused_.load(std::memory_order_relaxed)) return refused();
  const size_t total = total_size(pieces);
  if (total == 0) return TCPKIT_OK;
  if (!host_.loop().is_home()) return post_send(*this, pieces, total, Counted::kBytes);
  uint8_t* target = total < kWriteThroughBytes ? claim_output(total) : nullptr;
  if (target == nullptr) return send_here(pieces, total);
  for (const ByteView& piece : pieces) target = put(target, piece);
  touch();
  return TCPKIT_OK;
}

size_t Conn::pending_bytes() const noexcept {
  return queue_.bytes() + (in_event_ ? host_.event_output().size() : 0) + sealed_plain_bytes() +
         encoded_bytes();
}

// Before something is queued that cannot go into the loop's buffer.
bool Conn::spill_event_output() noexcept {
  if (!in_event_ || host_.event_output().size() == 0) return true;
  const ByteView bytes = host_.event_output().take();
  if (queue_.append(host_.blocks(), {&bytes, 1}, bytes.size())) return true;
  (void)host_.event_output().claim(bytes.size(), host_.output_limit());  // it stays where it is
  return false;
}

// Where nothing can be written: the loop's buffer has to be empty when the event ends. False: the
// connection has ended.
bool Conn::keep_event_output() noexcept {
  if (!in_event_ || host_.event_output().size() == 0) return state() != ConnState::kClosed;
  if (!spill_event_output()) {
    drop_event_output();
    fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return false;
  }
  if (!take_room_here(0)) {
    out_of_room();
    return false;
  }
  (void)note_level();
  return true;
}

void Conn::drop_event_output() noexcept {
  unsent_bytes_ += host_.event_output().take().size();
}

Status Conn::send_packet(ByteView packet) noexcept {
  if (sends_refused_.load(std::memory_order_relaxed)) return refused();
  const Framing* framing = host_.config().framing.get();
  if (framing == nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: it has no framing, so it has no packets");
  }
  if (!host_.loop().is_home()) return post_packet(*framing, packet);
  Envelope envelope;
  const Status status = framing->encode(packet, envelope);
  if (status != TCPKIT_OK) return status;
  uint8_t* target = claim_output(envelope.header_size + packet.size() + envelope.trailer_size);
  if (target == nullptr) return send_frame(envelope, packet);
  target = put(target, {envelope.header, envelope.header_size});
  target = put(target, packet);
  put(target, {envelope.trailer, envelope.trailer_size});
  return packet_sent();
}

Status Conn::post_packet(const Framing& framing, ByteView packet) noexcept {
  Envelope envelope;
  const Status status = framing.encode(packet, envelope);
  if (status != TCPKIT_OK) return status;
  const ByteView pieces[] = {
      {envelope.header, envelope.header_size}, packet, {envelope.trailer, envelope.trailer_size}};
  return post_send(*this, pieces, total_size(pieces), Counted::kPacket);
}

// The frame that does not fit into the block at hand.
Status Conn::send_frame(const Envelope& envelope, ByteView packet) noexcept {
  const ByteView pieces[] = {
      {envelope.header, envelope.header_size}, packet, {envelope.trailer, envelope.trailer_size}};
  const size_t total = total_size(pieces);
  const Status status = total == 0 ? TCPKIT_OK : send_here(pieces, total);
  if (status >= 0) count_packet_written();
  return status;
}

Status Conn::send_shared(SharedBuffer& buffer) noexcept {
  if (sends_refused_.load(std::memory_order_relaxed)) return refused();
  if (buffer.view().empty()) return TCPKIT_OK;
  if (!host_.loop().is_home()) return post_send_shared(*this, buffer);
  const Status room = admit(buffer.view().size());
  if (room != TCPKIT_OK) return room;
  if (enqueue_shared(buffer)) return after_queueing();
  publish_queued();
  return out_of_memory(sizeof buffer);
}

Status Conn::flush() noexcept {
  if (is_closed()) return refused();
  if (strand() != nullptr && strand()->runs_here()) strand()->flush();
  if (host_.loop().is_home() && has_output() && !waits_writable_) {
    flush_output();
    touch();
  }
  return TCPKIT_OK;
}

Status Conn::packet_sent() noexcept {
  count_packet_written();
  touch();
  return TCPKIT_OK;
}

void Conn::count_packets_written(size_t packets) noexcept {
  host_.own_counters().packets_written.add(packets);
}

Status Conn::send_here(std::span<const ByteView> pieces, size_t total_bytes) noexcept {
  const Status room = admit(total_bytes);
  if (room != TCPKIT_OK) return room;
  if (total_bytes >= kWriteThroughBytes && !waits_writable_ && filters() == nullptr) {
    write_through(pieces, total_bytes);
    touch();
    return note_level();
  }
  if (enqueue(pieces, total_bytes)) return after_queueing();
  publish_queued();
  return out_of_memory(total_bytes);
}

// False if memory ran out; then nothing was queued.
bool Conn::enqueue(std::span<const ByteView> pieces, size_t total_bytes) noexcept {
  if (!spill_event_output()) return false;
  if (!queue_.append(host_.blocks(), pieces, total_bytes)) return false;
  touch();
  return true;
}

bool Conn::enqueue_shared(SharedBuffer& buffer) noexcept {
  if (!spill_event_output()) return false;
  if (!queue_.append_shared(host_.blocks(), buffer)) return false;
  touch();
  return true;
}

// What another thread sent, in the order of the posted tasks.
void Conn::send_posted(SharedBuffer& payload, Payload how) noexcept {
  const ByteView bytes = payload.view();
  if (ended_) return unreserve_posted(bytes.size());
  if (!write_open()) {
    unreserve_posted(bytes.size());
    unsent_bytes_ += bytes.size();
    return touch();  // a close may wait for this task
  }
  const bool queued =
      how == Payload::kCopy ? enqueue({&bytes, 1}, bytes.size()) : enqueue_shared(payload);
  if (queued) {
    posted_arrived(bytes.size());
    (void)after_queueing();
    return;
  }
  unreserve_posted(bytes.size());
  unsent_bytes_ += bytes.size();
  fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
}

void Conn::write_through(std::span<const ByteView> pieces, size_t total_bytes) noexcept {
  if (has_output()) flush_output();
  std::array<ByteView, 8> rest{};
  std::array<iovec, 8> entries{};
  IoResult result{0, EAGAIN};
  const bool direct = queue_.empty() && write_open() && !flushing_ && !lent_ &&
                      prelude_ == Prelude::kNone && pieces.size() <= entries.size();
  if (direct) {
    for (size_t i = 0; i < pieces.size(); ++i) {
      entries[i] = {const_cast<uint8_t*>(pieces[i].data()), pieces[i].size()};
    }
    result = transmit({entries.data(), pieces.size()});
  }
  if (result.bytes == total_bytes) return publish_queued();
  size_t skipped = result.bytes;
  for (size_t i = 0; direct && i < pieces.size(); ++i) {
    const size_t cut = std::min(skipped, pieces[i].size());
    rest[i] = pieces[i].subspan(cut);
    skipped -= cut;
  }
  const auto unsent = direct ? std::span<const ByteView>(rest.data(), pieces.size()) : pieces;
  const size_t unsent_bytes = total_bytes - result.bytes;
  if (!queue_.append(host_.blocks(), unsent, unsent_bytes)) {
    unsent_bytes_ += unsent_bytes;
    return fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
  }
  if (direct && result.error_number != 0 && result.error_number != EAGAIN) {
    return write_failed(result.error_number);
  }
  if (direct) begin_waiting();
  publish_queued();
}

void Conn::account_written(size_t bytes) noexcept {
  if (bytes == 0) return;
  host_.own_counters().written_bytes.add(bytes);
  const uint64_t total = total_written_.load(std::memory_order_relaxed) + bytes;
  total_written_.store(total, std::memory_order_relaxed);
  write_rate_.note(total, host_.loop().turn_ms(), host_.config().tick_interval_ms);
  note_progress();
}

// The peer has taken something.
void Conn::note_progress() noexcept {
  if (timeouts_.watch_writes() || waits_writable_) timeouts_.note_write(host_.loop().now_ms());
}

// Writes until the queue is empty or the kernel takes less than it was offered.
void Conn::flush_output() noexcept {
  if (flushing_) return;
  if (lent_) [[unlikely]]
    return flush_in_turn();
  write_all_output();
  publish_queued();
}

void Conn::write_all_output() noexcept {
  flushing_ = true;
  if (filters() != nullptr) [[unlikely]] {
    write_filtered();
  } else if (tls_ == nullptr || may_seal()) {
    if (in_event_) write_event_output();
    if (!waits_writable_) write_queue(queue_);
  }
  flushing_ = false;
}

// Of a detached connection, whose writer may be in the middle of something: then its end tells us.
void Conn::flush_in_turn() noexcept {
  IoGate& gate = detached()->gate();
  if (detached()->stream_is_broken()) {
    drop_event_output();
    return drop_all_output();
  }
  if (!gate.take_loop_turn()) {
    (void)keep_event_output();
    return publish_queued();
  }
  {
    const std::lock_guard lock(detached()->tls_mutex());
    write_all_output();
  }
  detached()->loop_wrote(host_.loop().now_ms());
  publish_queued();
  gate.drop_loop_turn();
}

// At the end of an event: the loop's buffer is the next connection's then, so what neither the
// kernel nor a record could take is queued.
void Conn::settle_output() noexcept {
  if (!waits_writable_) flush_output();
  if (state() != ConnState::kClosed) (void)keep_event_output();
}

void Conn::write_event_output() noexcept {
  const ByteView bytes = host_.event_output().take();
  if (bytes.empty()) return;
  iovec entry{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  const IoResult result = transmit({&entry, 1});
  if (result.bytes == bytes.size() && sealed_plain_bytes() == 0) return;
  const ByteView rest = bytes.subspan(result.bytes);
  if (!take_room_here(rest.size())) {
    unsent_bytes_ += rest.size();
    return out_of_room();
  }
  if (rest.empty()) return;
  if (!queue_.append(host_.blocks(), {&rest, 1}, rest.size())) {
    unsent_bytes_ += rest.size();
    return fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
  }
  if (result.error_number != 0 && result.error_number != EAGAIN) {
    return write_failed(result.error_number);
  }
  begin_waiting();
  queue_.settle(host_.blocks());
  (void)note_level();
}

void Conn::write_queue(WriteQueue& queue) noexcept {
  std::array<iovec, kEntriesPerWrite> entries;
  while (!queue.empty()) {
    const size_t count = queue.gather(entries);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) offered += entries[i].iov_len;
    const IoResult result = transmit({entries.data(), count});
    if (result.error_number != 0 && result.error_number != EAGAIN) {
      return write_failed(result.error_number);
    }
    if (write_broken_) return;
    queue.consume(host_.blocks(), result.bytes);
    if (result.bytes < offered) {
      begin_waiting();
      queue.settle(host_.blocks());
      return;
    }
  }
}

// Nothing can be sent any more.
void Conn::drop_all_output() noexcept {
  sends_refused_.store(true, std::memory_order_relaxed);
  write_broken_ = true;
  unsent_bytes_ += queue_.bytes();
  queue_.clear(host_.blocks());
  drop_encoded();
  drop_tls_output();
  publish_queued();
}

// A reset may have data of the peer in front of it: that is delivered first, and the read that
// comes after it ends the connection.
void Conn::write_failed(int error_number) noexcept {
  drop_all_output();
  const bool reset = error_number == ECONNRESET || error_number == EPIPE;
  forget_orderly_cause();
  const CloseCause cause{reset ? TCPKIT_CLOSE_PEER_RESET : TCPKIT_CLOSE_IO_ERROR,
                         status_from_errno(error_number), error_number};
  if (cause_.reason == 0) cause_ = cause;
  const bool may_read = lent_ || (may_deliver() && !peer_ended_);
  if (lent_) detached()->break_stream();
  const bool reads_on = reset && state() == ConnState::kOpen && may_read;
  if (!reads_on) fail_now(cause);
}

}  // namespace tcpkit
