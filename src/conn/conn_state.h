// The life of a connection, in one table.
#pragma once

#include <cstdint>

namespace tcpkit {

enum class ConnState : uint8_t {
  kOpen,       // reads and writes; one direction may have ended
  kFlushing,   // close was asked for: what was sent still leaves, what arrives is dropped
  kLingering,  // everything has left, FIN included: waits for the peer to end its stream
  kClosed      // the descriptor is closed, or will be at the end of this event
};

enum class ConnStep : uint8_t {
  kClose,      // close was asked for, by us, by the end of the peer's stream or by a bad frame
  kFlushed,    // the write queue ran empty
  kPeerEnded,  // the peer ended its stream
  kFail        // reset, abort, stop, timeout, failed system call
};

// Why lingering: closing a socket that holds unread input makes the kernel reset the connection,
// and a reset destroys what we sent and the peer has not read yet.
constexpr ConnState next_state(ConnState state, ConnStep step) noexcept {
  constexpr auto kOpen = ConnState::kOpen;
  constexpr auto kFlushing = ConnState::kFlushing;
  constexpr auto kLingering = ConnState::kLingering;
  constexpr auto kClosed = ConnState::kClosed;
  constexpr ConnState kTable[4][4] = {
      // kClose     kFlushed    kPeerEnded  kFail
      {kFlushing, kOpen, kOpen, kClosed},           // kOpen
      {kFlushing, kLingering, kFlushing, kClosed},  // kFlushing
      {kLingering, kLingering, kClosed, kClosed},   // kLingering
      {kClosed, kClosed, kClosed, kClosed},         // kClosed
  };
  return kTable[static_cast<unsigned>(state)][static_cast<unsigned>(step)];
}

}  // namespace tcpkit
