// The way in: kernel -> one buffer per loop -> framer -> callback.

// An account of what is kept on the way:
//
// Bytes are received into the loop's read buffer and cut there; packets are views into it. What is
// no whole packet at the end is copied to a pooled block, the stash. A small stash goes back in
// front of the next bytes (the buffer has room there), so the framer always sees one piece. A large
// stash grows in place instead, and the kernel writes straight into it.
//
// The stash also keeps what must not be delivered now: the user paused in the middle of a read, or
// the connection used up its quantum. Then nothing more is read until that is delivered.
#include <sys/epoll.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_received.h"

namespace tcpkit {
namespace {

// Room that a large stash grows by at least, and the room below which it grows.
constexpr size_t kStashStep = 64u << 10;
constexpr size_t kSmallRoom = 4096;
// Most bytes per read until the user knows the connection: they have to fit into the TLS engine.
constexpr size_t kPreludeBytes = 16u << 10;

// The packets of one event: counted at its end, also if a callback throws, and the one that a
// callback has in hand told to the host.
class PacketRun {
 public:
  explicit PacketRun(ConnHost& host) noexcept : host_(host) {}
  PacketRun(const PacketRun&) = delete;
  PacketRun& operator=(const PacketRun&) = delete;
  ~PacketRun() {
    host_.own_counters().packets_read.add(count_);
    host_.loop_host().take_in_hand({});
  }

  void begin(ByteView packet) noexcept {
    ++count_;
    host_.loop_host().take_in_hand(packet);
  }
  uint64_t count() const noexcept { return count_; }

