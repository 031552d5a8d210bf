// Encoders: whatever they take comes out of their framer as it went in.
#include "length_settings.h"

using tcpkit::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const tcpkit::PacketLimits limits = input.take_limits();
  tcpkit_framing settings = TCPKIT_FRAMING_INIT;
  std::string separator;
  if (input.below(2) == 0) {
    settings = tcpkit::fuzz::take_length_field(input);
  } else {
    separator = input.take(1 + input.below(40));
    settings = tcpkit_framing_separator(separator.data(), separator.size());
  }
  const auto framing = tcpkit::fuzz::try_framing(settings, limits);
  if (framing != nullptr) tcpkit::fuzz::check_round_trip(*framing, input);
  return 0;
}
