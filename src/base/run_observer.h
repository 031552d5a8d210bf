// Who wants to know when something that was started has ended: a run of a server, or what a connect
// of a client has begun.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace tcpkit {

// What the observer of a run may ask for.
enum class RunEnd : uint8_t { kGently, kNow };

class RunObserver {
 public:
  // Exactly once per run that was begun with this observer, on the thread that it ends on.
  // why.status is TCPKIT_OK for an end in order. A lock of the caller is held: this may post a
  // task, and do nothing that waits.
  virtual void run_ended(const LastError& why) noexcept = 0;

 protected:
  ~RunObserver() = default;
};

}  // namespace tcpkit
