// The counting behind admission.h. First everything is asked and then everything is counted, so
// that a refusal has nothing to undo.
#include "conn/admission.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>
#include <random>

#include "base/assert.h"

namespace tcpkit {
namespace {

constexpr uint64_t kToken = 1000;  // thousandths
constexpr uint64_t kSecondMs = 1000;
// A full bucket and a second's worth of tokens must fit in 64 bits together.
constexpr uint64_t kLargestRate = UINT64_MAX / (2 * kToken);
// A table of this size may stay, however few are in it.
constexpr size_t kSmallTable = 1024;

uint64_t random_key(uint64_t limit) {
  if (limit == UINT64_MAX) return 0;
  std::random_device random;
  return uint64_t{random()} << 32 | random();
}

struct SipState {
  uint64_t v0, v1, v2, v3;

  void round() noexcept {
    v0 += v1;
    v2 += v3;
    v1 = std::rotl(v1, 13) ^ v0;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 = std::rotl(v0, 32);
    v2 += v1;
    v0 += v3;
    v1 = std::rotl(v1, 17) ^ v2;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 = std::rotl(v2, 32);
  }
  void absorb(uint64_t word) noexcept {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

IpBytes masked(IpBytes ip, uint32_t bits) noexcept {
  for (uint32_t i = 0; i < ip.size(); ++i) {
    const uint32_t kept = std::clamp<uint32_t>(bits, i * 8, i * 8 + 8) - i * 8;
    ip[i] = static_cast<uint8_t>(ip[i] & (0xFF00u >> kept));
  }
  return ip;
}

}  // namespace

TokenBucket::TokenBucket(uint64_t per_second) noexcept
    : per_second_(per_second == UINT64_MAX ? per_second : std::min(per_second, kLargestRate)),
      thousandths_(limits() ? per_second_ * kToken : 0) {}

uint64_t TokenBucket::thousandths_at(uint64_t now_ms) const noexcept {
  // A second fills it from empty; more would only overflow.
  const uint64_t elapsed_ms = now_ms > told_ms_ ? std::min(now_ms - told_ms_, kSecondMs) : 0;
  return std::min(thousandths_ + elapsed_ms * per_second_, per_second_ * kToken);
}

bool TokenBucket::has_token(uint64_t now_ms) const noexcept {
  return !limits() || thousandths_at(now_ms) >= kToken;
}

void TokenBucket::take_token(uint64_t now_ms) noexcept {
  if (!limits()) return;
  TCPKIT_ASSERT(has_token(now_ms));
  thousandths_ = thousandths_at(now_ms) - kToken;
  told_ms_ = std::max(told_ms_, now_ms);
}

void TokenBucket::return_token() noexcept {
  if (limits()) thousandths_ = std::min(thousandths_ + kToken, per_second_ * kToken);
}

uint64_t TokenBucket::ms_until_token(uint64_t now_ms) const noexcept {
  if (has_token(now_ms)) return 0;
  if (per_second_ == 0) return UINT64_MAX;
  const uint64_t missing = kToken - thousandths_at(now_ms);
  const uint64_t wait_ms = (missing + per_second_ - 1) / per_second_;
  // A caller whose clock is behind waits for the others' first.
  return wait_ms + (told_ms_ > now_ms ? told_ms_ - now_ms : 0);
}

// SipHash-2-4 of 16 bytes. The words are taken in the order of this machine: the hash is never
// seen outside of it.
size_t IpHash::operator()(const IpBytes& ip) const noexcept {
  uint64_t words[2];
  static_assert(sizeof words == sizeof(IpBytes));
  std::memcpy(words, ip.data(), sizeof words);
  SipState state{key0_ ^ 0x736f6d6570736575, key1_ ^ 0x646f72616e646f6d, key0_ ^ 0x6c7967656e657261,
                 key1_ ^ 0x7465646279746573};
  state.absorb(words[0]);
  state.absorb(words[1]);
  state.absorb(uint64_t{sizeof words} << 56);
  state.v2 ^= 0xFF;
  for (int i = 0; i < 4; ++i) state.round();
  return static_cast<size_t>(state.v0 ^ state.v1 ^ state.v2 ^ state.v3);
}

AddressCounts::AddressCounts(uint64_t limit)
    : limit_(limit), counts_(0, IpHash(random_key(limit), random_key(limit))) {}

bool AddressCounts::has_room(const IpBytes& ip) const noexcept {
  if (!limits()) return true;
  const auto found = counts_.find(ip);
  return (found == counts_.end() ? 0 : found->second) < limit_;
}

bool AddressCounts::add(const IpBytes& ip) noexcept {
  if (!limits()) return true;
  try {
    ++counts_.try_emplace(ip, uint64_t{0}).first->second;
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

void AddressCounts::remove(const IpBytes& ip) noexcept {
  if (!limits()) return;
  const auto found = counts_.find(ip);
  TCPKIT_ASSERT(found != counts_.end());
  if (found == counts_.end() || --found->second != 0) return;
  counts_.erase(found);
  release_unused_buckets();
}

// A table never shrinks by itself, so one flood would keep its buckets for good. Shrinking to twice
// what is there, at an eighth, costs each connection that went a constant amount.
void AddressCounts::release_unused_buckets() noexcept {
  if (counts_.bucket_count() <= kSmallTable || counts_.size() > counts_.bucket_count() / 8) return;
  try {
    counts_.rehash(std::max(counts_.size() * 2, kSmallTable / 2));
  } catch (const std::bad_alloc&) {
    // It stays large, and the next one that goes tries again.
  }
}

Admission::Admission(const AdmissionLimits& limits)
    : prefix_v4_bits_(96 + std::min(limits.prefix_v4, 32u)),
      prefix_v6_bits_(std::min(limits.prefix_v6, 128u)),
      addresses_(limits.max_per_address),
      prefixes_(limits.max_per_prefix),
      rate_(limits.max_per_second) {}

uint64_t Admission::take_token(uint64_t now_ms) noexcept {
  if (!rate_.limits()) return 0;
  const std::lock_guard lock(mutex_);
  const uint64_t wait_ms = rate_.ms_until_token(now_ms);
  if (wait_ms == 0) rate_.take_token(now_ms);
  return wait_ms;
}

void Admission::return_token() noexcept {
  if (!rate_.limits()) return;
  const std::lock_guard lock(mutex_);
  rate_.return_token();
}

Admitted Admission::enter(const PeerAddress& peer, uint64_t now_ms, Token token) noexcept {
  if (!rate_.limits() && !(peer.has_ip() && counts_addresses())) return Admitted::kYes;
  const std::lock_guard lock(mutex_);
  return enter_locked(peer, now_ms, token);
}

// The rate is asked last: whoever is refused for its address anyway is told the lasting reason.
Admitted Admission::enter_locked(const PeerAddress& peer, uint64_t now_ms, Token token) noexcept {
  const IpBytes ip = peer.ip_bytes();
  const IpBytes prefix = prefix_of(peer);
  if (peer.has_ip() && !addresses_.has_room(ip)) return Admitted::kAddressFull;
  if (peer.has_ip() && !prefixes_.has_room(prefix)) return Admitted::kPrefixFull;
  if (token == Token::kTake && !rate_.has_token(now_ms)) return Admitted::kTooFast;
  if (peer.has_ip() && !count_both(ip, prefix)) return Admitted::kAddressFull;
  if (token == Token::kTake) rate_.take_token(now_ms);
  return Admitted::kYes;
}

bool Admission::count_both(const IpBytes& ip, const IpBytes& prefix) noexcept {
  if (!addresses_.add(ip)) return false;
  if (prefixes_.add(prefix)) return true;
  addresses_.remove(ip);
  return false;
}

void Admission::leave(const PeerAddress& peer) noexcept {
  if (!peer.has_ip() || !counts_addresses()) return;
  const IpBytes ip = peer.ip_bytes();
  const IpBytes prefix = prefix_of(peer);
  const std::lock_guard lock(mutex_);
  addresses_.remove(ip);
  prefixes_.remove(prefix);
}

size_t Admission::entries() const noexcept {
  const std::lock_guard lock(mutex_);
  return addresses_.addresses() + prefixes_.addresses();
}

// No IPv6 prefix is that of an IPv4 address: those keep all of ::ffff:0:0/96, and an IPv6 address
// that begins so is one of IPv4.
IpBytes Admission::prefix_of(const PeerAddress& peer) const noexcept {
  return masked(peer.ip_bytes(), peer.family() == AF_INET ? prefix_v4_bits_ : prefix_v6_bits_);
}

}  // namespace tcpkit
