// Packets whose framing a single call names: behind a length, or before a separator. Pure, like the
// framings of a server, but with nothing kept from one packet to the next.
#pragma once

#include "base/bytes.h"

namespace tcpkit {

// The unsigned length in front of a packet.
struct LengthPrefix {
  uint32_t size;  // 1 to 8 bytes
  bool is_big_endian;
  size_t max_size;  // bytes of the packet; SIZE_MAX: no limit
};

// What the bytes at hand come to.
struct CallCut {
  enum class Kind : uint8_t { kMore, kPacket, kTooBig };
  Kind kind;
  ByteView packet;      // kPacket: a view into the bytes; its data is never null
  size_t frame_size;    // kPacket: bytes with what is around it
  size_t missing;       // kMore: at least that many bytes more are needed, at least 1
  uint64_t named_size;  // kTooBig, behind a length: what it says
};

// A packet is too big as soon as its length is there.
CallCut cut_prefixed(ByteView bytes, const LengthPrefix& prefix) noexcept;

// Looks for one packet in bytes that grow at their end; searches none of them twice.
class SeparatorSearch {
 public:
  // separator is borrowed and not empty; max_size is in bytes of the packet.
  SeparatorSearch(ByteView separator, size_t max_size) noexcept;

  // Too big as soon as no separator can begin within max_size any more.
  CallCut next(ByteView bytes) noexcept;

 private:
  const ByteView separator_;
  const size_t most_;    // bytes in which the separator must end
  size_t searched_ = 0;  // no separator begins before that
};

}  // namespace tcpkit
