// The framer object of tcpkit.h: a framing with a buffer of its own in place of a connection.
#include <memory>
#include <vector>

#include "api/guard.h"
#include "framing/framing.h"

using tcpkit::ByteView;
using tcpkit::check_not_null;
using tcpkit::CutResult;
using tcpkit::fail;
using tcpkit::Framing;
using tcpkit::Status;

namespace {

constexpr size_t kDefaultMaxPacketSize = size_t{1} << 20;

}  // namespace

// Home thread: any, one at a time.
struct tcpkit_framer {
 public:
  tcpkit_framer(std::unique_ptr<Framing> framing, bool delivers_tail) noexcept
      : framing_(std::move(framing)), delivers_tail_(delivers_tail) {}
  ~tcpkit_framer() { framing_->close_state(state_); }
  tcpkit_framer(const tcpkit_framer&) = delete;
  tcpkit_framer& operator=(const tcpkit_framer&) = delete;

  Status open() noexcept;
  Status push(ByteView data);
  Status next(ByteView& out_packet) noexcept;
  Status finish(ByteView& out_tail) noexcept;
  bool may_deliver(ByteView tail) const noexcept;
  const Framing& framing() const noexcept { return *framing_; }
  uint64_t discarded_packets() const noexcept { return discarded_packets_; }

 private:
  ByteView unconsumed() const noexcept { return ByteView(bytes_).subspan(consumed_size_); }
  Status report_failure() const noexcept;
  Status look_ahead() noexcept;

  std::unique_ptr<Framing> framing_;
  tcpkit::FramerState state_;
  std::vector<uint8_t> bytes_;
  size_t consumed_size_ = 0;  // bytes at the front of bytes_ that are done with
  ByteView packet_;           // cut and not taken yet; its data is null if there is none
  uint64_t discarded_packets_ = 0;
  Status failure_ = TCPKIT_OK;  // why the stream is lost
  bool delivers_tail_;
  bool needs_bytes_ = true;  // no packet can be cut from what is there
};

Status tcpkit_framer::open() noexcept {
  if (framing_->open_state(state_) == TCPKIT_OK) return TCPKIT_OK;
  return fail(TCPKIT_E_CALLBACK, "framing.callbacks->state_create made no state");
}

Status tcpkit_framer::report_failure() const noexcept {
  return fail(failure_, "the stream cannot be cut any further: %s", tcpkit::status_text(failure_));
}

// Consumed bytes are dropped once they are more than what is left, so that moving the rest costs no
// more than receiving them did. A packet that is cut and not taken keeps its bytes in place.
Status tcpkit_framer::push(ByteView data) {
  if (failure_ != TCPKIT_OK) return report_failure();
  if (data.empty()) return TCPKIT_OK;
  const size_t packet_offset =
      packet_.data() == nullptr ? 0 : static_cast<size_t>(packet_.data() - bytes_.data());
  const bool mostly_consumed = consumed_size_ > bytes_.size() - consumed_size_;
  if (packet_.data() == nullptr && mostly_consumed) {
    bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<ptrdiff_t>(consumed_size_));
    consumed_size_ = 0;
  }
  bytes_.insert(bytes_.end(), data.begin(), data.end());
  if (packet_.data() != nullptr) packet_ = ByteView(bytes_).subspan(packet_offset, packet_.size());
  needs_bytes_ = false;
  return TCPKIT_OK;
}

// Cuts until there is a packet to take, or nothing more to cut.
Status tcpkit_framer::look_ahead() noexcept {
  while (failure_ == TCPKIT_OK && packet_.data() == nullptr && !needs_bytes_) {
    if (unconsumed().empty()) break;
    const CutResult result = framing_->next(state_, unconsumed());
    consumed_size_ += result.consumed_size;
    discarded_packets_ += result.discards_packet ? 1 : 0;
    packet_ = result.packet;
    needs_bytes_ = result.cut == tcpkit::Cut::kMore;
    if (result.cut == tcpkit::Cut::kFail) failure_ = result.status;
  }
  return failure_ == TCPKIT_OK ? TCPKIT_OK : report_failure();
}

Status tcpkit_framer::next(ByteView& out_packet) noexcept {
  const Status status = look_ahead();
  if (status != TCPKIT_OK) return status;
  out_packet = packet_;
  packet_ = {};
  return TCPKIT_OK;
}

// Of a packet that is being discarded nothing is left: it was counted when it was met.
Status tcpkit_framer::finish(ByteView& out_tail) noexcept {
  const Status status = look_ahead();
  if (status != TCPKIT_OK) return status;
  if (packet_.data() != nullptr) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "packets are left: tcpkit_framer_next has to take them before finish");
  }
  out_tail = state_.discard_bytes == 0 ? unconsumed() : ByteView();
  consumed_size_ = bytes_.size();
  state_.scanned_bytes = 0;
  state_.discard_bytes = 0;
  return TCPKIT_OK;
}

bool tcpkit_framer::may_deliver(ByteView tail) const noexcept {
  return delivers_tail_ && !tail.empty() && tail.size() <= framing_->max_packet_size();
}

namespace {

Status check_options(const tcpkit_framer_options& options) noexcept {
  if (options.oversize < TCPKIT_OVERSIZE_DEFAULT || options.oversize > TCPKIT_OVERSIZE_DISCARD) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.oversize is %d, which is none",
                options.oversize);
  }
  if (options.deliver_tail < TCPKIT_DEFAULT || options.deliver_tail > TCPKIT_OFF) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.deliver_tail is %d, which is no switch",
                options.deliver_tail);
  }
  if (options.reserved != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.reserved is not zero");
  }
  return TCPKIT_OK;
}

