// Who is let in and who is not, by addresses and a clock of the test.
#include "conn/admission.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

namespace tcpkit::test {
namespace {

constexpr uint64_t kNone = UINT64_MAX;
constexpr Admitted kYes = Admitted::kYes;
constexpr Admitted kAddressFull = Admitted::kAddressFull;
constexpr Admitted kPrefixFull = Admitted::kPrefixFull;
constexpr Admitted kTooFast = Admitted::kTooFast;

PeerAddress peer(const std::string& ip) {
  SocketAddress address;
  if (ip.find(':') == std::string::npos) {
    address.v4.sin_family = AF_INET;
    address.size = sizeof address.v4;
    EXPECT_EQ(inet_pton(AF_INET, ip.c_str(), &address.v4.sin_addr), 1) << ip;
  } else {
    address.v6.sin6_family = AF_INET6;
    address.size = sizeof address.v6;
    EXPECT_EQ(inet_pton(AF_INET6, ip.c_str(), &address.v6.sin6_addr), 1) << ip;
  }
  return PeerAddress(address);
}

PeerAddress numbered_peer(uint32_t number) {
  SocketAddress address;
  address.v4.sin_family = AF_INET;
  address.size = sizeof address.v4;
  address.v4.sin_addr.s_addr = htonl(number);
  return PeerAddress(address);
}

PeerAddress unix_peer() {
  SocketAddress address;
  address.path.sun_family = AF_UNIX;
  address.size = sizeof(sa_family_t);
  return PeerAddress(address);
}

AdmissionLimits per_address(uint64_t limit) {
  return {.max_per_address = limit};
}

AdmissionLimits per_prefix(uint64_t limit, uint32_t v4_bits, uint32_t v6_bits) {
  return {.max_per_prefix = limit, .prefix_v4 = v4_bits, .prefix_v6 = v6_bits};
}

AdmissionLimits per_second(uint64_t limit) {
  return {.max_per_second = limit};
}

uint64_t entered_at(Admission& admission, uint64_t now_ms) {
  uint64_t count = 0;
  while (count < 100'000 && admission.enter(peer("192.0.2.1"), now_ms) == kYes) ++count;
  return count;
}

// Whether the second still finds room where the first has the only place.
bool share_a_prefix(uint32_t v4_bits, uint32_t v6_bits, const char* first, const char* second) {
  Admission admission(per_prefix(1, v4_bits, v6_bits));
  EXPECT_EQ(admission.enter(peer(first), 0), kYes);
  return admission.enter(peer(second), 0) == kPrefixFull;
}

TEST(Admission, LetsEverybodyInWithoutLimits) {
  Admission admission(AdmissionLimits{});
  EXPECT_FALSE(admission.counts_addresses());
  EXPECT_EQ(entered_at(admission, 0), 100'000u);
  EXPECT_EQ(admission.take_token(0), 0u);
  EXPECT_EQ(admission.entries(), 0u);
  admission.leave(peer("192.0.2.1"));
}

TEST(Admission, SaysWhetherItCountsAddresses) {
  EXPECT_TRUE(Admission(per_address(1)).counts_addresses());
  EXPECT_TRUE(Admission(per_prefix(1, 24, 64)).counts_addresses());
  EXPECT_FALSE(Admission(per_second(1)).counts_addresses());
}

TEST(Admission, LetsAnAddressHaveExactlyItsLimit) {
  Admission admission(per_address(3));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), kYes);
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), kAddressFull);
  EXPECT_EQ(admission.enter(peer("192.0.2.2"), 0), kYes);
}

TEST(Admission, LetsOneMoreInForEachThatLeaves) {
  Admission admission({.max_per_address = 2, .max_per_prefix = 2});
  const PeerAddress one = peer("2001:db8::1");
  EXPECT_EQ(admission.enter(one, 0), kYes);
  EXPECT_EQ(admission.enter(one, 0), kYes);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(admission.enter(one, 0), kAddressFull);
    admission.leave(one);
    EXPECT_EQ(admission.enter(one, 0), kYes);
  }
  admission.leave(one);
  admission.leave(one);
  EXPECT_EQ(admission.entries(), 0u);
}