 private:
  ConnHost& host_;
  uint64_t count_ = 0;
};

// What a block counts against the budget: those that fit in front of the read buffer come and go
// with every read.
uint64_t counted_bytes(const Block& block) noexcept {
  return block.capacity > LoopHost::kFrontBytes ? block.capacity : 0;
}

bool is_reset(int error_number) noexcept {
  return error_number == ECONNRESET || error_number == EPIPE;
}

}  // namespace

void Conn::on_ready(uint32_t events) noexcept {
  // Another connection's callback ended this one in the same turn; the end of the turn finishes it.
  if (state() == ConnState::kClosed) return;
  in_event_ = true;
  if ((events & EPOLLOUT) != 0) {
    waits_writable_ = false;
    flush_output();
  }
  try {
    if ((events & EPOLLIN) != 0 || ((events & (EPOLLERR | EPOLLHUP)) != 0 && wants_input())) {
      read_ready();
    } else if ((events & (EPOLLERR | EPOLLHUP)) != 0) {
      hung_up();
    }
  } catch (...) {
    drop_stash();  // it may hold packets that were delivered already
    callback_threw();
  }
  end_event();
}

void Conn::read_ready() {
  if (state() != ConnState::kOpen) return discard_input();
  if (prelude_ == Prelude::kHandshake) return read_handshake();
  Received received{Quantum(host_.config().read_quantum_ns), {}};
  while (may_deliver() && !has_undelivered_ && receive_into(received)) {
    filters() == nullptr ? deliver(received) : decode_received(received);
    if (!received.filled || received.quantum.over()) break;
  }
  if (received.ended) return end_of_stream();
  if (tls_ != nullptr) tell_tls_end();
}

// False if there was nothing, or the end.
bool Conn::receive_into(Received& received) noexcept {
  if (tls_ != nullptr) [[unlikely]]
    return receive_sealed(received);
  begin_receiving(received);
  if (received.in_stash && !grow_stash(0)) return false;
  uint8_t* const buffer = received.in_stash ? stash_->bytes() + stash_->end : host_.read_buffer();
  size_t limit = host_.read_size();
  if (prelude_ != Prelude::kNone) [[unlikely]]
    limit = std::min(limit, kPreludeBytes);
  const size_t size = received.in_stash ? std::min(stash_->room(), limit) : limit;
  const IoResult result = receive(fd(), buffer, size);
  if (result.bytes == 0) {
    note_no_bytes(received, result.error_number);
    return false;
  }
  note_arrival(result.bytes);
  count_read(result.bytes);
  received.filled = result.bytes == size;
  join_received(received, result.bytes);
  return true;
}

void Conn::begin_receiving(Received& received) noexcept {
  received.in_stash =
      stash_ != nullptr && stash_->size() > LoopHost::kFrontBytes && filters() == nullptr;
  received.fresh = !owes_bytes();
}

void Conn::note_no_bytes(Received& received, int error_number) noexcept {
  received.ended = error_number == 0;
  if (error_number != 0 && error_number != EAGAIN) receive_failed(error_number);
}

// Puts what was kept of a packet in front of the bytes that came; with filters that is done once
// they are decoded.
void Conn::join_received(Received& received, size_t bytes) noexcept {
  if (received.in_stash) {
    stash_->end += static_cast<uint32_t>(bytes);
    received.bytes = {stash_->data(), stash_->size()};
    return;
  }
  uint8_t* const buffer = host_.read_buffer();
  const size_t kept = stash_ == nullptr || filters() != nullptr ? 0 : stash_->size();
  if (kept > 0) {
    std::memcpy(buffer - kept, stash_->data(), kept);
    drop_stash();
  }
  received.bytes = {buffer - kept, kept + bytes};
}

void Conn::note_arrival(size_t bytes) noexcept {
  if (timeouts_.watch_reads()) timeouts_.note_read(host_.loop().now_ms());
  if (timeouts_.watch_rate()) timeouts_.note_rate(host_.loop().now_ms(), bytes);
}

// The user's bytes: of TLS those that were sealed.
void Conn::count_read(size_t bytes) noexcept {
  host_.own_counters().read_bytes.add(bytes);
  const uint64_t total = total_read_.load(std::memory_order_relaxed) + bytes;
  total_read_.store(total, std::memory_order_relaxed);
  read_rate_.note(total, host_.loop().turn_ms(), host_.config().tick_interval_ms);
}

void Conn::deliver(Received& received) {
  const ConnConfig& config = host_.config();
  if (prelude_ != Prelude::kNone) [[unlikely]] {
    if (!take_prelude(received)) return;
    if (!may_deliver()) {  // on_open paused or closed it
      has_undelivered_ = !received.bytes.empty();
      return keep_rest(received);
    }
  }
  if (config.framing != nullptr) {
    deliver_packets(received);
    keep_rest(received);
    if (received.fresh && timeouts_.watch_rate() && owes_bytes()) begin_reading_time();
    return;
  }
  if (config.handlers.on_data != nullptr && !received.bytes.empty()) {
    config.handlers.on_data(handle(), received.bytes.data(), received.bytes.size(),
                            config.handlers.user_data);
  }
  if (received.in_stash) drop_stash();  // behind a large PROXY header, or held back after it
}

// The loop goes once per packet, millions of times a second: what it needs is in locals, which the
// calls in it cannot change.
void Conn::deliver_packets(Received& received) {
  const Framing& framing = *host_.config().framing;
  const tcpkit_data_fn on_packet = host_.config().handlers.on_packet;
  void* const user_data = host_.config().handlers.user_data;
  PacketRun packets(host_);
  ByteView rest = received.bytes;
  while (!rest.empty()) {
    WholeFrame frame;
    if (!framing.cut_whole(framer_, rest, frame) && !cut_next(rest, frame)) break;
    rest = rest.subspan(frame.frame_size);
    packets.begin(frame.packet);
    if (on_packet != nullptr) {
      on_packet(handle(), frame.packet.data(), frame.packet.size(), user_data);
    }
    // A time that is over is no reason to keep bytes for which there is no room.
    if (!may_deliver() || (received.quantum.over_after(packets.count()) && can_keep(rest.size()))) {
      has_undelivered_ = !rest.empty();
      break;
    }
  }
  received.bytes = rest;
  received.fresh = received.fresh || packets.count() > 0;
}

// The long way to a packet, past what is skipped. False: there is none yet, or no more ever.
bool Conn::cut_next(ByteView& rest, WholeFrame& frame) noexcept {
  while (!rest.empty()) {
    const CutResult cut = host_.config().framing->next(framer_, rest);
    if (cut.cut == Cut::kPacket) {
      frame = {cut.packet, cut.consumed_size};
      return true;
    }
    if (cut.cut != Cut::kSkip) {
      stop_cutting(cut);
      return false;
    }
    if (cut.discards_packet) host_.own_counters().packets_discarded.add(1);
    rest = rest.subspan(cut.consumed_size);
  }
  return false;
}

void Conn::stop_cutting(const CutResult& cut) noexcept {
  if (cut.discards_packet) host_.own_counters().packets_discarded.add(1);
  if (cut.cut == Cut::kMore) {
    needed_bytes_ = static_cast<uint32_t>(std::min<size_t>(cut.needed_size, UINT32_MAX));
  } else {
    framing_failed(cut.status);
  }
}

void Conn::keep_rest(const Received& received) noexcept {
  const size_t rest = received.bytes.size();
  if (rest == 0 || state() != ConnState::kOpen) {
    has_undelivered_ = false;
    return drop_stash();
  }
  if (received.in_stash) {
    stash_->begin = stash_->end - static_cast<uint32_t>(rest);
  } else {
    stash_ = take_stash(rest);
    if (stash_ == nullptr) return;
    std::memcpy(stash_->bytes(), received.bytes.data(), rest);
    stash_->end = static_cast<uint32_t>(rest);
  }
  if (has_undelivered_ && pauses_ == 0) list_to_deliver();
}

// nullptr, and the connection ends, if memory ran out or the server's budget is used up.
Block* Conn::take_stash(size_t bytes) noexcept {
  const ConnConfig& config = host_.config();
  Block* block = host_.blocks().take(bytes);
  if (block == nullptr) {
    fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return nullptr;
  }
  const uint64_t counted = counted_bytes(*block);
  if (counted == 0 || config.buffered_bytes.add_up_to(counted, config.flow.max_buffered_bytes)) {
    return block;
  }
  host_.blocks().give_back(block);
  out_of_room();
  return nullptr;
}

// Whether take_stash() will find room, which takes up to twice the bytes.
bool Conn::can_keep(size_t bytes) const noexcept {
  const ConnConfig& config = host_.config();
  return bytes <= LoopHost::kFrontBytes / 2 ||
         config.buffered_bytes.now() + 2 * uint64_t{bytes} <= config.flow.max_buffered_bytes;
}

// Makes room behind a large stash: for all of the frame if its header told the size, but no more
// than doubles it, since the peer that names a size has not sent it yet; and at least least_room.
bool Conn::grow_stash(size_t least_room) noexcept {
  const size_t used = stash_->size();
  const size_t missing = needed_bytes_ > used ? needed_bytes_ - used : used;
  if (stash_->room() >= std::max(least_room, std::min(missing, kSmallRoom))) return true;
  // The larger one counts in its place, not besides.
  Gauge& buffered = host_.config().buffered_bytes;
  buffered.remove(counted_bytes(*stash_));
  const size_t wanted = std::max(least_room, std::min(missing, std::max(used, kStashStep)));
  Block* larger = take_stash(used + wanted);
  if (larger == nullptr) {
    buffered.add(counted_bytes(*stash_));
    return false;
  }
  std::memcpy(larger->bytes(), stash_->data(), used);
  larger->end = static_cast<uint32_t>(used);
  host_.blocks().give_back(stash_);
  stash_ = larger;
  return true;
}

void Conn::drop_stash() noexcept {
  if (stash_ == nullptr) return;
  give_back_kept(stash_);
  stash_ = nullptr;
}

// A block of take_stash().
void Conn::give_back_kept(Block* block) noexcept {
  host_.config().buffered_bytes.remove(counted_bytes(*block));
  host_.blocks().give_back(block);
}

void Conn::framing_failed(Status status) noexcept {
  LoopCounters& counters = host_.own_counters();
  if (status == TCPKIT_E_CALLBACK) return callback_threw();
  counters.frame_errors.add(1);
  const bool too_big = status == TCPKIT_E_PACKET_TOO_BIG;
  begin_close({too_big ? TCPKIT_CLOSE_FRAME_TOO_BIG : TCPKIT_CLOSE_FRAME_ERROR, status, 0});
}

// ---- Pausing ----

void Conn::pause_reading(uint8_t reason) noexcept {
  pauses_ |= reason;
  touch();
}

// The peer could not send while we did not read, so its time begins anew.
void Conn::resume_reading(uint8_t reason) noexcept {
  pauses_ &= static_cast<uint8_t>(~reason);
  if (pauses_ == 0) {
    if (has_undelivered_ || has_untold_end()) list_to_deliver();
    begin_reading_time();
  }
  touch();
}

void Conn::list_to_deliver() noexcept {
  if (listed_to_deliver_) return;
  listed_to_deliver_ = true;
  host_.loop_host().add_to_deliver(*this);
}

// At the end of a turn, for bytes that were received before.
void Conn::continue_delivery() noexcept {
  listed_to_deliver_ = false;
  if (ended_ || !may_deliver()) return;
  in_event_ = true;
  try {
    if (has_undelivered_) deliver_kept();
    tell_tls_end();
  } catch (...) {
    drop_stash();  // it may hold packets that were delivered already
    callback_threw();
  }
  end_event();
}

void Conn::deliver_kept() {
  has_undelivered_ = false;
  if (filters() != nullptr) return deliver_kept_decoded();
  Received received{
      Quantum(host_.config().read_quantum_ns), {stash_->data(), stash_->size()}, true};
  deliver(received);
}

// ---- The end of the stream ----

void Conn::discard_input() noexcept {
  const IoResult result = receive(fd(), host_.read_buffer(), host_.read_size());
  if (result.bytes > 0) {
    note_arrival(result.bytes);
    if (tls_ == nullptr) count_read(result.bytes);
    return;
  }
  if (result.error_number == EAGAIN) return;
  if (result.error_number == 0) {
    peer_ended_ = true;
    return step(ConnStep::kPeerEnded);
  }
  if (!all_sent()) forget_orderly_cause();
  receive_failed(result.error_number);
}

void Conn::end_of_stream() {
  const ConnConfig& config = host_.config();
  if (prelude_ != Prelude::kNone && !end_in_prelude()) return;
  if (is_truncated()) {
    peer_ended_ = true;
    return begin_close({TCPKIT_CLOSE_TLS_TRUNCATED, TCPKIT_E_TLS_TRUNCATED, 0});
  }
  if (filters() != nullptr && !end_decoding()) return;
  peer_ended_ = true;
  if (stash_ != nullptr) deliver_tail();
  if (config.handlers.on_end != nullptr && state() == ConnState::kOpen) {
    config.handlers.on_end(handle(), config.handlers.user_data);
  }
  if (cause_.reason != 0 && state() == ConnState::kOpen) return fail_now(cause_);
  if (config.handlers.on_end == nullptr) begin_close({TCPKIT_CLOSE_PEER_FIN, TCPKIT_OK, 0});
}

void Conn::deliver_tail() {
  const ConnConfig& config = host_.config();
  const ByteView tail{stash_->data(), stash_->size()};
  partial_bytes_ = static_cast<uint32_t>(tail.size());
  host_.own_counters().tails.add(1);
  host_.own_counters().tail_bytes.add(tail.size());
  const bool wanted =
      config.deliver_tail && framer_.discard_bytes == 0 && tail.size() <= config.max_packet_size;
  if (!wanted || config.handlers.on_packet == nullptr) return;
  host_.own_counters().packets_read.add(1);
  config.handlers.on_packet(handle(), tail.data(), tail.size(), config.handlers.user_data);
}

void Conn::receive_failed(int error_number) noexcept {
  const tcpkit_close_reason reason =
      is_reset(error_number) ? TCPKIT_CLOSE_PEER_RESET : TCPKIT_CLOSE_IO_ERROR;
  fail_now({reason, status_from_errno(error_number), error_number});
}

// The connection is dead while nothing is read from it: it was paused, or the peer had ended.
void Conn::hung_up() noexcept {
  if (!peer_ended_) {
    // What arrived before is the user's once reading goes on; until then the kernel would only
    // repeat itself.
    host_.loop().unwatch(fd());
    watched_events_ = kNotWatched;
    return;
  }
  const int error_number = take_socket_error(fd());
  receive_failed(error_number != 0 ? error_number : ECONNRESET);
}

}  // namespace tcpkit
