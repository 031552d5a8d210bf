// The framings behind one door: validation, the cuts that are not on the hot path, skipping of too
// big packets, and the encoder twins.
#include "framing/framing.h"

#include <algorithm>
#include <bit>
#include <new>

namespace tcpkit {
namespace {

// The struct is embedded in options and cannot grow; new fields come out of its reserved ones.
constexpr uint32_t kSmallestFramingSize = sizeof(tcpkit_framing);

// Frames of packets within the limit then have a size_t, and sums of their sizes do not overflow.
constexpr size_t kLargestLimit = SIZE_MAX / 2;

Status check_common(const tcpkit_framing& framing, const PacketLimits& limits) noexcept {
  if (limits.oversize != TCPKIT_OVERSIZE_CLOSE && limits.oversize != TCPKIT_OVERSIZE_DISCARD) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "oversize is %d, which is none", limits.oversize);
  }
  for (const uint64_t reserved : framing.reserved) {
    if (reserved != 0) {
      return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.reserved is not zero");
    }
  }
  return TCPKIT_OK;
}

void call_free(tcpkit_free_fn user_data_free, void* user_data) noexcept {
  if (user_data_free == nullptr) return;
  try {
    user_data_free(user_data);
  } catch (...) {
    // Nobody is left to be told.
    return;
  }
}

}  // namespace

void Framing::free_user_data(const tcpkit_framing& framing) noexcept {
  if (framing.struct_size < kSmallestFramingSize) return;
  call_free(framing.user_data_free, framing.user_data);
}

Framing::Framing(const tcpkit_framing& framing, const PacketLimits& limits) noexcept
    : discards_oversize_(limits.oversize == TCPKIT_OVERSIZE_DISCARD),
      kind_(framing.kind),
      max_packet_size_(std::min(limits.max_packet_size, kLargestLimit)),
      user_data_(framing.user_data),
      user_data_free_(framing.user_data_free) {}

Framing::~Framing() {
  call_free(user_data_free_, user_data_);
}

Status Framing::create(const tcpkit_framing& framing, const PacketLimits& limits,
                       std::unique_ptr<Framing>& out) noexcept {
  if (framing.struct_size < kSmallestFramingSize) {
    return fail(TCPKIT_E_STRUCT_SIZE,
                "framing: struct_size is %u, at least %u is needed; use its INIT",
                framing.struct_size, kSmallestFramingSize);
  }
  std::unique_ptr<Framing> made(new (std::nothrow) Framing(framing, limits));
  if (made == nullptr) {
    free_user_data(framing);
    return fail(TCPKIT_E_NO_MEMORY, "out of memory for the framing");
  }
  Status status = check_common(framing, limits);
  if (status != TCPKIT_OK) return status;
  try {
    status = made->take_settings(framing);
  } catch (const std::bad_alloc&) {
    status = fail(TCPKIT_E_NO_MEMORY, "out of memory for framing.separator");
  }
  if (status == TCPKIT_OK) out = std::move(made);
  return status;
}

Status Framing::take_settings(const tcpkit_framing& framing) {
  switch (framing.kind) {
    case TCPKIT_FRAMING_NONE:
      return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.kind is TCPKIT_FRAMING_NONE");
    case TCPKIT_FRAMING_SEPARATOR:
      return take_separator(framing);
    case TCPKIT_FRAMING_LENGTH:
    case TCPKIT_FRAMING_VARINT:
    case TCPKIT_FRAMING_VARLONG:
      return take_length_field(framing);
    case TCPKIT_FRAMING_FIXED:
      return take_fixed_size(framing);
    case TCPKIT_FRAMING_CUSTOM:
      shape_ = Shape::kCustom;
      return custom_.take(framing);
    default:
      return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.kind is %d, which is none", framing.kind);
  }
}

Status Framing::take_separator(const tcpkit_framing& framing) {
  const Status status = separator_.take(framing);
  if (status != TCPKIT_OK) return status;
  separator_byte_ = separator_.first_byte();
  shape_ = separator_.size() == 1 ? Shape::kSeparator1 : Shape::kSeparator;
  return TCPKIT_OK;
}

Status Framing::take_length_field(const tcpkit_framing& framing) {
  const Status status = length_field_.take(framing);
  if (status != TCPKIT_OK) return status;
  swaps_bytes_ = length_field_.is_big_endian() != (std::endian::native == std::endian::big);
  shape_ = length_field_.is_bare_length4() ? Shape::kLength4 : Shape::kLengthField;
  return TCPKIT_OK;
}

Status Framing::take_fixed_size(const tcpkit_framing& framing) {
  shape_ = Shape::kFixed;
  fixed_size_ = framing.fixed_size;
  if (fixed_size_ == 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.fixed_size is 0, at least 1 is needed");
  }
  if (fixed_size_ <= max_packet_size_) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT,
              "framing.fixed_size is %zu, more than the max_packet_size of %zu", fixed_size_,
              max_packet_size_);
}

