// The way out of a connection with filters: what was sent is encoded when it is written.

// An account of the way out:
//
// What is sent stays as it is, in the event's output or in the queue, until the kernel takes bytes:
// then a batch of it is encoded into a buffer of the loop and written, or sealed. What is not taken
// waits in `encoded`, and no more is encoded before that has left. When all that was sent is
// encoded the filters are flushed, so at the end of an event nothing of it is inside them. Queued
// is what waits on either side: plain bytes before the filters, and encoded ones behind them.
//
// Rejected: encoding inside the send. The limits would be those of encoded bytes only, but a send
// cannot know what it will become, and filters would be flushed for each of many small sends.
#include <algorithm>
#include <array>
#include <cerrno>

#include "conn/conn.h"
#include "conn/conn_filters.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"

namespace tcpkit {
namespace {

using Direction = FilterChain::Direction;

constexpr size_t kBatchBytes = 64u << 10;
constexpr size_t kEntriesPerBatch = 64;

// While a connection encodes, into the buffer of its loop.
class Encoding {
 public:
  explicit Encoding(FilterBuffers& buffers) noexcept : buffers_(buffers) {
    buffers_.encoding = true;
    buffers_.encoded.clear();
  }
  Encoding(const Encoding&) = delete;
  Encoding& operator=(const Encoding&) = delete;
  ~Encoding() {
    buffers_.encoded.clear();
    buffers_.encoding = false;
  }

 private:
  FilterBuffers& buffers_;
};

}  // namespace

size_t Conn::encoded_of_filters() const noexcept {
  return filters()->encoded.bytes();
}

// What waits right before TLS or the kernel.
WriteQueue& Conn::lower_queue() noexcept {
  return filters() == nullptr ? queue_ : filters()->encoded;
}

// In flush_output().
void Conn::write_filtered() noexcept {
  FilterBuffers& buffers = *host_.filter_buffers();
  if (buffers.encoding) return list_in_turn();  // called by a filter of another connection
  if (tls_ != nullptr && !may_seal()) return;
  if (!waits_writable_) write_queue(filters()->encoded);
  if (waits_writable_ || write_broken_) {
    (void)keep_event_output();
    return;
  }
  const Encoding encoding(buffers);
  if (in_event_ && !encode_event_output()) return;
  while (!queue_.empty()) {
    if (!encode_batch() || !write_encoded()) return;
  }
  if (flush_filters()) (void)write_encoded();
}

// False: a filter failed, or the kernel takes no more.
bool Conn::encode_event_output() noexcept {
  const ByteView bytes = host_.event_output().take();
  if (bytes.empty()) return true;
  if (encode(bytes)) return write_encoded();
  unsent_bytes_ += bytes.size();
  return false;
}

// The front of the queue.
bool Conn::encode_batch() noexcept {
  std::array<iovec, kEntriesPerBatch> entries;
  const size_t count = queue_.gather(entries);
  size_t taken = 0;
  const FilterBuffer& encoded = host_.filter_buffers()->encoded;
  for (size_t i = 0; i < count && taken < kBatchBytes && encoded.size() < kBatchBytes; ++i) {
    const size_t size = std::min(entries[i].iov_len, kBatchBytes - taken);
    if (!encode({static_cast<const uint8_t*>(entries[i].iov_base), size})) return false;
    taken += size;
  }
  queue_.consume(host_.blocks(), taken);
  return true;
}

bool Conn::encode(ByteView bytes) noexcept {
  filters()->needs_flush = true;
  if (filters()->chain.encode(bytes, host_.filter_buffers()->encoded)) return true;
  encoding_failed();
  return false;
}

bool Conn::flush_filters() noexcept {
  if (!filters()->needs_flush) return true;
  filters()->needs_flush = false;
  if (filters()->chain.flush(host_.filter_buffers()->encoded)) return true;
  encoding_failed();
  return false;
}

// Hands what is in the loop's buffer on. False if not all of it was taken.
bool Conn::write_encoded() noexcept {
  FilterBuffer& encoded = host_.filter_buffers()->encoded;
  if (encoded.empty()) return state() != ConnState::kClosed;
  iovec entry{encoded.data(), encoded.size()};
  const IoResult result = transmit({&entry, 1});
  const ByteView rest = encoded.view().subspan(result.bytes);
  if (!keep_encoded(rest)) return false;
  encoded.clear();
  if (result.error_number != 0 && result.error_number != EAGAIN) {
    write_failed(result.error_number);
    return false;
  }
  if (rest.empty()) return !waits_writable_ && !write_broken_ && state() != ConnState::kClosed;
  if (!waits_writable_) begin_waiting();
  filters()->encoded.settle(host_.blocks());
  (void)note_level();
  return false;
}

// Filters may make more of their input than was admitted: that counts against the budget of the
// server, and may pass max_queued_bytes by what one batch has grown.
bool Conn::keep_encoded(ByteView rest) noexcept {
  if (rest.empty()) return true;
  if (!filters()->encoded.append(host_.blocks(), {&rest, 1}, rest.size())) {
    unsent_bytes_ += rest.size();
    fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return false;
  }
  const uint64_t now = queue_.bytes() + sealed_plain_bytes() + encoded_bytes();
  if (now <= published_bytes_) return true;
  const ConnConfig& config = host_.config();
  if (!config.buffered_bytes.add_up_to(now - published_bytes_, config.flow.max_buffered_bytes)) {
    out_of_room();
    return false;
  }
  total_queued_.fetch_add(now - published_bytes_);
  published_bytes_ = now;
  return true;
}

// Encodes all that was sent, also if nobody takes it now: what comes next is under other filters,
// or under TLS.
Status Conn::encode_all() noexcept {
  if (host_.filter_buffers()->encoding) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "conn: a filter of another connection is running");
  }
  if (has_output() && !waits_writable_) flush_output();
  if (!keep_event_output()) return fail(TCPKIT_E_CLOSED, "conn: it is closed");
  if (state() == ConnState::kOpen && !queue_.empty()) {
    const Encoding encoding(*host_.filter_buffers());
    FilterBuffer& encoded = host_.filter_buffers()->encoded;
    bool sound = true;
    flushing_ = true;  // no broadcast drops what is being encoded
    while (sound && !queue_.empty()) {
      sound = encode_batch() && keep_encoded(encoded.view());
      encoded.clear();
    }
    if (sound && flush_filters()) (void)keep_encoded(encoded.view());
    flushing_ = false;
    publish_queued();
  }
  if (state() == ConnState::kOpen) return TCPKIT_OK;
  return fail(TCPKIT_E_FILTER, "conn: what was sent before cannot be encoded or kept");
}

