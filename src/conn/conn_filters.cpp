// Filters between TLS and framing: how received bytes get through them to the framer, and what they
// do when filters are added in the middle. The way out is in conn_encode.cpp.

// An account of the way in:
//
// What is received, opened by TLS if there is TLS, lies in the loop's read buffer. It is shown to
// the filters in small pieces; what they make of them is gathered in a buffer of the loop, and
// delivered as if it had been received, when there is enough of it or nothing is left. So one piece
// bounds how much can come at once (FilterChain::kMostOutputBytes): compressed data that explodes
// is a long stream like others, which a pause or the end of a quantum stops at any piece. What is
// not decoded then is kept in `undecoded`, and nothing more is read until it is empty.
//
// Decoded bytes that cannot be delivered are in the stash, as everywhere. has_undelivered_ is up
// while there is something in either, or a failure that waits for what was decoded before it.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <new>

#include "conn/conn.h"
#include "conn/conn_filters.h"
#include "conn/conn_host.h"
#include "conn/conn_received.h"
#include "conn/detached.h"

namespace tcpkit {
namespace {

using Direction = FilterChain::Direction;

// zlib makes at most 260 KiB of a piece, zstd 8 MiB.
constexpr size_t kPieceBytes = 256;
// So much is delivered at once, if it is there.
constexpr size_t kEnoughBytes = 64u << 10;

ByteView view_of(Block& block) noexcept {
  return {block.data(), block.size()};
}

}  // namespace

// ---- Adding filters ----

bool Conn::make_filters() noexcept {
  if (filters() != nullptr) return true;
  if (host_.filter_buffers() == nullptr || make_extras() == nullptr) return false;
  extras()->filters.reset(new (std::nothrow) ConnFilters(host_.config().flow.max_buffered_bytes));
  return filters() != nullptr;
}

// Those of the server, before the user gets to know the connection. False: it ends instead.
bool Conn::install_filters() noexcept {
  const FilterSpecs& specs = host_.config().filters;
  if (specs.empty()) return true;
  if (!make_filters()) {
    fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return false;
  }
  for (const std::unique_ptr<const FilterSpec>& spec : specs) {
    const Status status = filters()->chain.add(*spec);
    if (status == TCPKIT_OK) continue;
    tell_filter_failure({status, false, spec->table().name, "state_create"});
    fail_now({TCPKIT_CLOSE_FILTER_ERROR, status, 0});
    return false;
  }
  // What came behind a prelude in the same read is for them.
  pauses_ |= kPausedByNewFilters;
  return true;
}

Status Conn::add_filter(std::unique_ptr<const FilterSpec> spec) noexcept {
  if (is_closed() || write_broken_) return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
  if (flushing_ || (filters() != nullptr && filters()->chain.is_running())) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "conn: a filter or a free function of it is running");
  }
  if (detached() != nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "conn: it is detached, and only a loop drives filters");
  }
  if (!make_filters()) return fail(TCPKIT_E_NO_MEMORY, "out of memory for filters");
  // The new stage must not see what was sent before it, so that is encoded first.
  const Status status = encode_all();
  if (status != TCPKIT_OK) return status;
  const size_t stage = filters()->chain.size();
  const Status added = filters()->chain.add(spec);
  if (added != TCPKIT_OK) return added;
  if ((pauses_ & kPausedByNewFilters) == 0) filters()->first_new_stage = stage;
  pauses_ |= kPausedByNewFilters;
  touch();
  return TCPKIT_OK;
}

// At the end of the event that added filters: the packet that was in hand is done, and what is kept
// behind it is for the new ones.
void Conn::begin_new_filters() noexcept {
  ConnFilters& filters = *this->filters();
  pauses_ &= static_cast<uint8_t>(~kPausedByNewFilters);
  if (stash_ != nullptr) {
    stash_->kind = static_cast<uint16_t>(filters.first_new_stage);
    stash_->next = filters.undecoded;
    filters.undecoded = stash_;
    stash_ = nullptr;
    framer_.scanned_bytes = 0;
    needed_bytes_ = 0;
  }
  filters.stash_waits = false;
  settle_decoding();
  if (pauses_ != 0) return;
  if (has_untold_end()) list_to_deliver();
  schedule_timeouts();
}

// ---- Decoding ----

// For bytes in the read buffer.
void Conn::decode_received(Received& received) {
  const ByteView rest = decode_and_deliver(received, received.bytes, 0);
  if (!rest.empty() && state() == ConnState::kOpen) keep_undecoded(rest);
  settle_decoding();
}

// Returns what is not decoded: the user paused or closed, or the time is over.
ByteView Conn::decode_and_deliver(Received& received, ByteView bytes, size_t first_stage) {
  ConnFilters& filters = *this->filters();
  FilterBuffer& decoded = host_.filter_buffers()->decoded;
  bool sound = true;
  while (sound && !bytes.empty() && may_deliver()) {
    decoded.clear();
    while (sound && !bytes.empty() && decoded.size() < kEnoughBytes) {
      const ByteView piece = bytes.first(std::min(bytes.size(), kPieceBytes));
      bytes = bytes.subspan(piece.size());
      sound = filters.chain.decode(first_stage, piece, decoded);
    }
    deliver_decoded(received, decoded);
    if (filters.stash_waits) break;
    const bool more = !bytes.empty();
    if (more && received.quantum.over() && can_keep(bytes.size())) break;
  }
  return sound ? bytes : ByteView();
}

