// VarLong lengths of at most 1 to 10 bytes.
#include "framer_fuzz.h"

using tcpkit::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const tcpkit::PacketLimits limits = input.take_limits();
  tcpkit_framing settings = tcpkit_framing_varlong();
  settings.length_size = input.below(11);
  tcpkit::fuzz::check_cuts(*tcpkit::test::make_framing(settings, limits), input);
  return 0;
}
