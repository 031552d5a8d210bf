// Length fields with offset, adjustment and strip.
#include "length_settings.h"

using tcpkit::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const tcpkit::PacketLimits limits = input.take_limits();
  const tcpkit_framing settings = tcpkit::fuzz::take_length_field(input);
  const auto framing = tcpkit::fuzz::try_framing(settings, limits);
  if (framing != nullptr) tcpkit::fuzz::check_cuts(*framing, input);
  return 0;
}
