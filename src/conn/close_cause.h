// Why a connection ends, in eight bytes.
#pragma once

#include <cstdint>

#include "base/status.h"

namespace tcpkit {

struct CloseCause {
  CloseCause(tcpkit_close_reason why, Status how, int error) noexcept
      : reason(static_cast<int16_t>(why)), error_number(static_cast<int16_t>(error)), status(how) {}

  int16_t reason;
  int16_t error_number;
  Status status;
};

}  // namespace tcpkit
