// All arithmetic is on unsigned numbers that were compared before.
#include "framing/call_cuts.h"

#include <algorithm>
#include <cstring>

namespace tcpkit {
namespace {

constexpr CallCut kTooBig{CallCut::Kind::kTooBig, {}, 0, 0, 0};

CallCut more(size_t missing) noexcept {
  return {CallCut::Kind::kMore, {}, 0, missing, 0};
}

CallCut whole(ByteView packet, size_t frame_size) noexcept {
  return {CallCut::Kind::kPacket, packet, frame_size, 0, 0};
}

uint64_t read_number(ByteView bytes, bool is_big_endian) noexcept {
  uint64_t number = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    number = number << 8 | bytes[is_big_endian ? i : bytes.size() - 1 - i];
  }
  return number;
}

}  // namespace

CallCut cut_prefixed(ByteView bytes, const LengthPrefix& prefix) noexcept {
  if (bytes.size() < prefix.size) return more(prefix.size - bytes.size());
  const uint64_t named = read_number(bytes.first(prefix.size), prefix.is_big_endian);
  if (named > prefix.max_size) {
    CallCut cut = kTooBig;
    cut.named_size = named;
    return cut;
  }
  const ByteView rest = bytes.subspan(prefix.size);
  if (named > rest.size()) return more(static_cast<size_t>(named - rest.size()));
  const auto size = static_cast<size_t>(named);
  return whole(rest.first(size), prefix.size + size);
}

SeparatorSearch::SeparatorSearch(ByteView separator, size_t max_size) noexcept
    : separator_(separator),
      most_(max_size > SIZE_MAX - separator.size() ? SIZE_MAX : max_size + separator.size()) {}

CallCut SeparatorSearch::next(ByteView bytes) noexcept {
  const ByteView known = bytes.first(std::min(bytes.size(), most_));
  if (known.size() > searched_) {
    const void* found = memmem(known.data() + searched_, known.size() - searched_,
                               separator_.data(), separator_.size());
    if (found != nullptr) {
      const auto size = static_cast<size_t>(static_cast<const uint8_t*>(found) - known.data());
      return whole(known.first(size), size + separator_.size());
    }
  }
  if (known.size() == most_) return kTooBig;
  if (known.size() >= separator_.size()) searched_ = known.size() - separator_.size() + 1;
  return more(1);
}

}  // namespace tcpkit
