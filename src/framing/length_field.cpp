// Frame sizes from received headers, and headers for packets. All arithmetic is on unsigned 64-bit
// numbers that were compared before they are added or subtracted.
#include "framing/length_field.h"

#include <algorithm>
#include <cstring>

#include "codec/varint.h"

namespace tcpkit {
namespace {

constexpr uint32_t kMaxLengthOffset = 64;

constexpr FrameHeader kHeaderMore{TCPKIT_OK, 0, 0};

FrameHeader bad_header(Status status) noexcept {
  return {status, 0, 0};
}

// Size of a negative adjustment, also of INT64_MIN.
uint64_t magnitude(int64_t adjustment) noexcept {
  const uint64_t bits = static_cast<uint64_t>(adjustment);
  return adjustment < 0 ? uint64_t{0} - bits : bits;
}

}  // namespace

bool LengthField::is_bare_length4() const noexcept {
  return !is_varint_ && length_size_ == 4 && length_offset_ == 0 && length_adjustment_ == 0 &&
         (strips_header_ || strip_size_ == 4);
}

Status LengthField::take(const tcpkit_framing& framing) noexcept {
  const Status status = take_field(framing);
  if (status != TCPKIT_OK) return status;
  if (framing.length_offset > kMaxLengthOffset) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.length_offset is %u, at most %u is taken",
                framing.length_offset, kMaxLengthOffset);
  }
  length_offset_ = framing.length_offset;
  length_adjustment_ = framing.length_adjustment;
  return take_strip_size(framing.strip_size);
}

Status LengthField::take_field(const tcpkit_framing& framing) noexcept {
  const uint32_t size = framing.length_size;
  if (framing.kind == TCPKIT_FRAMING_LENGTH) {
    if (size != 1 && size != 2 && size != 3 && size != 4 && size != 8) {
      return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.length_size is %u, not 1, 2, 3, 4 or 8",
                  size);
    }
    if (framing.byte_order < TCPKIT_BYTE_ORDER_DEFAULT ||
        framing.byte_order > TCPKIT_LITTLE_ENDIAN) {
      return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.byte_order is %d, which is none",
                  framing.byte_order);
    }
    is_big_endian_ = framing.byte_order != TCPKIT_LITTLE_ENDIAN;
    length_size_ = size;
    value_bits_ = static_cast<uint8_t>(8 * size);
    return TCPKIT_OK;
  }
  const bool is_varint32 = framing.kind == TCPKIT_FRAMING_VARINT;
  const uint32_t most = is_varint32 ? kMaxVarintSize : kMaxVarlongSize;
  if (size > most) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.length_size is %u, at most %u is taken", size,
                most);
  }
  is_varint_ = true;
  length_size_ = size == 0 ? most : size;
  value_bits_ = static_cast<uint8_t>(std::min(7 * length_size_, is_varint32 ? 32u : 64u));
  return TCPKIT_OK;
}

Status LengthField::take_strip_size(uint32_t strip_size) noexcept {
  strips_header_ = strip_size == 0;
  if (strip_size == TCPKIT_STRIP_NONE) strip_size = 0;
  strip_size_ = strip_size;
  const uint32_t header_size = length_offset_ + length_size_;
  const bool keeps_field = strip_size <= length_offset_;
  const bool drops_field = strip_size >= header_size && strip_size <= kMaxHeaderSize;
  if (keeps_field || drops_field) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT,
              "framing.strip_size is %u, neither at most %u nor from %u to %zu", strip_size,
              length_offset_, header_size, kMaxHeaderSize);
}

LengthField::Value LengthField::read_binary(ByteView field) const noexcept {
  if (field.size() < length_size_) return {TCPKIT_OK, 0, 0};
  uint64_t value = 0;
  for (uint32_t i = 0; i < length_size_; ++i) {
    const uint32_t position = is_big_endian_ ? i : length_size_ - 1 - i;
    value = value << 8 | field[position];
  }
  return {TCPKIT_OK, length_size_, value};
}

LengthField::Value LengthField::read_varint(ByteView field) const noexcept {
  const Varint varint = decode_varint(field.data(), field.size(), {length_size_, value_bits_});
  return {varint.status, varint.size, varint.value};
}