TEST(Admission, LetsNobodyInWithALimitOfZero) {
  Admission address(per_address(0));
  Admission prefix(per_prefix(0, 24, 64));
  Admission rate(per_second(0));
  EXPECT_EQ(address.enter(peer("192.0.2.1"), 0), kAddressFull);
  EXPECT_EQ(prefix.enter(peer("192.0.2.1"), 0), kPrefixFull);
  EXPECT_EQ(rate.enter(peer("192.0.2.1"), 1'000'000), kTooFast);
  EXPECT_EQ(rate.take_token(1'000'000), UINT64_MAX);
}

TEST(Admission, LetsAPrefixHaveExactlyItsLimitOverAllItsAddresses) {
  Admission admission(per_prefix(3, 24, 64));
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), kYes);
  EXPECT_EQ(admission.enter(peer("192.0.2.2"), 0), kYes);
  EXPECT_EQ(admission.enter(peer("192.0.2.255"), 0), kYes);
  EXPECT_EQ(admission.enter(peer("192.0.2.4"), 0), kPrefixFull);
  EXPECT_EQ(admission.enter(peer("192.0.3.4"), 0), kYes);
  admission.leave(peer("192.0.2.2"));
  EXPECT_EQ(admission.enter(peer("192.0.2.4"), 0), kYes);
}

struct PrefixRow {
  uint32_t v4_bits;
  uint32_t v6_bits;
  const char* first;
  const char* inside;
  const char* outside;  // nullptr: there is none
};

constexpr PrefixRow kPrefixes[] = {
    {24, 64, "192.0.2.0", "192.0.2.255", "192.0.3.0"},
    {20, 64, "10.1.16.1", "10.1.31.255", "10.1.32.0"},
    {31, 64, "10.1.1.2", "10.1.1.3", "10.1.1.4"},
    {1, 64, "10.1.1.2", "127.255.255.255", "128.0.0.0"},
    {0, 64, "10.1.1.2", "255.255.255.255", nullptr},
    {32, 64, "10.1.1.2", "10.1.1.2", "10.1.1.3"},
    {99, 64, "10.1.1.2", "10.1.1.2", "10.1.1.3"},
    {24, 64, "2001:db8:0:1::", "2001:db8:0:1:ffff:ffff:ffff:ffff", "2001:db8:0:2::"},
    {24, 61, "2001:db8:0:8::", "2001:db8:0:f::1", "2001:db8:0:10::"},
    {24, 0, "::1", "ffff::", nullptr},
    {24, 128, "2001:db8::2", "2001:db8::2", "2001:db8::3"},
    {24, UINT32_MAX, "2001:db8::2", "2001:db8::2", "2001:db8::3"},
};

TEST(Admission, CutsPrefixesAtAnyBit) {
  for (const PrefixRow& row : kPrefixes) {
    SCOPED_TRACE(std::string(row.first) + "/" + std::to_string(row.v4_bits) + "/" +
                 std::to_string(row.v6_bits));
    EXPECT_TRUE(share_a_prefix(row.v4_bits, row.v6_bits, row.first, row.inside));
    if (row.outside == nullptr) continue;
    EXPECT_FALSE(share_a_prefix(row.v4_bits, row.v6_bits, row.first, row.outside));
  }
}

TEST(Admission, KeepsTheWholeOfIpv4ApartFromTheWholeOfIpv6) {
  EXPECT_FALSE(share_a_prefix(0, 0, "192.0.2.1", "2001:db8::1"));
  EXPECT_FALSE(share_a_prefix(0, 0, "0.0.0.0", "::"));
}

TEST(Admission, TakesAMappedIpv4AddressForTheSameHost) {
  Admission admission(per_address(1));
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), kYes);
  EXPECT_EQ(admission.enter(peer("::ffff:192.0.2.1"), 0), kAddressFull);
  admission.leave(peer("::ffff:192.0.2.1"));
  EXPECT_EQ(admission.entries(), 0u);
  EXPECT_TRUE(share_a_prefix(24, 128, "::ffff:192.0.2.1", "192.0.2.9"));
}

