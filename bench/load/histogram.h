// Latency histogram of the load generator: log-linear buckets, fixed memory, one add per record.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace tcpkit::load {

// Values below 128 have a bucket each; above that every power of two is cut into 64 equal buckets,
// so a reported value is at most 1/64 = 1.6 % above the true one.
class Histogram {
 public:
  void record(std::uint64_t value_ns, std::uint64_t count = 1) {
    buckets_[bucket_of(value_ns)] += count;
    total_ += count;
    if (value_ns > max_ns_) max_ns_ = value_ns;
  }

  void reset() { *this = Histogram(); }

  std::uint64_t count() const { return total_; }
  std::uint64_t max_ns() const { return max_ns_; }

  // Upper edge of the bucket in which the given share of all values is reached; 0 if empty.
  std::uint64_t value_at(double share) const {
    const auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(total_) + 0.5);
    std::uint64_t seen = 0;
    for (std::size_t bucket = 0; bucket < kBuckets; ++bucket) {
      seen += buckets_[bucket];
      if (seen < wanted || seen == 0) continue;
      const std::uint64_t edge = upper_edge(bucket);
      return edge < max_ns_ ? edge : max_ns_;
    }
    return max_ns_;
  }

 private:
  static constexpr unsigned kPrecisionBits = 6;
  static constexpr std::size_t kPerOctave = std::size_t{1} << kPrecisionBits;
  static constexpr unsigned kOctaves = 36;  // up to 2^42 ns, more than an hour
  static constexpr std::size_t kBuckets = kPerOctave * (kOctaves + 1);

  // The leading one and the six bits after it choose the bucket.
  static std::size_t bucket_of(std::uint64_t value) {
    const auto bits = static_cast<unsigned>(std::bit_width(value));
    if (bits <= kPrecisionBits + 1) return static_cast<std::size_t>(value);
    const unsigned shift = bits - kPrecisionBits - 1;
    const std::size_t bucket = shift * kPerOctave + static_cast<std::size_t>(value >> shift);
    return bucket < kBuckets ? bucket : kBuckets - 1;
  }

  static std::uint64_t upper_edge(std::size_t bucket) {
    if (bucket < 2 * kPerOctave) return bucket;
    const std::size_t shift = bucket / kPerOctave - 1;
    const std::size_t mantissa = bucket - shift * kPerOctave;
    return ((std::uint64_t{mantissa} + 1) << shift) - 1;
  }

  std::array<std::uint64_t, kBuckets> buckets_{};
  std::uint64_t total_ = 0;
  std::uint64_t max_ns_ = 0;
};

}  // namespace tcpkit::load