Status create_framer(const tcpkit_framer_options& options, tcpkit_framer** out_framer) {
  tcpkit::PacketLimits limits{options.max_packet_size, options.oversize};
  if (limits.max_packet_size == 0) limits.max_packet_size = kDefaultMaxPacketSize;
  if (limits.oversize == TCPKIT_OVERSIZE_DEFAULT) limits.oversize = TCPKIT_OVERSIZE_CLOSE;
  std::unique_ptr<Framing> framing;
  Status status = Framing::create(options.framing, limits, framing);
  if (status != TCPKIT_OK) return status;
  const bool delivers_tail = options.deliver_tail == TCPKIT_ON;
  auto framer = std::make_unique<tcpkit_framer>(std::move(framing), delivers_tail);
  status = framer->open();
  if (status == TCPKIT_OK) *out_framer = framer.release();
  return status;
}

Status check_results(const tcpkit_framer* framer, const uint8_t** out_packet,
                     const size_t* out_packet_size) noexcept {
  Status status = check_not_null(framer, "framer");
  if (status == TCPKIT_OK) status = check_not_null(out_packet, "out_packet");
  if (status == TCPKIT_OK) status = check_not_null(out_packet_size, "out_packet_size");
  return status;
}

Status encode_packet(const tcpkit_framer& framer, ByteView packet, std::span<uint8_t> buffer,
                     size_t& out_frame_size) noexcept {
  tcpkit::Envelope envelope;
  const Status status = framer.framing().encode(packet, envelope);
  if (status != TCPKIT_OK) return status;
  const size_t before_trailer = envelope.header_size + packet.size();
  const size_t frame_size = before_trailer + envelope.trailer_size;
  out_frame_size = frame_size;
  if (frame_size > buffer.size()) {
    return fail(TCPKIT_E_BUFFER_TOO_SMALL, "the frame has %zu bytes, buffer_size is %zu",
                frame_size, buffer.size());
  }
  if (frame_size == 0) return TCPKIT_OK;
  std::memcpy(buffer.data(), envelope.header, envelope.header_size);
  if (!packet.empty()) {
    std::memcpy(buffer.data() + envelope.header_size, packet.data(), packet.size());
  }
  std::memcpy(buffer.data() + before_trailer, envelope.trailer, envelope.trailer_size);
  return TCPKIT_OK;
}

}  // namespace

void tcpkit_framer_options_init(tcpkit_framer_options* options) {
  if (options == nullptr) return;
  *options = TCPKIT_FRAMER_OPTIONS_INIT;
}

tcpkit_status tcpkit_framer_create(const tcpkit_framer_options* options,
                                   tcpkit_framer** out_framer) {
  return tcpkit::guarded([&]() -> Status {
    tcpkit_framer_options taken = TCPKIT_FRAMER_OPTIONS_INIT;
    Status status = tcpkit::copy_struct(options, taken, "options");
    if (status != TCPKIT_OK) return status;
    status = check_options(taken);
    if (status == TCPKIT_OK) status = check_not_null(out_framer, "out_framer");
    if (status == TCPKIT_OK) return create_framer(taken, out_framer);
    Framing::free_user_data(taken.framing);
    return status;
  });
}

void tcpkit_framer_free(tcpkit_framer* framer) {
  delete framer;
}

tcpkit_status tcpkit_framer_push(tcpkit_framer* framer, const void* data, size_t data_size) {
  return tcpkit::guarded([&]() -> Status {
    Status status = check_not_null(framer, "framer");
    if (status == TCPKIT_OK && data_size > 0) status = check_not_null(data, "data");
    if (status != TCPKIT_OK) return status;
    return framer->push({static_cast<const uint8_t*>(data), data_size});
  });
}

tcpkit_status tcpkit_framer_next(tcpkit_framer* framer, const uint8_t** out_packet,
                                 size_t* out_packet_size) {
  return tcpkit::guarded([&]() -> Status {
    Status status = check_results(framer, out_packet, out_packet_size);
    if (status != TCPKIT_OK) return status;
    ByteView packet;
    status = framer->next(packet);
    if (status != TCPKIT_OK) return status;
    *out_packet = packet.data();
    *out_packet_size = packet.size();
    return TCPKIT_OK;
  });
}

tcpkit_status tcpkit_framer_finish(tcpkit_framer* framer, const uint8_t** out_packet,
                                   size_t* out_packet_size) {
  return tcpkit::guarded([&]() -> Status {
    Status status = check_results(framer, out_packet, out_packet_size);
    if (status != TCPKIT_OK) return status;
    ByteView tail;
    status = framer->finish(tail);
    if (status != TCPKIT_OK) return status;
    *out_packet = framer->may_deliver(tail) ? tail.data() : nullptr;
    *out_packet_size = tail.size();
    return TCPKIT_OK;
  });
}

tcpkit_status tcpkit_framer_encode(tcpkit_framer* framer, tcpkit_slice packet, void* buffer,
                                   size_t buffer_size, size_t* out_frame_size) {
  return tcpkit::guarded([&]() -> Status {
    Status status = check_not_null(framer, "framer");
    if (status == TCPKIT_OK && packet.size > 0) status = check_not_null(packet.data, "packet.data");
    if (status == TCPKIT_OK && buffer_size > 0) status = check_not_null(buffer, "buffer");
    if (status == TCPKIT_OK) status = check_not_null(out_frame_size, "out_frame_size");
    if (status != TCPKIT_OK) return status;
    return encode_packet(*framer, {static_cast<const uint8_t*>(packet.data), packet.size},
                         {static_cast<uint8_t*>(buffer), buffer_size}, *out_frame_size);
  });
}

uint64_t tcpkit_framer_discarded(const tcpkit_framer* framer) {
  return framer == nullptr ? 0 : framer->discarded_packets();
}