TEST(Admission, LimitsPeersWithoutAnIpByTheRateOnly) {
  Admission admission({.max_per_address = 1, .max_per_prefix = 1, .max_per_second = 3});
  for (int i = 0; i < 3; ++i) EXPECT_EQ(admission.enter(unix_peer(), 0), kYes);
  EXPECT_EQ(admission.enter(unix_peer(), 0), kTooFast);
  EXPECT_EQ(admission.entries(), 0u);
  admission.leave(unix_peer());
}

TEST(Admission, LeavesNoCountBehindWhenItRefuses) {
  Admission admission({.max_per_address = 1, .max_per_prefix = 1, .max_per_second = 2});
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), kYes);
  EXPECT_EQ(admission.enter(peer("192.0.2.1"), 0), kAddressFull);
  EXPECT_EQ(admission.enter(peer("192.0.2.2"), 0), kPrefixFull);
  EXPECT_EQ(admission.entries(), 2u);
  admission.leave(peer("192.0.2.1"));
  EXPECT_EQ(admission.entries(), 0u);
  EXPECT_EQ(admission.enter(peer("192.0.2.2"), 0), kYes) << "the second token is still there";
  EXPECT_EQ(admission.enter(peer("198.51.100.1"), 0), kTooFast);
  EXPECT_EQ(admission.entries(), 2u);
}

