// Packets behind a length and before a separator: bytes that come one by one give the same as all
// of them at once, and nothing is cut that is not there.
#include <cstdlib>
#include <string>

#include "framing/call_cuts.h"

using tcpkit::ByteView;
using tcpkit::CallCut;
using tcpkit::LengthPrefix;
using tcpkit::SeparatorSearch;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_cut(const CallCut& cut, ByteView bytes, size_t max_size) {
  if (cut.kind == CallCut::Kind::kMore) return require(cut.missing > 0);
  if (cut.kind == CallCut::Kind::kTooBig) return;
  require(cut.packet.data() >= bytes.data() && cut.packet.size() <= max_size);
  require(cut.frame_size <= bytes.size() && cut.packet.size() < cut.frame_size);
}

bool are_equal(const CallCut& one, const CallCut& other) {
  return one.kind == other.kind && one.packet.data() == other.packet.data() &&
         one.packet.size() == other.packet.size() && one.frame_size == other.frame_size;
}

void check_prefixed(ByteView bytes, const LengthPrefix& prefix) {
  const CallCut whole = tcpkit::cut_prefixed(bytes, prefix);
  check_cut(whole, bytes, prefix.max_size);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const CallCut cut = tcpkit::cut_prefixed(bytes.first(size), prefix);
    check_cut(cut, bytes.first(size), prefix.max_size);
    if (cut.kind != CallCut::Kind::kMore) return require(are_equal(cut, whole));
    require(whole.kind != CallCut::Kind::kPacket || cut.missing <= whole.frame_size - size);
  }
}

void check_separated(ByteView bytes, ByteView separator, size_t max_size) {
  SeparatorSearch at_once(separator, max_size);
  SeparatorSearch growing(separator, max_size);
  const CallCut whole = at_once.next(bytes);
  check_cut(whole, bytes, max_size);
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const CallCut cut = growing.next(bytes.first(size));
    check_cut(cut, bytes.first(size), max_size);
    if (cut.kind != CallCut::Kind::kMore) return require(are_equal(cut, whole));
  }
  require(whole.kind == CallCut::Kind::kMore);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3) return 0;
  const ByteView input(data, size);
  const size_t max_size = input[1];
  if (input[0] % 2 == 0) {
    const uint32_t prefix_size = 1 + input[0] / 4 % 8;
    check_prefixed(input.subspan(2), {prefix_size, input[0] / 2 % 2 == 0, max_size});
    return 0;
  }
  const size_t separator_size = 1 + input[0] / 2 % 8;
  if (size < 2 + separator_size) return 0;
  check_separated(input.subspan(2 + separator_size), input.subspan(2, separator_size), max_size);
  return 0;
}