FrameHeader LengthField::read(ByteView bytes) const noexcept {
  if (bytes.size() <= length_offset_) return kHeaderMore;
  const ByteView field = bytes.subspan(length_offset_);
  const Value length = is_varint_ ? read_varint(field) : read_binary(field);
  if (length.status != TCPKIT_OK) return bad_header(length.status);
  if (length.field_size == 0) return kHeaderMore;

  const uint32_t header_size = length_offset_ + length.field_size;
  const uint64_t adjustment = magnitude(length_adjustment_);
  if (length_adjustment_ < 0 && adjustment > length.value) return bad_header(TCPKIT_E_BAD_FRAME);
  uint64_t frame_size = length.value;
  if (length_adjustment_ < 0) {
    frame_size -= adjustment;
  } else if (__builtin_add_overflow(frame_size, adjustment, &frame_size)) {
    return bad_header(TCPKIT_E_PACKET_TOO_BIG);
  }
  if (__builtin_add_overflow(frame_size, uint64_t{header_size}, &frame_size)) {
    return bad_header(TCPKIT_E_PACKET_TOO_BIG);
  }
  const uint32_t strip_size = strips_header_ ? header_size : strip_size_;
  if (frame_size < strip_size) return bad_header(TCPKIT_E_BAD_FRAME);
  return {TCPKIT_OK, strip_size, frame_size};
}

void LengthField::write_binary(uint8_t* field, uint64_t value) const noexcept {
  for (uint32_t i = 0; i < length_size_; ++i) {
    const uint32_t position = is_big_endian_ ? length_size_ - 1 - i : i;
    field[position] = static_cast<uint8_t>(value >> (8 * i));
  }
}

bool LengthField::fits_field(uint64_t value, uint32_t field_size) const noexcept {
  const uint32_t bits = is_varint_ ? std::min<uint32_t>(7 * field_size, value_bits_) : value_bits_;
  return bits >= 64 || value >> bits == 0;
}

// The value counts the bytes behind the field, so with a fixed strip_size it depends on how many
// bytes a varint takes, which depends on the value. The fewest bytes that hold their own value are
// taken; now and then that is a padded form.
Status LengthField::write_header(size_t packet_size, Envelope& out) const noexcept {
  const uint64_t adjustment = magnitude(length_adjustment_);
  for (uint32_t size = is_varint_ ? 1 : length_size_; size <= length_size_; ++size) {
    const uint32_t header_size = length_offset_ + size;
    const uint32_t strip_size = strips_header_ ? header_size : strip_size_;
    const uint64_t behind_field = uint64_t{packet_size} + (strip_size - header_size);
    if (length_adjustment_ > 0 && behind_field < adjustment) {
      return fail(TCPKIT_E_BAD_FRAME,
                  "a packet of %zu bytes is too small for framing.length_adjustment", packet_size);
    }
    const uint64_t value =
        length_adjustment_ > 0 ? behind_field - adjustment : behind_field + adjustment;
    if (!fits_field(value, size)) continue;
    out.header_size = strip_size;
    std::memset(out.header, 0, strip_size);
    uint8_t* field = out.header + length_offset_;
    is_varint_ ? encode_varint(field, size, value) : write_binary(field, value);
    return TCPKIT_OK;
  }
  return fail(TCPKIT_E_PACKET_TOO_BIG, "a packet of %zu bytes does not fit the length field",
              packet_size);
}

Status LengthField::check_kept_field(ByteView packet) const noexcept {
  uint8_t start[kMaxHeaderSize] = {};
  const size_t shown = std::min(packet.size(), sizeof start - strip_size_);
  if (shown > 0) std::memcpy(start + strip_size_, packet.data(), shown);
  const FrameHeader header = read(ByteView(start, strip_size_ + shown));
  const uint64_t frame_size = uint64_t{packet.size()} + strip_size_;
  const bool is_complete = header.status == TCPKIT_OK && header.frame_size != 0;
  if (is_complete && header.frame_size == frame_size) return TCPKIT_OK;
  return fail(TCPKIT_E_BAD_FRAME, "the length field of the packet does not fit its %zu bytes",
              packet.size());
}

Status LengthField::encode(ByteView packet, Envelope& out) const noexcept {
  out.trailer_size = 0;
  out.trailer = out.own_trailer;
  if (strips_header_ || strip_size_ > length_offset_) return write_header(packet.size(), out);
  out.header_size = strip_size_;
  std::memset(out.header, 0, strip_size_);
  return check_kept_field(packet);
}

}  // namespace tcpkit
