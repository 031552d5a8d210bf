// Bare binary lengths of every size and byte order.
#include "framer_fuzz.h"

using tcpkit::fuzz::Input;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  constexpr uint32_t kSizes[] = {1, 2, 3, 4, 8};
  const tcpkit::PacketLimits limits = input.take_limits();
  const uint32_t length_size = kSizes[input.below(5)];
  const auto order = static_cast<tcpkit_byte_order>(input.below(3));
  const auto settings = tcpkit_framing_length(length_size, order);
  tcpkit::fuzz::check_cuts(*tcpkit::test::make_framing(settings, limits), input);
  return 0;
}
