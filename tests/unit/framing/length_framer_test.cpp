// Binary length fields and fixed sizes: limits, impossible lengths, adjustment, and their encoders.
#include <gtest/gtest.h>

#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;

constexpr size_t kUnlimited = TCPKIT_UNLIMITED_SIZE;

tcpkit_framing big_endian_length(uint32_t size) {
  return tcpkit_framing_length(size, TCPKIT_BIG_ENDIAN);
}

tcpkit_framing adjusted_length(uint32_t size, int64_t adjustment) {
  tcpkit_framing framing = big_endian_length(size);
  framing.length_adjustment = adjustment;
  return framing;
}

class EveryLengthSize : public testing::TestWithParam<uint32_t> {};

TEST_P(EveryLengthSize, DeliversAPacketOfExactlyTheLimitAndRefusesOneByteMore) {
  const auto framing = make_framing(big_endian_length(GetParam()), close_above(5));
  EXPECT_EQ(receive(*framing, big_endian(5, GetParam()) + "abcde").packets,
            std::vector<std::string>{"abcde"});
  EXPECT_EQ(receive(*framing, big_endian(6, GetParam())).status, TCPKIT_E_PACKET_TOO_BIG);
}

TEST_P(EveryLengthSize, RefusesTheLargestLengthWithoutWaitingOrOverflow) {
  const auto framing = make_framing(big_endian_length(GetParam()), close_above(5));
  EXPECT_EQ(receive_bytewise(*framing, std::string(GetParam(), '\xff')).status,
            TCPKIT_E_PACKET_TOO_BIG);
}

TEST_P(EveryLengthSize, EncodesPacketsUpToWhatTheFieldCanSay) {
  const auto framing = make_framing(big_endian_length(GetParam()));
  EXPECT_EQ(encode_frame(*framing, "abc"), big_endian(3, GetParam()) + "abc");
  if (GetParam() > 2) return;
  const size_t most = (size_t{1} << (8 * GetParam())) - 1;
  EXPECT_EQ(encode_status(*framing, std::string(most, 'x')), TCPKIT_OK);
  EXPECT_EQ(encode_status(*framing, std::string(most + 1, 'x')), TCPKIT_E_PACKET_TOO_BIG);
}

TEST_P(EveryLengthSize, DeliversFortyPacketsInOneReadWhoseSumExceedsTheLimit) {
  const auto framing = make_framing(big_endian_length(GetParam()), close_above(10));
  std::string stream;
  for (int i = 0; i < 40; ++i) stream += big_endian(10, GetParam()) + "0123456789";
  EXPECT_EQ(receive(*framing, stream),
            (Received{std::vector<std::string>(40, "0123456789"), 0, TCPKIT_OK}));
}

INSTANTIATE_TEST_SUITE_P(Sizes, EveryLengthSize, testing::Values(1, 2, 3, 4, 8));

TEST(LengthFramer, TellsTheSizeOfTheFrameOnceTheHeaderIsThere) {
  for (const uint32_t size : {1u, 2u, 3u, 4u, 8u}) {
    const auto framing = make_framing(big_endian_length(size));
    Feeder feeder(*framing);
    feeder.read(big_endian(200, size).substr(0, size - 1));
    EXPECT_EQ(feeder.needed_size(), 0u);
    feeder.read(big_endian(200, size).substr(size - 1));
    EXPECT_EQ(feeder.needed_size(), 200u + size);
  }
}

TEST(LengthFramer, RefusesAPrefixOfAllOnesWithEitherPolicyAndWithoutALimit) {
  const std::string all_ones(8, '\xff');
  for (const PacketLimits& limits :
       {close_above(100), discard_above(100), close_above(kUnlimited), discard_above(kUnlimited)}) {
    const auto framing = make_framing(big_endian_length(8), limits);
    const Received too_big{{}, 0, TCPKIT_E_PACKET_TOO_BIG};
    EXPECT_EQ(receive(*framing, all_ones + "abc"), too_big);
    EXPECT_EQ(receive_bytewise(*framing, all_ones + "abc"), too_big);
  }
}

TEST(LengthFramer, SkipsAFrameOfTheLargestSizeThatCanBeCounted) {
  const auto framing = make_framing(big_endian_length(8), discard_above(100));
  const std::string stream = big_endian(UINT64_MAX - 8, 8) + std::string(500, 'x');
  EXPECT_EQ(receive(*framing, stream), (Received{{}, 1, TCPKIT_OK}));
  EXPECT_EQ(receive_bytewise(*framing, stream), (Received{{}, 1, TCPKIT_OK}));
}

