// Whether one more connection may come in: how many an address and its network have, and how many
// came in the last second. Pure counting on addresses and times it is told: no I/O, no clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>

#include "loop/address.h"

namespace tcpkit {

// UINT64_MAX: no limit; 0: nobody comes in. A prefix longer than its address is the whole address.
struct AdmissionLimits {
  uint64_t max_per_address = UINT64_MAX;
  uint64_t max_per_prefix = UINT64_MAX;
  uint32_t prefix_v4 = 24;  // bits
  uint32_t prefix_v6 = 64;  // bits
  uint64_t max_per_second = UINT64_MAX;
};

enum class Admitted : uint8_t { kYes, kAddressFull, kPrefixFull, kTooFast };

// Lets `per_second` through in a second, and as many at once after a pause. So no second sees more
// than twice that, and a long time no more than its seconds and one burst. Counts thousandths of a
// token: a millisecond brings exactly `per_second` of them, and nothing is ever rounded away.
class TokenBucket {
 public:
  explicit TokenBucket(uint64_t per_second) noexcept;
  bool limits() const noexcept { return per_second_ != UINT64_MAX; }
  // A time before the latest one it was told counts as that one.
  bool has_token(uint64_t now_ms) const noexcept;
  // Only if has_token(now_ms).
  void take_token(uint64_t now_ms) noexcept;
  // Undoes a take_token() of late.
  void return_token() noexcept;
  // Until has_token(); UINT64_MAX if it never will.
  uint64_t ms_until_token(uint64_t now_ms) const noexcept;

 private:
  uint64_t thousandths_at(uint64_t now_ms) const noexcept;

  uint64_t per_second_;
  uint64_t thousandths_;
  uint64_t told_ms_ = 0;
};

// SipHash with a secret key of its own: a peer chooses its address, and with 2^64 of them to choose
// from could fill one bucket of a hash that it knows.
class IpHash {
 public:
  IpHash(uint64_t key0, uint64_t key1) noexcept : key0_(key0), key1_(key1) {}
  size_t operator()(const IpBytes& ip) const noexcept;

 private:
  uint64_t key0_;
  uint64_t key1_;
};

// How many connections each address has, up to a limit. Holds nothing for an address without one,
// and nothing at all without a limit.
class AddressCounts {
 public:
  // Throws if the system has no random numbers for the hash.
  explicit AddressCounts(uint64_t limit);
  bool limits() const noexcept { return limit_ != UINT64_MAX; }
  bool has_room(const IpBytes& ip) const noexcept;
  // False, and nothing counted, if there is no memory.
  bool add(const IpBytes& ip) noexcept;
  void remove(const IpBytes& ip) noexcept;
  size_t addresses() const noexcept { return counts_.size(); }
  size_t buckets() const noexcept { return counts_.bucket_count(); }

 private:
  void release_unused_buckets() noexcept;

  uint64_t limit_;
  std::unordered_map<IpBytes, uint64_t, IpHash> counts_;
};

// Any thread. The mutex is taken only for a limit that is set: once for a connection that comes,
// once for one that goes, never for its data.
class Admission {
 public:
  // Throws what AddressCounts does.
  explicit Admission(const AdmissionLimits& limits);

  bool counts_addresses() const noexcept { return addresses_.limits() || prefixes_.limits(); }
  // kYes counts the connection until leave(); anything else leaves no trace. A peer without an IP
  // is limited by the rate only. No memory for a new address: kAddressFull.
  enum class Token : uint8_t { kTake, kTaken };
  Admitted enter(const PeerAddress& peer, uint64_t now_ms, Token token = Token::kTake) noexcept;
  // For connections that wait at the limit: takes the token before there is a connection, for an
  // enter() with kTaken. 0, or the time after which to try again.
  uint64_t take_token(uint64_t now_ms) noexcept;
  void return_token() noexcept;
  // Exactly once for each kYes, with the same address.
  void leave(const PeerAddress& peer) noexcept;

  // Addresses and prefixes that have a connection now.
  size_t entries() const noexcept;

 private:
  Admitted enter_locked(const PeerAddress& peer, uint64_t now_ms, Token token) noexcept;
  bool count_both(const IpBytes& ip, const IpBytes& prefix) noexcept;
  IpBytes prefix_of(const PeerAddress& peer) const noexcept;

  const uint32_t prefix_v4_bits_;
  const uint32_t prefix_v6_bits_;
  mutable std::mutex mutex_;  // for all below; their limits() never change and need none
  AddressCounts addresses_;
  AddressCounts prefixes_;
  TokenBucket rate_;
};

}  // namespace tcpkit
