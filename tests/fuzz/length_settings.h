// A length field with settings from the input, valid ones mostly.
#pragma once

#include "framer_fuzz.h"

namespace tcpkit::fuzz {

inline int64_t take_adjustment(Input& input) {
  constexpr int64_t kExtremes[] = {INT64_MIN, INT64_MAX, INT64_MIN + 1, -1, 1, -128, 127, 0};
  const uint32_t choice = input.below(24);
  return choice < 8 ? kExtremes[choice] : static_cast<int64_t>(choice) - 16;
}

inline uint32_t take_strip_size(Input& input, uint32_t length_offset) {
  switch (input.below(4)) {
    case 0:
      return 0;
    case 1:
      return TCPKIT_STRIP_NONE;
    case 2:
      return input.below(length_offset + 1);
    default:
      return length_offset + input.below(80);
  }
}

inline tcpkit_framing take_length_field(Input& input) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  framing.kind = static_cast<int32_t>(TCPKIT_FRAMING_LENGTH + input.below(3));
  framing.byte_order = static_cast<int32_t>(input.below(3));
  framing.length_size = input.below(11);
  framing.length_offset = input.below(66);
  framing.strip_size = take_strip_size(input, framing.length_offset);
  framing.length_adjustment = take_adjustment(input);
  return framing;
}

}  // namespace tcpkit::fuzz
