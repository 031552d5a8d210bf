// Entry points of the status table and of the last error of the calling thread.
#include "base/status.h"

tcpkit_status_class tcpkit_status_class_of(tcpkit_status status) {
  if (status == TCPKIT_OK || status == TCPKIT_OK_ABOVE_HIGH) return TCPKIT_CLASS_OK;
  // No other status is positive, so this is the row of all numbers that are none.
  constexpr tcpkit_status kUnknown = 2;
  if (tcpkit::status_text(status) == tcpkit::status_text(kUnknown)) return TCPKIT_CLASS_INTERNAL;
  return -status / 100;
}

const char* tcpkit_status_name(tcpkit_status status) {
  return tcpkit::status_name(status);
}

const char* tcpkit_status_text(tcpkit_status status) {
  return tcpkit::status_text(status);
}

tcpkit_status tcpkit_last_error_status(void) {
  return tcpkit::last_error().status;
}

const char* tcpkit_last_error_message(void) {
  return tcpkit::last_error().message;
}

int32_t tcpkit_last_error_errno(void) {
  return tcpkit::last_error().error_number;
}
