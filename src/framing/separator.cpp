// Search for a separator, and for one that a read cut in two.
#include "framing/separator.h"

#include <algorithm>
#include <cstring>

namespace tcpkit {

Status Separator::take(const tcpkit_framing& framing) {
  const size_t size = framing.separator_size;
  if (size == 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.separator_size is 0, at least 1 is needed");
  }
  if (framing.separator == nullptr && size > sizeof framing.separator_bytes) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "framing.separator is NULL and framing.separator_size is %zu, more than the %zu of "
                "separator_bytes",
                size, sizeof framing.separator_bytes);
  }
  if (size > UINT32_MAX) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "framing.separator_size is %zu, at most %u is taken",
                size, UINT32_MAX);
  }
  const void* bytes = framing.separator == nullptr ? framing.separator_bytes : framing.separator;
  const uint8_t* begin = static_cast<const uint8_t*>(bytes);
  bytes_.assign(begin, begin + size);
  borders_.assign(size, 0);
  uint32_t border = 0;
  for (size_t i = 1; i < size; ++i) {
    while (border > 0 && bytes_[i] != bytes_[border]) border = borders_[border - 1];
    if (bytes_[i] == bytes_[border]) ++border;
    borders_[i] = border;
  }
  return TCPKIT_OK;
}

// memchr for the last byte is the fastest search there is where the separator is short and its last
// byte rare, as in texts. A longer separator could be made to compare long and in vain at every
// byte, so it goes to memmem, which is linear.
size_t Separator::find(ByteView bytes, size_t from) const noexcept {
  const size_t size = bytes_.size();
  if (bytes.size() - from < size) return kNotFound;
  const uint8_t* begin = bytes.data();
  const uint8_t* end = begin + bytes.size();
  if (size > kMaxComparedSize) {
    const void* found = memmem(begin + from, bytes.size() - from, bytes_.data(), size);
    if (found == nullptr) return kNotFound;
    return static_cast<size_t>(static_cast<const uint8_t*>(found) - begin);
  }
  const uint8_t* last = begin + from + size - 1;
  while (last < end) {
    const void* found = std::memchr(last, bytes_.back(), static_cast<size_t>(end - last));
    if (found == nullptr) return kNotFound;
    last = static_cast<const uint8_t*>(found);
    const uint8_t* candidate = last - (size - 1);
    const bool begins = *candidate == bytes_.front();
    if (begins && std::memcmp(candidate, bytes_.data(), size - 1) == 0) {
      return static_cast<size_t>(candidate - begin);
    }
    ++last;
  }
  return kNotFound;
}

size_t Separator::count_begun(ByteView bytes) const noexcept {
  const ByteView tail = bytes.last(std::min(bytes.size(), bytes_.size() - 1));
  size_t begun = 0;
  for (const uint8_t byte : tail) {
    while (begun > 0 && byte != bytes_[begun]) begun = borders_[begun - 1];
    if (byte == bytes_[begun]) ++begun;
  }
  return begun;
}

// A separator that starts inside the packet and ends inside the real one starts with an end of the
// packet that is a beginning of the separator, and goes on with the separator shifted against
// itself. So each such beginning is tried; "aa" ends no packet that ends with "a".
bool Separator::can_end(ByteView packet) const noexcept {
  if (packet.empty()) return true;
  if (find(packet, 0) != kNotFound) return false;
  if (borders_.back() == 0) return true;
  size_t begun = count_begun(packet);
  while (begun > 0) {
    if (std::memcmp(bytes_.data(), bytes_.data() + begun, bytes_.size() - begun) == 0) return false;
    begun = borders_[begun - 1];
  }
  return true;
}

void Separator::encode(Envelope& out) const noexcept {
  out.header_size = 0;
  out.trailer_size = static_cast<uint32_t>(bytes_.size());
  out.trailer = bytes_.data();
}

}  // namespace tcpkit