void Conn::deliver_decoded(Received& received, FilterBuffer& decoded) {
  if (decoded.empty()) return;
  begin_receiving(received);
  received.in_stash = stash_ != nullptr && stash_->size() > LoopHost::kFrontBytes;
  if (received.in_stash && !grow_stash(decoded.size())) return;
  uint8_t* const begin = decoded.data();
  size_t kept = 0;
  if (received.in_stash) {
    std::memcpy(stash_->bytes() + stash_->end, begin, decoded.size());
    stash_->end += static_cast<uint32_t>(decoded.size());
    received.bytes = view_of(*stash_);
  } else {
    if (stash_ != nullptr) {
      kept = stash_->size();
      std::memcpy(begin - kept, stash_->data(), kept);
      drop_stash();
    }
    received.bytes = {begin - kept, kept + decoded.size()};
  }
  has_undelivered_ = false;
  deliver(received);
  filters()->stash_waits = has_undelivered_;
}

void Conn::keep_undecoded(ByteView bytes) noexcept {
  Block* block = take_stash(bytes.size());
  if (block == nullptr) return;
  std::memcpy(block->bytes(), bytes.data(), bytes.size());
  block->end = static_cast<uint32_t>(bytes.size());
  block->next = filters()->undecoded;
  filters()->undecoded = block;
}

// What waited, at the end of a turn.
void Conn::deliver_kept_decoded() {
  ConnFilters& filters = *this->filters();
  Received received{Quantum(host_.config().read_quantum_ns), {}};
  if (filters.stash_waits) {
    received.bytes = view_of(*stash_);
    received.in_stash = true;
    deliver(received);
    filters.stash_waits = has_undelivered_;
  }
  while (filters.undecoded != nullptr && may_deliver() && !filters.stash_waits) {
    Block* const block = filters.undecoded;
    const ByteView rest = decode_and_deliver(received, view_of(*block), block->kind);
    block->begin = block->end - static_cast<uint32_t>(rest.size());
    if (!rest.empty()) break;
    filters.undecoded = block->next;
    give_back_kept(block);
  }
  settle_decoding();
}

// Whether something waits, and who goes on with it. A failure is told when all is delivered that
// was decoded before it.
void Conn::settle_decoding() noexcept {
  ConnFilters& filters = *this->filters();
  if (state() != ConnState::kOpen) return;
  const bool failed = filters.chain.failed(Direction::kDecode);
  if (failed) drop_undecoded();
  if (failed && !filters.stash_waits && may_deliver()) {
    has_undelivered_ = false;
    return decoding_failed();
  }
  has_undelivered_ = filters.stash_waits || filters.undecoded != nullptr || failed;
  if (has_undelivered_ && pauses_ == 0) list_to_deliver();
}

void Conn::drop_undecoded() noexcept {
  while (filters()->undecoded != nullptr) {
    Block* const block = filters()->undecoded;
    filters()->undecoded = block->next;
    give_back_kept(block);
  }
}

// At the end of the stream: what the filters have kept back. False if the end cannot be told now,
// or not as an orderly one; it will be met again where something has to be delivered first.
bool Conn::end_decoding() {
  ConnFilters& filters = *this->filters();
  if (!filters.decode_ended) {
    filters.decode_ended = true;
    FilterBuffer& decoded = host_.filter_buffers()->decoded;
    decoded.clear();
    (void)filters.chain.decode_end(decoded);
    Received received{Quantum(host_.config().read_quantum_ns), {}};
    deliver_decoded(received, decoded);
    settle_decoding();
  }
  if (state() == ConnState::kOpen) return may_deliver() && !has_undelivered_;
  peer_ended_ = true;
  return false;
}

// ---- Failures ----

void Conn::decoding_failed() noexcept {
  const FilterFailure& failure = filters()->chain.failure(Direction::kDecode);
  if (failure.threw) return callback_threw();
  tell_filter_failure(failure);
  begin_close({TCPKIT_CLOSE_FILTER_ERROR, failure.status, 0});
}

void Conn::tell_filter_failure(const FilterFailure& failure) noexcept {
  char* const detail = filters()->detail;
  if (detail[0] != '\0') return;
  std::snprintf(detail, sizeof filters()->detail, "filter %s: %s: %s", failure.filter, failure.step,
                status_text(failure.status));
  host_.own_counters().filter_errors.add(1);
  host_.config().log.write(TCPKIT_LOG_INFO, "connection %llu is closed: %s",
                           static_cast<unsigned long long>(id_), detail);
}

const char* Conn::filter_detail() const noexcept {
  const bool failed = filters() != nullptr && cause_.reason == TCPKIT_CLOSE_FILTER_ERROR;
  return failed ? filters()->detail : nullptr;
}

// Before the close handlers.
void Conn::end_filters() noexcept {
  if (filters() == nullptr) return;
  drop_undecoded();
  filters()->chain.end();
}

}  // namespace tcpkit
