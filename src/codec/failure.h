// What readers and writers have in common when they fail.
#pragma once

#include "base/status.h"

namespace tcpkit {

// Returns status, which came from elsewhere, and makes sure that the last error of this thread is
// about it: a message that whoever failed left there says more than ours.
[[nodiscard]] inline Status pass_failure(Status status, const char* what) noexcept {
  if (last_error().status == status) return status;
  return fail(status, "%s: %s", what, status_text(status));
}

}  // namespace tcpkit
