// The short way out of a packet, millions of times a second: from the callback of its connection
// straight into the loop's output buffer, with nothing called.
#pragma once

#include "conn/conn.h"
#include "conn/conn_host.h"

namespace tcpkit {

// False: nothing happened, and send_packet() does it or says why not. Takes the two framings whose
// frame needs no encoder: a 4-byte length, and a one-byte separator behind bytes that were just cut
// at it and so need no search. Everything else is rejected by the first test that does not hold.
[[gnu::always_inline]] inline bool Conn::put_frame(ByteView packet) noexcept {
  if (!host_.loop().is_home()) return false;
  const bool in_own_event = in_event_ && !flushing_ && queue_.empty() && !waits_writable_;
  const Framing* framing = host_.config().framing.get();
  if (!in_own_event || framing == nullptr || sends_refused_.load(std::memory_order_relaxed)) {
    return false;
  }
  EventOutput& output = host_.event_output();
  uint32_t length;
  uint8_t separator;
  if (framing->make_length4(packet.size(), length)) {
    uint8_t* target = output.claim(sizeof length + packet.size(), host_.output_limit());
    if (target == nullptr) return false;
    std::memcpy(target, &length, sizeof length);
    copy_short(target + sizeof length, packet.data(), packet.size());
  } else if (framing->ends_with_byte(separator) && host_.loop_host().is_in_hand(packet)) {
    uint8_t* target = output.claim(packet.size() + 1, host_.output_limit());
    if (target == nullptr) return false;
    copy_short(target, packet.data(), packet.size());
    target[packet.size()] = separator;
  } else {
    return false;
  }
  host_.own_counters().packets_written.add(1);
  return true;
}

}  // namespace tcpkit
