// Whatever an encoder takes comes out of its framer as the packet that went in: random packets and
// random settings, with a fixed seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "unit/framing/counted_framer.h"
#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

constexpr size_t kLimit = 700;

class Random {
 public:
  size_t below(size_t bound) { return engine_() % bound; }
  size_t between(size_t low, size_t high) { return low + below(high - low + 1); }

  // Few different bytes, so that separators and their beginnings come up.
  std::string packet(size_t most_bytes) {
    std::string bytes(below(most_bytes + 1), '\0');
    for (char& byte : bytes) byte = "\0\1\r\nab\x80\xff"[below(8)];
    return bytes;
  }

 private:
  std::mt19937_64 engine_{20221122};
};

// Sends random packets and feeds what was taken in random reads; returns how many were taken.
size_t expect_round_trip(const Framing& framing, Random& random, size_t most_bytes) {
  Received sent;
  std::string stream;
  for (int i = 0; i < 30; ++i) {
    const std::string packet = random.packet(most_bytes);
    Status status = TCPKIT_OK;
    const std::string frame = encode_frame(framing, packet, &status);
    if (status != TCPKIT_OK) continue;
    sent.packets.push_back(packet);
    stream += frame;
  }
  Feeder feeder(framing);
  for (std::string_view rest = stream; !rest.empty();) {
    const size_t size = std::min(rest.size(), random.between(1, 200));
    feeder.read(rest.substr(0, size));
    rest.remove_prefix(size);
  }
  EXPECT_EQ(feeder.received(), sent);
  EXPECT_EQ(feeder.kept(), "");
  return sent.packets.size();
}

TEST(RoundTrip, HoldsForEveryPreset) {
  Random random;
  for (const char* name : {"line", "crlf", "nul", "len1", "len2be", "len2le", "len3be", "len3le",
                           "len4be", "len4le", "len8be", "len8le", "varint", "varlong", "kafka",
                           "minecraft", "fixed:1", "separator:aa", "separator:abab"}) {
    tcpkit_framing settings;
    ASSERT_EQ(tcpkit_framing_parse(name, &settings), TCPKIT_OK);
    const auto framing = make_framing(settings, close_above(kLimit));
    size_t taken = 0;
    for (int round = 0; round < 40; ++round) taken += expect_round_trip(*framing, random, 40);
    EXPECT_GT(taken, 10u) << name;
  }
}

TEST(RoundTrip, HoldsForPacketsThatKeepTheirHeader) {
  Random random;
  const auto framing = make_framing(tcpkit_framing_mqtt());
  for (int round = 0; round < 200; ++round) {
    const std::string rest = random.packet(300);
    const std::string packet = "\x30" + varint(rest.size()) + rest;
    EXPECT_EQ(receive(*framing, encode_frame(*framing, packet)).packets,
              std::vector<std::string>{packet});
  }
}

TEST(RoundTrip, HoldsForACustomFramer) {
  Random random;
  const auto framing = make_framing(custom_framing(kCountedCallbacks));
  EXPECT_GT(expect_round_trip(*framing, random, 12), 10u);
}

tcpkit_framing random_length_field(Random& random) {
  constexpr uint32_t kSizes[] = {1, 2, 3, 4, 8};
  tcpkit_framing framing = tcpkit_framing_length(kSizes[random.below(5)], TCPKIT_BIG_ENDIAN);
  framing.kind =
      static_cast<int32_t>(random.between(TCPKIT_FRAMING_LENGTH, TCPKIT_FRAMING_VARLONG));
  framing.byte_order = static_cast<int32_t>(random.below(3));
  if (framing.kind == TCPKIT_FRAMING_VARINT) {
    framing.length_size = static_cast<uint32_t>(random.below(6));
  } else if (framing.kind == TCPKIT_FRAMING_VARLONG) {
    framing.length_size = static_cast<uint32_t>(random.below(11));
  }
  framing.length_offset = static_cast<uint32_t>(random.below(65));
  framing.length_adjustment = static_cast<int64_t>(random.between(0, 120)) - 60;
  const size_t dropped = random.between(framing.length_offset + 10, 128);
  const uint32_t kept = static_cast<uint32_t>(random.between(0, framing.length_offset));
  const uint32_t strips[] = {0, static_cast<uint32_t>(dropped),
                             kept == 0 ? TCPKIT_STRIP_NONE : kept};
  framing.strip_size = strips[random.below(3)];
  return framing;
}

TEST(RoundTrip, HoldsForRandomLengthFields) {
  Random random;
  size_t taken = 0;
  for (int round = 0; round < 1000; ++round) {
    const auto framing = make_framing(random_length_field(random), close_above(kLimit));
    taken += expect_round_trip(*framing, random, kLimit);
    if (HasFailure()) FAIL() << "in round " << round;
  }
  EXPECT_GT(taken, 10000u);
}

TEST(RoundTrip, HoldsForRandomSeparators) {
  Random random;
  size_t taken = 0;
  for (int round = 0; round < 1000; ++round) {
    const std::string separator = "a" + random.packet(random.below(2) == 0 ? 2 : 40);
    const auto framing = make_framing(tcpkit_framing_separator(separator.data(), separator.size()));
    taken += expect_round_trip(*framing, random, 50);
    if (HasFailure()) FAIL() << "in round " << round;
  }
  EXPECT_GT(taken, 10000u);
}

}  // namespace
}  // namespace tcpkit::test
