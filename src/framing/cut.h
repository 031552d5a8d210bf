// What goes in and out of a framing: the limits, the state of one connection, one cut of the
// received bytes, and what the encoder puts around a packet. Plain data, no behaviour.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/status.h"

namespace tcpkit {

// Resolved limits: nothing in them is zero or a default. SIZE_MAX: unlimited.
struct PacketLimits {
  size_t max_packet_size;
  tcpkit_oversize oversize;
};

// The framer of one connection. All zero to begin with; only the framing looks inside.
struct FramerState {
  // Separator: no separator starts within that many bytes at the front, so they are not searched
  // again.
  size_t scanned_bytes = 0;
  // Bytes of a too big packet that are still to be skipped; kDiscardToSeparator: up to and with the
  // next separator. While it is not zero, what arrives belongs to no packet.
  uint64_t discard_bytes = 0;
  // What state_create of a custom framer made.
  void* custom = nullptr;
};

// A length framing never leaves that many bytes to skip: skipping takes at least one at once.
inline constexpr uint64_t kDiscardToSeparator = UINT64_MAX;

enum class Cut : uint8_t { kMore, kPacket, kSkip, kFail };

struct CutResult {
  Cut cut;
  // kSkip, kMore: a too big packet was met just now and is being skipped. True once per packet.
  bool discards_packet;
  // kFail: TCPKIT_E_PACKET_TOO_BIG, _BAD_VARINT, _BAD_FRAME, _CALLBACK, or a custom framer's own.
  Status status;
  // Bytes to drop from the front. kPacket: the frame; kSkip: the skipped bytes, at least 1.
  size_t consumed_size;
  // kPacket: view into the given bytes; its data is never null, also when it is empty.
  ByteView packet;
  // kMore: nothing can be cut before that many bytes are there; 0 if the header did not tell. A
  // peer says it, so it is a hint for the next block and nothing to allocate blindly.
  size_t needed_size;
};

// One packet that is there in full.
struct WholeFrame {
  ByteView packet;  // its data is never null
  size_t frame_size;
};

inline CutResult cut_more(size_t needed_size) noexcept {
  return {Cut::kMore, false, TCPKIT_OK, 0, {}, needed_size};
}

inline CutResult cut_packet(ByteView packet, size_t frame_size) noexcept {
  return {Cut::kPacket, false, TCPKIT_OK, frame_size, packet, 0};
}

// The rest of something that was met before, or a frame without a packet.
inline CutResult cut_skip(size_t skipped_size) noexcept {
  return {Cut::kSkip, false, TCPKIT_OK, skipped_size, {}, 0};
}

// The begin of a too big packet, or all of it.
inline CutResult cut_discard(size_t skipped_size) noexcept {
  return {Cut::kSkip, true, TCPKIT_OK, skipped_size, {}, 0};
}

inline CutResult cut_fail(Status status) noexcept {
  return {Cut::kFail, false, status, 0, {}, 0};
}

// Bytes of the longest header that any framing makes: a strip_size of 128.
inline constexpr size_t kMaxHeaderSize = 128;
inline constexpr size_t kMaxCustomSize = 64;

// What goes around one packet: header + packet + trailer is the frame. Left uninitialised on
// purpose, since one is filled per send; only the first header_size bytes of header are valid.
struct Envelope {
  uint32_t header_size;
  uint32_t trailer_size;
  const uint8_t* trailer;  // own_trailer, or bytes that live as long as the framing
  uint8_t header[kMaxHeaderSize];
  uint8_t own_trailer[kMaxCustomSize];
};

}  // namespace tcpkit
