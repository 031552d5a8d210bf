// Between the connection and its packets, in both directions: cuts received bytes into packets and
// makes the frame of a packet that is sent. Knows no connection, no loop and no callback but those
// of a custom framer.
#pragma once

#include <cstring>
#include <memory>

#include "framing/custom_framer.h"
#include "framing/cut.h"
#include "framing/length_field.h"
#include "framing/separator.h"

namespace tcpkit {

// Validated settings of one framing. Immutable, so that all connections and threads share it; what
// changes is in the FramerState of each connection.
class Framing {
 public:
  // Validates and copies. Takes over framing.user_data: user_data_free is called exactly once, in
  // the destructor, or here on failure; only a framing whose struct_size is wrong is not looked at.
  // TCPKIT_FRAMING_NONE is refused.
  static Status create(const tcpkit_framing& framing, const PacketLimits& limits,
                       std::unique_ptr<Framing>& out) noexcept;

  // For calls that took a framing and fail before they came to create.
  static void free_user_data(const tcpkit_framing& framing) noexcept;

  ~Framing();
  Framing(const Framing&) = delete;
  Framing& operator=(const Framing&) = delete;

  // Makes the state of a custom framer; TCPKIT_E_CALLBACK if its callback gives none. Leaves the
  // last error of the thread alone, like next.
  Status open_state(FramerState& state) const noexcept { return custom_.open_state(state); }

  // Frees the state of a custom framer; a second call does nothing.
  void close_state(FramerState& state) const noexcept { custom_.close_state(state); }

  // Looks for the next packet. bytes is not empty and begins where the last consumed byte ended;
  // what a result does not consume is given again, with more behind it. After kFail the stream is
  // lost. With TCPKIT_OVERSIZE_DISCARD a too big packet is skipped as it arrives, and never kept.
  CutResult next(FramerState& state, ByteView bytes) const noexcept;

  // The short way of next() for the hottest framings: a whole packet of a legal size. False:
  // nothing is consumed, next() tells what there is.
  bool cut_whole(FramerState& state, ByteView bytes, WholeFrame& out) const noexcept {
    if (state.discard_bytes != 0) return false;
    if (shape_ == Shape::kLength4) return cut_whole_length4(bytes, out);
    return shape_ == Shape::kSeparator1 && cut_whole_separator1(state, bytes, out);
  }

  // Makes what goes around packet. Thread-safe. An error is the last error of the thread.
  Status encode(ByteView packet, Envelope& out) const noexcept;

  // The bare 4-byte length in front of a packet of that size, the hottest of all headers, ready to
  // be stored; false if this framing has another one, or refuses the packet.
  bool make_length4(size_t packet_size, uint32_t& length) const noexcept {
    if (shape_ != Shape::kLength4 || packet_size > max_packet_size_ || packet_size > UINT32_MAX) {
      return false;
    }
    length = static_cast<uint32_t>(packet_size);
    if (swaps_bytes_) length = __builtin_bswap32(length);
    return true;
  }

  // The one byte that ends every frame, if that is this framing.
  bool ends_with_byte(uint8_t& byte) const noexcept {
    byte = separator_byte_;
    return shape_ == Shape::kSeparator1;
  }

  tcpkit_framing_kind kind() const noexcept { return kind_; }

  // Most bytes of one packet. A tail that is delivered must be held against it by the caller.
  size_t max_packet_size() const noexcept { return max_packet_size_; }

 private:
  // The kinds, with the hot cases apart: kLength4 is a bare 4-byte length, kSeparator1 a separator
  // of one byte.
  enum class Shape : uint8_t { kLength4, kSeparator1, kSeparator, kLengthField, kFixed, kCustom };

  Framing(const tcpkit_framing& framing, const PacketLimits& limits) noexcept;
  Status take_settings(const tcpkit_framing& framing);
  Status take_separator(const tcpkit_framing& framing);
  Status take_length_field(const tcpkit_framing& framing);
  Status take_fixed_size(const tcpkit_framing& framing);

  bool cut_whole_length4(ByteView bytes, WholeFrame& out) const noexcept;
  bool cut_whole_separator1(FramerState& state, ByteView bytes, WholeFrame& out) const noexcept;
  CutResult next_separator(FramerState& state, ByteView bytes) const noexcept;
  CutResult next_length_field(FramerState& state, ByteView bytes) const noexcept;
  CutResult skip_discarded(FramerState& state, ByteView bytes) const noexcept;
  CutResult skip_to_separator(FramerState& state, ByteView bytes) const noexcept;
  CutResult cut_found(FramerState& state, ByteView bytes, size_t packet_size) const noexcept;
  CutResult cut_unfinished(FramerState& state, ByteView bytes) const noexcept;
  CutResult cut_oversize(FramerState& state, ByteView bytes, uint64_t frame_size) const noexcept;

  Shape shape_ = Shape::kCustom;
  bool swaps_bytes_ = false;  // kLength4: the byte order is not that of this machine
  bool discards_oversize_;
  uint8_t separator_byte_ = 0;  // kSeparator1
  tcpkit_framing_kind kind_;
  size_t max_packet_size_;
  size_t fixed_size_ = 0;
  Separator separator_;
  LengthField length_field_;
  CustomFramer custom_;
  void* user_data_;
  tcpkit_free_fn user_data_free_;
};

inline bool Framing::cut_whole_length4(ByteView bytes, WholeFrame& out) const noexcept {
  uint32_t packet_size;
  if (bytes.size() < sizeof packet_size) return false;
  std::memcpy(&packet_size, bytes.data(), sizeof packet_size);
  if (swaps_bytes_) packet_size = __builtin_bswap32(packet_size);
  const size_t present = bytes.size() - sizeof packet_size;
  if (packet_size > present || packet_size > max_packet_size_) return false;
  out = {bytes.subspan(sizeof packet_size, packet_size), sizeof packet_size + packet_size};
  return true;
}

inline bool Framing::cut_whole_separator1(FramerState& state, ByteView bytes,
                                          WholeFrame& out) const noexcept {
  const uint8_t* begin = bytes.data();
  const void* found =
      std::memchr(begin + state.scanned_bytes, separator_byte_, bytes.size() - state.scanned_bytes);
  if (found == nullptr) {
    state.scanned_bytes = bytes.size();
    return false;
  }
  const size_t packet_size = static_cast<size_t>(static_cast<const uint8_t*>(found) - begin);
  if (packet_size > max_packet_size_) return false;
  state.scanned_bytes = 0;
  out = {bytes.first(packet_size), packet_size + 1};
  return true;
}

}  // namespace tcpkit
