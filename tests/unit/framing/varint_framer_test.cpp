// Lengths in base 128: too many bytes, too large values, padded forms, and their encoders.
#include <gtest/gtest.h>

#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;
using Texts = std::vector<std::string>;

const Received kBadVarint{{}, 0, TCPKIT_E_BAD_VARINT};

TEST(VarintFramer, RefusesASixByteVarintAtItsFifthByte) {
  const auto framing = make_framing(tcpkit_framing_varint());
  EXPECT_EQ(receive(*framing, "\x80\x80\x80\x80"), (Received{}));
  EXPECT_EQ(receive(*framing, "\x80\x80\x80\x80\x80"), kBadVarint);
  EXPECT_EQ(receive_bytewise(*framing, "\x80\x80\x80\x80\x80\x01"), kBadVarint);
}

TEST(VarintFramer, RefusesBitsBeyondThirtyTwo) {
  const auto framing = make_framing(tcpkit_framing_varint());
  EXPECT_EQ(receive(*framing, "\x80\x80\x80\x80\x10"), kBadVarint);
  EXPECT_EQ(receive(*framing, "\x80\x80\x80\x80\x7f"), kBadVarint);
}

TEST(VarintFramer, RefusesANegativeVarintAsTooBig) {
  const auto framing = make_framing(tcpkit_framing_varint());
  EXPECT_EQ(receive(*framing, "\xff\xff\xff\xff\x0f").status, TCPKIT_E_PACKET_TOO_BIG);
}

TEST(VarlongFramer, RefusesANegativeVarlongAsTooBigWithEitherPolicy) {
  const std::string minus_one = std::string(9, '\xff') + "\1";
  for (const PacketLimits& limits : {close_above(100), discard_above(100)}) {
    const auto framing = make_framing(tcpkit_framing_varlong(), limits);
    EXPECT_EQ(receive(*framing, minus_one).status, TCPKIT_E_PACKET_TOO_BIG);
    EXPECT_EQ(receive_bytewise(*framing, minus_one).status, TCPKIT_E_PACKET_TOO_BIG);
  }
}

TEST(VarlongFramer, RefusesBitsBeyondSixtyFourAndAnEleventhByte) {
  const auto framing = make_framing(tcpkit_framing_varlong());
  EXPECT_EQ(receive(*framing, std::string(9, '\x80') + "\2"), kBadVarint);
  EXPECT_EQ(receive(*framing, std::string(10, '\x80')), kBadVarint);
}

TEST(VarintFramer, RefusesMoreBytesThanLengthSizeAllows) {
  const auto framing = make_framing(tcpkit_framing_minecraft());
  EXPECT_EQ(receive(*framing, "\x80\x80"), (Received{}));
  EXPECT_EQ(receive(*framing, "\x80\x80\x80"), kBadVarint);
}

TEST(VarintFramer, TakesPaddedFormsWithinTheAllowedBytes) {
  const auto framing = make_framing(tcpkit_framing_varint());
  EXPECT_EQ(receive(*framing, "\x82\x80\x80\x80\0ab"s).packets, Texts{"ab"});
}

TEST(VarintFramer, DeliversAPacketOfExactlyTheLimitAndRefusesOneByteMore) {
  for (const tcpkit_framing& settings : {tcpkit_framing_varint(), tcpkit_framing_varlong()}) {
    const auto framing = make_framing(settings, close_above(300));
    const std::string packet(300, 'x');
    EXPECT_EQ(receive_bytewise(*framing, varint(300) + packet).packets, Texts{packet});
    EXPECT_EQ(receive(*framing, varint(301)).status, TCPKIT_E_PACKET_TOO_BIG);
  }
}

TEST(VarintEncoder, WritesTheShortestForm) {
  const auto framing = make_framing(tcpkit_framing_varint());
  for (const size_t size : {0u, 1u, 127u, 128u, 300u, 16383u, 16384u, 100000u}) {
    const std::string packet(size, 'x');
    EXPECT_EQ(encode_frame(*framing, packet), varint(size) + packet);
  }
}

TEST(VarintEncoder, RefusesALengthThatDoesNotFitLengthSize) {
  tcpkit_framing settings = tcpkit_framing_varint();
  settings.length_size = 2;
  const auto framing = make_framing(settings);
  EXPECT_EQ(encode_status(*framing, std::string(16383, 'x')), TCPKIT_OK);
  EXPECT_EQ(encode_status(*framing, std::string(16384, 'x')), TCPKIT_E_PACKET_TOO_BIG);
}

TEST(VarintEncoder, PadsWhereTheLengthCountsTheRestOfItsOwnField) {
  tcpkit_framing settings = tcpkit_framing_varint();
  settings.strip_size = 5;
  const auto framing = make_framing(settings);
  for (size_t size = 100; size < 140; ++size) {
    const std::string packet(size, 'x');
    EXPECT_EQ(receive(*framing, encode_frame(*framing, packet)).packets, Texts{packet});
  }
  EXPECT_EQ(encode_frame(*framing, std::string(124, 'x')).substr(0, 5), "\xff\0\0\0\0"s);
}

TEST(VarintEncoder, ChecksTheLengthOfAWholeMqttPacket) {
  const auto framing = make_framing(tcpkit_framing_mqtt());
  EXPECT_EQ(encode_frame(*framing, "\x30\2ab"), "\x30\2ab");
  EXPECT_EQ(encode_status(*framing, "\x30\3ab"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, "\x30"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, "\x30\x80\x80\x80\x80"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, ""), TCPKIT_E_BAD_FRAME);
}

}  // namespace
}  // namespace tcpkit::test