TEST(LengthFramer, RefusesALengthThatItsAdjustmentMakesNegative) {
  const auto framing = make_framing(adjusted_length(2, -2));
  EXPECT_EQ(receive(*framing, big_endian(1, 2)).status, TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(receive(*framing, big_endian(2, 2)).packets, std::vector<std::string>{""});
}

TEST(LengthFramer, RefusesALengthThatItsAdjustmentMakesOverflow) {
  const auto framing = make_framing(adjusted_length(8, 100), discard_above(kUnlimited));
  EXPECT_EQ(receive(*framing, big_endian(UINT64_MAX - 99, 8)).status, TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(receive(*framing, big_endian(UINT64_MAX - 100, 8)).status, TCPKIT_E_PACKET_TOO_BIG);
}

TEST(LengthFramer, TakesTheMostExtremeAdjustments) {
  const auto lowest = make_framing(adjusted_length(8, INT64_MIN), close_above(9));
  EXPECT_EQ(receive(*lowest, big_endian((uint64_t{1} << 63) - 1, 8)).status, TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(receive(*lowest, big_endian((uint64_t{1} << 63) + 1, 8) + "x").packets,
            std::vector<std::string>{"x"});
  EXPECT_EQ(encode_frame(*lowest, "x"), big_endian((uint64_t{1} << 63) + 1, 8) + "x");
  const auto highest = make_framing(adjusted_length(8, INT64_MAX), close_above(9));
  EXPECT_EQ(receive(*highest, big_endian(0, 8)).status, TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(encode_status(*highest, "x"), TCPKIT_E_BAD_FRAME);
}

TEST(LengthFramer, RefusesAFrameThatIsSmallerThanWhatIsStripped) {
  tcpkit_framing settings = big_endian_length(1);
  settings.strip_size = 4;
  const auto framing = make_framing(settings);
  EXPECT_EQ(receive(*framing, "\2ab").status, TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(receive(*framing, "\3abc").packets, std::vector<std::string>{""});
}

TEST(LengthFramer, LimitsThePacketAndNotTheFrame) {
  tcpkit_framing settings = big_endian_length(1);
  settings.strip_size = 4;
  const auto framing = make_framing(settings, close_above(2));
  EXPECT_EQ(receive(*framing, "\5abcde").packets, std::vector<std::string>{"de"});
  EXPECT_EQ(receive(*framing, "\6").status, TCPKIT_E_PACKET_TOO_BIG);
}

TEST(LengthEncoder, FillsStrippedBytesAroundTheFieldWithZeros) {
  tcpkit_framing settings = big_endian_length(2);
  settings.length_offset = 2;
  settings.strip_size = 6;
  EXPECT_EQ(encode_frame(*make_framing(settings), "abc"), "\0\0\0\5\0\0abc"s);
  settings.length_adjustment = -4;
  EXPECT_EQ(encode_frame(*make_framing(settings), "abc"), "\0\0\0\x09\0\0abc"s);
}

TEST(LengthEncoder, ChecksTheLengthFieldThatAPacketKeeps) {
  tcpkit_framing settings = big_endian_length(2);
  settings.length_offset = 2;
  settings.strip_size = 1;
  const auto framing = make_framing(settings);
  EXPECT_EQ(encode_frame(*framing, "T\0\3abc"s), "\0T\0\3abc"s);
  EXPECT_EQ(encode_status(*framing, "T\0\2abc"s), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, "T\0\4abc"s), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, "T\0"s), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, ""), TCPKIT_E_BAD_FRAME);
}

TEST(LengthEncoder, RefusesAPacketAboveTheLimit) {
  const auto framing = make_framing(big_endian_length(4), close_above(3));
  EXPECT_EQ(encode_status(*framing, "abc"), TCPKIT_OK);
  EXPECT_EQ(encode_status(*framing, "abcd"), TCPKIT_E_PACKET_TOO_BIG);
}

TEST(LengthEncoder, HonoursTheAdjustmentInWhatTheFieldCanSay) {
  const auto smaller = make_framing(adjusted_length(1, 10));
  EXPECT_EQ(encode_status(*smaller, std::string(9, 'x')), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*smaller, std::string(10, 'x')), TCPKIT_OK);
  EXPECT_EQ(encode_status(*smaller, std::string(265, 'x')), TCPKIT_OK);
  EXPECT_EQ(encode_status(*smaller, std::string(266, 'x')), TCPKIT_E_PACKET_TOO_BIG);
  const auto larger = make_framing(adjusted_length(1, -10));
  EXPECT_EQ(encode_status(*larger, std::string(245, 'x')), TCPKIT_OK);
  EXPECT_EQ(encode_status(*larger, std::string(246, 'x')), TCPKIT_E_PACKET_TOO_BIG);
}

TEST(FixedFramer, TellsTheSizeOfTheFrame) {
  const auto framing = make_framing(tcpkit_framing_fixed(10));
  Feeder feeder(*framing);
  feeder.read("abc");
  EXPECT_EQ(feeder.needed_size(), 10u);
}

TEST(FixedEncoder, TakesOnlyPacketsOfTheFixedSize) {
  const auto framing = make_framing(tcpkit_framing_fixed(3));
  EXPECT_EQ(encode_frame(*framing, "abc"), "abc");
  EXPECT_EQ(encode_status(*framing, "ab"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, "abcd"), TCPKIT_E_BAD_FRAME);
}

}  // namespace
}  // namespace tcpkit::test
