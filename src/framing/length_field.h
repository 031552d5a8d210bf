// The length field of a framing, binary or base 128, with offset, adjustment and strip: reads the
// size of a frame from its header, and writes the header of a packet.
#pragma once

#include "framing/cut.h"

namespace tcpkit {

// What the header at the front of the received bytes says.
struct FrameHeader {
  Status status;        // not TCPKIT_OK: the stream is lost
  uint32_t strip_size;  // bytes of the frame that are not delivered
  uint64_t frame_size;  // at least strip_size; 0: the length field is not there yet
};

class LengthField {
 public:
  // Validates and copies the length field of framing: LENGTH, VARINT or VARLONG.
  Status take(const tcpkit_framing& framing) noexcept;

  // A bare 4-byte length, which has a fast path of its own.
  bool is_bare_length4() const noexcept;
  bool is_big_endian() const noexcept { return is_big_endian_; }

  FrameHeader read(ByteView bytes) const noexcept;

  // Makes the header of packet. An error is the last error of the thread.
  Status encode(ByteView packet, Envelope& out) const noexcept;

 private:
  struct Value {
    Status status;
    uint32_t field_size;  // bytes of the field; 0: not all of them are there yet
    uint64_t value;
  };

  Status take_field(const tcpkit_framing& framing) noexcept;
  Status take_strip_size(uint32_t strip_size) noexcept;
  Value read_binary(ByteView field) const noexcept;
  Value read_varint(ByteView field) const noexcept;
  void write_binary(uint8_t* field, uint64_t value) const noexcept;
  bool fits_field(uint64_t value, uint32_t field_size) const noexcept;
  Status write_header(size_t packet_size, Envelope& out) const noexcept;
  Status check_kept_field(ByteView packet) const noexcept;

  bool is_varint_ = false;
  bool is_big_endian_ = true;
  bool strips_header_ = true;      // strip_size_ is where the field ends, wherever that is
  uint8_t value_bits_ = 0;         // larger values do not fit the field
  uint32_t length_size_ = 0;       // bytes of the field; of a varint: most bytes
  uint32_t length_offset_ = 0;     // bytes before the field
  uint32_t strip_size_ = 0;        // unless strips_header_
  int64_t length_adjustment_ = 0;  // added to the value: bytes after the field
};

}  // namespace tcpkit
