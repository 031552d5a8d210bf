// Separators of any bytes and of up to 40 of them.
#include "framer_fuzz.h"

using tcpkit::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const tcpkit::PacketLimits limits = input.take_limits();
  const std::string separator = input.take(1 + input.below(40));
  const auto settings = tcpkit_framing_separator(separator.data(), separator.size());
  const auto framing = tcpkit::fuzz::try_framing(settings, limits);
  if (framing != nullptr) tcpkit::fuzz::check_cuts(*framing, input);
  return 0;
}