// Once, when all that was sent is encoded and our stream ends. False: the connection has failed.
bool Conn::end_encoding() noexcept {
  ConnFilters& filters = *this->filters();
  const bool all_encoded = queue_.empty() && posted_bytes_.load(std::memory_order_relaxed) == 0 &&
                           (!in_event_ || host_.event_output().size() == 0);
  if (filters.encode_ended || !all_encoded || write_shut_ || write_broken_) {
    return state() != ConnState::kClosed;
  }
  FilterBuffers& buffers = *host_.filter_buffers();
  if (flushing_ || buffers.encoding) {
    list_in_turn();
    return true;
  }
  filters.encode_ended = true;
  const Encoding encoding(buffers);
  if (!filters.chain.encode_end(buffers.encoded)) {
    encoding_failed();
    return false;
  }
  const bool may_write = !waits_writable_ && filters.encoded.empty() &&
                         (tls_ == nullptr || (prelude_ == Prelude::kNone && !has_sealed_rest()));
  if (may_write) {
    (void)write_encoded();
  } else {
    (void)keep_encoded(buffers.encoded.view());
  }
  publish_queued();
  return state() != ConnState::kClosed;
}

// Bytes are missing in our stream from here on, so its end must not look like one.
void Conn::encoding_failed() noexcept {
  const FilterFailure& failure = filters()->chain.failure(Direction::kEncode);
  reset_at_close(fd());
  forget_orderly_cause();
  if (cause_.reason == 0) {
    cause_ = {failure.threw ? TCPKIT_CLOSE_CALLBACK : TCPKIT_CLOSE_FILTER_ERROR, failure.status, 0};
  }
  failure.threw ? callback_threw() : tell_filter_failure(failure);
  fail_now(cause_);
}

bool Conn::encoding_has_failed() const noexcept {
  return filters() != nullptr && filters()->chain.failed(Direction::kEncode);
}

// Nobody will take it any more.
void Conn::drop_encoded() noexcept {
  if (filters() == nullptr) return;
  unsent_bytes_ += filters()->encoded.bytes();
  filters()->encoded.clear(host_.blocks());
}

}  // namespace tcpkit
