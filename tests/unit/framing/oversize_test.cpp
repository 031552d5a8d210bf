// A too big packet, then legal ones: both policies, all framers, wherever a read ends. Nothing of
// the too big one is delivered or kept, and what follows is in step.
#include <gtest/gtest.h>

#include "unit/framing/counted_framer.h"
#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

constexpr size_t kLimit = 8;

struct WireFormat {
  const char* name;
  tcpkit_framing framing;
};

void PrintTo(const WireFormat& format, std::ostream* out) {
  *out << format.name;
}

tcpkit_framing length_of_whole_frame() {
  tcpkit_framing framing = tcpkit_framing_length(2, TCPKIT_LITTLE_ENDIAN);
  framing.length_offset = 1;
  framing.length_adjustment = -3;
  return framing;
}

tcpkit_framing more_than_the_header_stripped() {
  tcpkit_framing framing = tcpkit_framing_length(1, TCPKIT_BIG_ENDIAN);
  framing.length_offset = 2;
  framing.strip_size = 7;
  return framing;
}

class EveryOversize : public testing::TestWithParam<WireFormat> {
 protected:
  // Packet, too big packet, two packets; none holds a separator.
  std::string make_stream() const {
    const auto unlimited = make_framing(GetParam().framing);
    return encode_frame(*unlimited, "first") + encode_frame(*unlimited, std::string(60, 'B')) +
           encode_frame(*unlimited, "12345678") + encode_frame(*unlimited, "");
  }
};

TEST_P(EveryOversize, IsSkippedAndCountedForEveryCutIntoThreeReads) {
  const auto framing = make_framing(GetParam().framing, discard_above(kLimit));
  const std::string stream = make_stream();
  const Received expected{{"first", "12345678", ""}, 1, TCPKIT_OK};
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); ++second) {
      Feeder feeder(*framing);
      feeder.read(std::string_view(stream).substr(0, first));
      feeder.read(std::string_view(stream).substr(first, second - first));
      feeder.read(std::string_view(stream).substr(second));
      ASSERT_EQ(feeder.received(), expected) << "cut at " << first << " and " << second;
    }
  }
}

TEST_P(EveryOversize, IsSkippedOneByteAtATimeWithoutBeingKept) {
  const auto framing = make_framing(GetParam().framing, discard_above(kLimit));
  const std::string stream = make_stream();
  Feeder feeder(*framing);
  for (const char& byte : stream) feeder.read({&byte, 1});
  EXPECT_EQ(feeder.received(), (Received{{"first", "12345678", ""}, 1, TCPKIT_OK}));
  EXPECT_LE(feeder.most_kept_bytes(), kLimit + 10);
}

TEST_P(EveryOversize, IsSkippedManyTimes) {
  const auto framing = make_framing(GetParam().framing, discard_above(kLimit));
  std::string stream;
  Received expected;
  for (int i = 0; i < 20; ++i) {
    stream += make_stream();
    expected.packets.insert(expected.packets.end(), {"first", "12345678", ""});
    ++expected.discarded_packets;
  }
  EXPECT_EQ(receive(*framing, stream), expected);
  EXPECT_EQ(receive_bytewise(*framing, stream), expected);
}

TEST_P(EveryOversize, FailsUnderTheClosePolicyAfterThePacketsBeforeIt) {
  const auto framing = make_framing(GetParam().framing, close_above(kLimit));
  const Received expected{{"first"}, 0, TCPKIT_E_PACKET_TOO_BIG};
  EXPECT_EQ(receive(*framing, make_stream()), expected);
  EXPECT_EQ(receive_bytewise(*framing, make_stream()), expected);
}

TEST_P(EveryOversize, IsRefusedByTheEncoder) {
  const auto framing = make_framing(GetParam().framing, discard_above(kLimit));
  EXPECT_EQ(encode_status(*framing, "12345678"), TCPKIT_OK);
  EXPECT_EQ(encode_status(*framing, "123456789"), TCPKIT_E_PACKET_TOO_BIG);
}

TEST_P(EveryOversize, DoesNotHitFortyLegalPacketsInOneRead) {
  const auto framing = make_framing(GetParam().framing, close_above(kLimit));
  std::string stream;
  for (int i = 0; i < 40; ++i) stream += encode_frame(*framing, "packet");
  EXPECT_EQ(receive(*framing, stream),
            (Received{std::vector<std::string>(40, "packet"), 0, TCPKIT_OK}));
}

INSTANTIATE_TEST_SUITE_P(
    Framers, EveryOversize,
    testing::Values(WireFormat{"line", tcpkit_framing_line()},
                    WireFormat{"crlf", tcpkit_framing_crlf()},
                    WireFormat{"nul", tcpkit_framing_nul()},
                    WireFormat{"separator", tcpkit_framing_separator("--x--x", 6)},
                    WireFormat{"len1", tcpkit_framing_length(1, TCPKIT_BIG_ENDIAN)},
                    WireFormat{"len2le", tcpkit_framing_length(2, TCPKIT_LITTLE_ENDIAN)},
                    WireFormat{"len3be", tcpkit_framing_length(3, TCPKIT_BIG_ENDIAN)},
                    WireFormat{"len4be", tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)},
                    WireFormat{"len4le", tcpkit_framing_length(4, TCPKIT_LITTLE_ENDIAN)},
                    WireFormat{"len8be", tcpkit_framing_length(8, TCPKIT_BIG_ENDIAN)},
                    WireFormat{"varint", tcpkit_framing_varint()},
                    WireFormat{"varlong", tcpkit_framing_varlong()},
                    WireFormat{"length_of_whole_frame", length_of_whole_frame()},
                    WireFormat{"more_stripped", more_than_the_header_stripped()}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(OversizeMqtt, IsSkippedWhereThePacketKeepsItsHeader) {
  const auto framing = make_framing(tcpkit_framing_mqtt(), discard_above(6));
  const std::string stream = "\x30\4abcd\x30\5abcde\x30\2ab";
  const Received expected{{"\x30\4abcd", "\x30\2ab"}, 1, TCPKIT_OK};
  EXPECT_EQ(receive(*framing, stream), expected);
  EXPECT_EQ(receive_bytewise(*framing, stream), expected);
}

TEST(OversizeCustom, IsSkippedAsAWholeFrame) {
  const auto framing = make_framing(custom_framing(kCountedCallbacks), discard_above(3));
  EXPECT_EQ(receive(*framing, "1a;4abcd;3abc;"), (Received{{"a", "abc"}, 1, TCPKIT_OK}));
  EXPECT_EQ(receive_bytewise(*framing, "1a;4abcd;3abc;"), (Received{{"a", "abc"}, 1, TCPKIT_OK}));
}

TEST(OversizeCustom, FailsUnderTheClosePolicy) {
  const auto framing = make_framing(custom_framing(kCountedCallbacks), close_above(3));
  EXPECT_EQ(receive(*framing, "1a;4abcd;"), (Received{{"a"}, 0, TCPKIT_E_PACKET_TOO_BIG}));
}

}  // namespace
}  // namespace tcpkit::test