CutResult Framing::next(FramerState& state, ByteView bytes) const noexcept {
  if (state.discard_bytes != 0) return skip_discarded(state, bytes);
  switch (shape_) {
    case Shape::kLength4:
    case Shape::kLengthField:
      return next_length_field(state, bytes);
    case Shape::kSeparator1:
    case Shape::kSeparator:
      return next_separator(state, bytes);
    case Shape::kFixed:
      if (bytes.size() < fixed_size_) return cut_more(fixed_size_);
      return cut_packet(bytes.first(fixed_size_), fixed_size_);
    case Shape::kCustom:
      break;
  }
  const tcpkit_oversize oversize =
      discards_oversize_ ? TCPKIT_OVERSIZE_DISCARD : TCPKIT_OVERSIZE_CLOSE;
  return custom_.next(state, bytes, {max_packet_size_, oversize});
}

CutResult Framing::next_length_field(FramerState& state, ByteView bytes) const noexcept {
  const FrameHeader header = length_field_.read(bytes);
  if (header.status != TCPKIT_OK) return cut_fail(header.status);
  if (header.frame_size == 0) return cut_more(0);
  const uint64_t packet_size = header.frame_size - header.strip_size;
  if (packet_size > max_packet_size_) return cut_oversize(state, bytes, header.frame_size);
  const size_t frame_size = static_cast<size_t>(header.frame_size);
  if (frame_size > bytes.size()) return cut_more(frame_size);
  return cut_packet(bytes.subspan(header.strip_size, frame_size - header.strip_size), frame_size);
}

CutResult Framing::next_separator(FramerState& state, ByteView bytes) const noexcept {
  const size_t found = separator_.find(bytes, state.scanned_bytes);
  if (found == Separator::kNotFound) return cut_unfinished(state, bytes);
  return cut_found(state, bytes, found);
}

CutResult Framing::cut_found(FramerState& state, ByteView bytes,
                             size_t packet_size) const noexcept {
  const size_t frame_size = packet_size + separator_.size();
  state.scanned_bytes = 0;
  if (packet_size <= max_packet_size_) return cut_packet(bytes.first(packet_size), frame_size);
  return discards_oversize_ ? cut_discard(frame_size) : cut_fail(TCPKIT_E_PACKET_TOO_BIG);
}

// No separator yet. The last bytes may be the beginning of one, so the packet is known to be as
// long as what is before them; that decides whether it is too big, wherever a read ended.
CutResult Framing::cut_unfinished(FramerState& state, ByteView bytes) const noexcept {
  const size_t size = bytes.size();
  if (size > max_packet_size_) {
    const size_t packet_size = size - separator_.count_begun(bytes);
    if (packet_size > max_packet_size_) {
      state.scanned_bytes = 0;
      if (!discards_oversize_) return cut_fail(TCPKIT_E_PACKET_TOO_BIG);
      state.discard_bytes = kDiscardToSeparator;
      return cut_discard(packet_size);
    }
  }
  state.scanned_bytes = size < separator_.size() ? 0 : size - separator_.size() + 1;
  return cut_more(0);
}

CutResult Framing::cut_oversize(FramerState& state, ByteView bytes,
                                uint64_t frame_size) const noexcept {
  if (!discards_oversize_) return cut_fail(TCPKIT_E_PACKET_TOO_BIG);
  const uint64_t skipped = std::min<uint64_t>(bytes.size(), frame_size);
  state.discard_bytes = frame_size - skipped;
  return cut_discard(static_cast<size_t>(skipped));
}

CutResult Framing::skip_discarded(FramerState& state, ByteView bytes) const noexcept {
  if (state.discard_bytes == kDiscardToSeparator) return skip_to_separator(state, bytes);
  const uint64_t skipped = std::min<uint64_t>(bytes.size(), state.discard_bytes);
  state.discard_bytes -= skipped;
  return cut_skip(static_cast<size_t>(skipped));
}

CutResult Framing::skip_to_separator(FramerState& state, ByteView bytes) const noexcept {
  const size_t found = separator_.find(bytes, 0);
  if (found != Separator::kNotFound) {
    state.discard_bytes = 0;
    return cut_skip(found + separator_.size());
  }
  const size_t skipped = bytes.size() - separator_.count_begun(bytes);
  return skipped == 0 ? cut_more(0) : cut_skip(skipped);
}

Status Framing::encode(ByteView packet, Envelope& out) const noexcept {
  if (packet.size() > max_packet_size_) {
    return fail(TCPKIT_E_PACKET_TOO_BIG, "the packet has %zu bytes, max_packet_size is %zu",
                packet.size(), max_packet_size_);
  }
  switch (shape_) {
    case Shape::kLength4:
    case Shape::kLengthField:
      return length_field_.encode(packet, out);
    case Shape::kSeparator1:
    case Shape::kSeparator:
      if (!separator_.can_end(packet)) {
        return fail(TCPKIT_E_BAD_FRAME, "the packet holds the separator, or would with it behind");
      }
      separator_.encode(out);
      return TCPKIT_OK;
    case Shape::kFixed:
      out.header_size = 0;
      out.trailer_size = 0;
      out.trailer = out.own_trailer;
      if (packet.size() == fixed_size_) return TCPKIT_OK;
      return fail(TCPKIT_E_BAD_FRAME, "the packet has %zu bytes, framing.fixed_size is %zu",
                  packet.size(), fixed_size_);
    case Shape::kCustom:
      return custom_.encode(packet, out);
  }
  return fail(TCPKIT_E_INTERNAL, "framing of no shape");
}

}  // namespace tcpkit
