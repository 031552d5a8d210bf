// Entry points of the version: what the loaded library says it is.
#include "tcpkit.h"

uint32_t tcpkit_version_number(void) {
  return TCPKIT_VERSION_NUMBER;
}

const char* tcpkit_version_text(void) {
  return TCPKIT_VERSION_TEXT;
}
