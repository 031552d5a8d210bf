// A framer of the user's own: calls its callbacks, and believes nothing that they say.
#pragma once

#include "framing/cut.h"

namespace tcpkit {

class CustomFramer {
 public:
  // Validates and copies the callback table of framing.
  Status take(const tcpkit_framing& framing) noexcept;

  Status open_state(FramerState& state) const noexcept;
  void close_state(FramerState& state) const noexcept;

  // Asks the callback. Of a too big packet only a whole frame can be discarded: before that its end
  // is not known, and a declared_size above the limit fails with either policy.
  CutResult next(FramerState& state, ByteView bytes, const PacketLimits& limits) const noexcept;

  // Asks the callback. An error is the last error of the thread.
  Status encode(ByteView packet, Envelope& out) const noexcept;

 private:
  tcpkit_framing_callbacks callbacks_ = TCPKIT_FRAMING_CALLBACKS_INIT;
  void* user_data_ = nullptr;  // borrowed from the framing
};

}  // namespace tcpkit
