// Text to framing, with the name of the option in front of what is wrong.
#include "framing/framing_option.h"

namespace tcpkit {

Status set_framing_option(const char* key, const char* text, tcpkit_framing& framing) noexcept {
  tcpkit_framing parsed = TCPKIT_FRAMING_INIT;
  const Status status = tcpkit_framing_parse(text, &parsed);
  if (status == TCPKIT_OK) {
    framing = parsed;
    return TCPKIT_OK;
  }
  const LastError cause = last_error();
  return fail(status, "%s: \"%s\": %.256s", key, text, cause.message);
}

}  // namespace tcpkit
