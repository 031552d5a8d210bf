// A custom framer for tests: a frame is a digit, that many bytes and a semicolon; "#" is padding.
#pragma once

#include "tcpkit.h"

namespace tcpkit::test {

inline int32_t next_counted(void*, const uint8_t* data, size_t data_size, tcpkit_frame* out_frame) {
  if (data[0] == '#') {
    out_frame->frame_size = 1;
    return TCPKIT_FRAME_SKIP;
  }
  if (data[0] < '0' || data[0] > '9') return TCPKIT_E_BAD_FRAME;
  const size_t packet_size = static_cast<size_t>(data[0] - '0');
  if (data_size < packet_size + 2) return TCPKIT_FRAME_MORE;
  if (data[packet_size + 1] != ';') return TCPKIT_E_BAD_FRAME;
  *out_frame = {packet_size + 2, 1, packet_size, 0};
  return TCPKIT_FRAME_PACKET;
}

inline tcpkit_status encode_counted(const void*, size_t packet_size,
                                    tcpkit_frame_envelope* out_envelope, void*) {
  if (packet_size > 9) return TCPKIT_E_PACKET_TOO_BIG;
  out_envelope->header_size = 1;
  out_envelope->header[0] = static_cast<uint8_t>('0' + packet_size);
  out_envelope->trailer_size = 1;
  out_envelope->trailer[0] = ';';
  return TCPKIT_OK;
}

inline constexpr tcpkit_framing_callbacks kCountedCallbacks = {
    sizeof(tcpkit_framing_callbacks), 0, nullptr, nullptr, next_counted, encode_counted};

inline tcpkit_framing custom_framing(const tcpkit_framing_callbacks& callbacks) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  framing.kind = TCPKIT_FRAMING_CUSTOM;
  framing.callbacks = &callbacks;
  return framing;
}

}  // namespace tcpkit::test
