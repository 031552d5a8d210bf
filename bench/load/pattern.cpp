// Builds the periodic stream of messages.
#include "pattern.h"

#include <algorithm>

namespace tcpkit::load {
namespace {

constexpr std::size_t kMaxPeriodBytes = 64 * 1024;  // stays in the second-level cache
constexpr std::size_t kMaxMessages = 61;            // a prime, so that no power of two divides it

std::size_t overhead_of(Framing framing) {
  if (framing == Framing::kLen4Be) return 4;
  return framing == Framing::kLine ? 1 : 0;
}

// Pseudo-random bytes without the newline, so that the same payload suits every framing.
class ByteSource {
 public:
  std::uint8_t next() {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    const auto byte = static_cast<std::uint8_t>(state_ >> 32);
    return byte == '\n' ? std::uint8_t{'.'} : byte;
  }

 private:
  std::uint64_t state_ = 0x9E3779B97F4A7C15u;
};

}  // namespace

Pattern::Pattern(const Options& options, std::size_t max_piece)
    : frame_size_(options.message_size + overhead_of(options.framing)), max_piece_(max_piece) {
  const std::size_t messages =
      std::clamp<std::size_t>(kMaxPeriodBytes / frame_size_, 1, kMaxMessages);
  period_ = messages * frame_size_;
  bytes_.reserve(period_ + max_piece);
  ByteSource source;
  for (std::size_t message = 0; message < messages; ++message) {
    if (options.framing == Framing::kLen4Be) {
      for (unsigned shift = 32; shift > 0; shift -= 8) {
        bytes_.push_back(static_cast<std::uint8_t>(options.message_size >> (shift - 8)));
      }
    }
    for (std::size_t i = 0; i < options.message_size; ++i) bytes_.push_back(source.next());
    if (options.framing == Framing::kLine) bytes_.push_back('\n');
  }
  for (std::size_t i = 0; i < max_piece; ++i) bytes_.push_back(bytes_[i]);
}

}  // namespace tcpkit::load
