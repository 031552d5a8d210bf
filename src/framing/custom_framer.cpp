// Calls of a custom framer's callbacks, with a check of everything that they answer.
#include "framing/custom_framer.h"

#include <algorithm>
#include <cstring>

namespace tcpkit {
namespace {

// Grows with the struct only if fields are appended; this stays.
constexpr uint32_t kSmallestCallbacksSize = sizeof(tcpkit_framing_callbacks);

bool is_frame_within(const tcpkit_frame& frame, size_t size) noexcept {
  return frame.frame_size >= 1 && frame.frame_size <= size;
}

bool is_packet_within(const tcpkit_frame& frame) noexcept {
  return frame.packet_offset <= frame.frame_size &&
         frame.packet_size <= frame.frame_size - frame.packet_offset;
}

}  // namespace

Status CustomFramer::take(const tcpkit_framing& framing) noexcept {
  const tcpkit_framing_callbacks* given = framing.callbacks;
  if (given == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.callbacks is NULL");
  if (given->struct_size < kSmallestCallbacksSize) {
    return fail(TCPKIT_E_STRUCT_SIZE,
                "framing.callbacks: struct_size is %u, at least %u is needed; use its INIT",
                given->struct_size, kSmallestCallbacksSize);
  }
  std::memcpy(&callbacks_, given, std::min<size_t>(given->struct_size, sizeof callbacks_));
  if (callbacks_.next == nullptr) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.callbacks->next is NULL");
  }
  if (callbacks_.reserved != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.callbacks->reserved is not zero");
  }
  user_data_ = framing.user_data;
  return TCPKIT_OK;
}

Status CustomFramer::open_state(FramerState& state) const noexcept {
  if (callbacks_.state_create == nullptr) return TCPKIT_OK;
  try {
    state.custom = callbacks_.state_create(user_data_);
  } catch (...) {
    state.custom = nullptr;
  }
  return state.custom == nullptr ? TCPKIT_E_CALLBACK : TCPKIT_OK;
}

void CustomFramer::close_state(FramerState& state) const noexcept {
  void* custom = state.custom;
  state.custom = nullptr;
  if (custom == nullptr || callbacks_.state_free == nullptr) return;
  try {
    callbacks_.state_free(custom);
  } catch (...) {
    // The state is gone either way, and nobody is left to be told.
    return;
  }
}

CutResult CustomFramer::next(FramerState& state, ByteView bytes,
                             const PacketLimits& limits) const noexcept {
  tcpkit_frame frame = {};
  int32_t answer = 0;
  try {
    answer = callbacks_.next(state.custom, bytes.data(), bytes.size(), &frame);
  } catch (...) {
    return cut_fail(TCPKIT_E_CALLBACK);
  }
  if (answer < 0) return cut_fail(answer);
  if (answer == TCPKIT_FRAME_MORE) {
    if (frame.declared_size > limits.max_packet_size) return cut_fail(TCPKIT_E_PACKET_TOO_BIG);
    return cut_more(frame.declared_size > bytes.size() ? frame.declared_size : 0);
  }
  if (!is_frame_within(frame, bytes.size())) return cut_fail(TCPKIT_E_BAD_FRAME);
  if (answer == TCPKIT_FRAME_SKIP) return cut_skip(frame.frame_size);
  if (answer != TCPKIT_FRAME_PACKET) return cut_fail(TCPKIT_E_BAD_FRAME);
  if (!is_packet_within(frame)) return cut_fail(TCPKIT_E_BAD_FRAME);
  if (frame.packet_size <= limits.max_packet_size) {
    return cut_packet(bytes.subspan(frame.packet_offset, frame.packet_size), frame.frame_size);
  }
  if (limits.oversize == TCPKIT_OVERSIZE_DISCARD) return cut_discard(frame.frame_size);
  return cut_fail(TCPKIT_E_PACKET_TOO_BIG);
}

Status CustomFramer::encode(ByteView packet, Envelope& out) const noexcept {
  if (callbacks_.encode == nullptr) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "framing.callbacks->encode is NULL");
  }
  tcpkit_frame_envelope made;
  made.header_size = 0;
  made.trailer_size = 0;
  Status status = TCPKIT_OK;
  try {
    status = callbacks_.encode(packet.data(), packet.size(), &made, user_data_);
  } catch (...) {
    return fail(TCPKIT_E_CALLBACK, "the encode callback threw an exception");
  }
  if (status < 0) return fail(status, "the encode callback failed: %s", status_text(status));
  if (status > 0) return fail(TCPKIT_E_BAD_FRAME, "the encode callback returned %d", status);
  if (made.header_size > sizeof made.header || made.trailer_size > sizeof made.trailer) {
    return fail(TCPKIT_E_BAD_FRAME, "the encode callback set sizes above %zu: %u and %u",
                sizeof made.header, made.header_size, made.trailer_size);
  }
  out.header_size = made.header_size;
  out.trailer_size = made.trailer_size;
  out.trailer = out.own_trailer;
  std::memcpy(out.header, made.header, made.header_size);
  std::memcpy(out.own_trailer, made.trailer, made.trailer_size);
  return TCPKIT_OK;
}

}  // namespace tcpkit
