// Packets of a fixed size.
#include "framer_fuzz.h"

using tcpkit::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const tcpkit::PacketLimits limits = input.take_limits();
  const auto settings = tcpkit_framing_fixed(input.below(64));
  const auto framing = tcpkit::fuzz::try_framing(settings, limits);
  if (framing != nullptr) tcpkit::fuzz::check_cuts(*framing, input);
  return 0;
}