TEST(AdmissionRate, LetsABurstOfExactlyOneSecondIn) {
  Admission admission(per_second(50));
  EXPECT_EQ(entered_at(admission, 7'000), 50u);
  EXPECT_EQ(admission.entries(), 0u);
}

TEST(AdmissionRate, GivesNothingWhileTheClockStandsOrGoesBack) {
  Admission admission(per_second(50));
  entered_at(admission, 7'000);
  EXPECT_EQ(entered_at(admission, 7'000), 0u);
  EXPECT_EQ(entered_at(admission, 1'000), 0u);
  EXPECT_EQ(entered_at(admission, 7'019), 0u);
  EXPECT_EQ(entered_at(admission, 7'020), 1u);
}

TEST(AdmissionRate, IsExactInTheLongRun) {
  for (const uint64_t rate : {1u, 3u, 7u, 333u, 1000u, 1001u, 2'999u}) {
    Admission admission(per_second(rate));
    ASSERT_EQ(entered_at(admission, 0), rate);
    uint64_t entered = 0;
    for (uint64_t now_ms = 1; now_ms <= 10'000; ++now_ms) entered += entered_at(admission, now_ms);
    EXPECT_EQ(entered, 10 * rate);
  }
}

TEST(AdmissionRate, NeverLetsMoreThanTwiceTheRateIntoOneSecond) {
  constexpr uint64_t kRate = 30;
  Admission admission(per_second(kRate));
  std::vector<uint64_t> entered(8'000);
  for (size_t now_ms = 0; now_ms < entered.size(); ++now_ms) {
    // Pauses of different lengths between greedy times.
    if (now_ms % 1'700 < 900) entered[now_ms] = entered_at(admission, now_ms);
  }
  uint64_t most = 0;
  for (size_t from = 0; from + 1000 <= entered.size(); ++from) {
    uint64_t sum = 0;
    for (size_t i = from; i < from + 1000; ++i) sum += entered[i];
    most = std::max(most, sum);
  }
  EXPECT_LE(most, 2 * kRate);
  EXPECT_GT(most, kRate) << "the test never saw a burst";
}

TEST(AdmissionRate, GivesOneBurstAfterAPauseOfAnyLength) {
  Admission admission(per_second(50));
  entered_at(admission, 0);
  EXPECT_EQ(entered_at(admission, 10'000'000), 50u);
  EXPECT_EQ(entered_at(admission, UINT64_MAX), 50u);
}

TEST(AdmissionRate, TakesEveryNumberForARate) {
  for (const uint64_t rate : {kNone - 1, kNone / 2, kNone / 1000, kNone / 2000}) {
    Admission admission(per_second(rate));
    EXPECT_EQ(entered_at(admission, 0), 100'000u);
    EXPECT_EQ(entered_at(admission, kNone), 100'000u);
  }
}

TEST(AdmissionRate, SaysToTheMillisecondWhenTheNextMayCome) {
  for (const uint64_t rate : {1u, 3u, 999u, 1000u, 5'000u}) {
    Admission admission(per_second(rate));
    entered_at(admission, 100);
    const uint64_t wait_ms = admission.take_token(100);
    EXPECT_EQ(wait_ms, (1000 + rate - 1) / rate);
    EXPECT_EQ(admission.take_token(90), wait_ms + 10) << "for a clock that is behind";
    EXPECT_EQ(admission.enter(unix_peer(), 100 + wait_ms - 1), kTooFast);
    EXPECT_EQ(admission.take_token(100 + wait_ms), 0u);
  }
}

TEST(Admission, LeavesNothingBehindAfterAFlood) {
  constexpr uint32_t kPeers = 50'000;
  Admission admission({.max_per_address = 2, .max_per_prefix = 256});
  for (uint32_t i = 0; i < kPeers; ++i) ASSERT_EQ(admission.enter(numbered_peer(i), 0), kYes);
  EXPECT_EQ(admission.entries(), kPeers + (kPeers + 255) / 256);
  for (uint32_t i = 0; i < kPeers; ++i) admission.leave(numbered_peer(i));
  EXPECT_EQ(admission.entries(), 0u);
}

TEST(AddressCounts, ReleaseTheirBucketsWhenMostHaveLeft) {
  constexpr uint32_t kPeers = 50'000;
  AddressCounts counts(1);
  for (uint32_t i = 0; i < kPeers; ++i) ASSERT_TRUE(counts.add(numbered_peer(i).ip_bytes()));
  EXPECT_GE(counts.buckets(), kPeers);
  for (uint32_t i = 1; i < kPeers; ++i) counts.remove(numbered_peer(i).ip_bytes());
  EXPECT_LE(counts.buckets(), 1024u);
  EXPECT_EQ(counts.addresses(), 1u);
  EXPECT_FALSE(counts.has_room(numbered_peer(0).ip_bytes()));
}

TEST(IpHash, DependsOnItsKeyAndOnEveryByte) {
  // The published SipHash-2-4 of the bytes 0 to 15 under the key of bytes 0 to 15, on a machine
  // that keeps the low byte first.
  IpBytes ip;
  for (size_t i = 0; i < ip.size(); ++i) ip[i] = static_cast<uint8_t>(i);
  const IpHash hash(0x0706050403020100, 0x0f0e0d0c0b0a0908);
  EXPECT_EQ(hash(ip), 0x3f2acc7f57c29bdbu);
  EXPECT_NE(IpHash(1, 2)(ip), IpHash(1, 3)(ip));
  for (uint8_t& byte : ip) {
    const size_t before = hash(ip);
    byte ^= 0x80;
    EXPECT_NE(hash(ip), before);
  }
}

TEST(Admission, NeverPassesALimitWithManyThreads) {
  constexpr int kThreads = 8;
  constexpr int64_t kAddressLimit = 3;
  constexpr int64_t kPrefixLimit = 5;
  Admission admission({.max_per_address = kAddressLimit, .max_per_prefix = kPrefixLimit});
  const PeerAddress peers[] = {peer("192.0.2.1"), peer("192.0.2.2")};
  std::atomic<int64_t> inside[2] = {0, 0};
  std::atomic<int64_t> both = 0;
  std::atomic<int64_t> too_many = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      const size_t mine = static_cast<size_t>(t) % 2;
      for (int i = 0; i < 5'000; ++i) {
        if (admission.enter(peers[mine], 0) != kYes) continue;
        if (inside[mine].fetch_add(1) + 1 > kAddressLimit) ++too_many;
        if (both.fetch_add(1) + 1 > kPrefixLimit) ++too_many;
        std::this_thread::yield();
        --both;
        --inside[mine];
        admission.leave(peers[mine]);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(too_many.load(), 0);
  EXPECT_EQ(admission.entries(), 0u);
}

}  // namespace
}  // namespace tcpkit::test
