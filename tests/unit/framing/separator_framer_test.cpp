// Separators: their limits, their search, and which packets can be sent with them.
#include <gtest/gtest.h>

#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

using Texts = std::vector<std::string>;

tcpkit_framing separated_by(const std::string& separator) {
  return tcpkit_framing_separator(separator.data(), separator.size());
}

TEST(SeparatorFramer, DeliversAPacketOfExactlyTheLimit) {
  const auto framing = make_framing(tcpkit_framing_crlf(), close_above(4));
  EXPECT_EQ(receive(*framing, "abcd\r\n"), (Received{{"abcd"}, 0, TCPKIT_OK}));
  EXPECT_EQ(receive_bytewise(*framing, "abcd\r\n"), (Received{{"abcd"}, 0, TCPKIT_OK}));
}

TEST(SeparatorFramer, RefusesAPacketOfOneByteMoreThanTheLimit) {
  const auto framing = make_framing(tcpkit_framing_crlf(), close_above(4));
  const Received too_big{{}, 0, TCPKIT_E_PACKET_TOO_BIG};
  EXPECT_EQ(receive(*framing, "abcde\r\n"), too_big);
  EXPECT_EQ(receive_bytewise(*framing, "abcde\r\n"), too_big);
}

TEST(SeparatorFramer, RefusesAnUnfinishedPacketOnceItIsKnownToBeTooBig) {
  const auto framing = make_framing(tcpkit_framing_crlf(), close_above(4));
  EXPECT_EQ(receive(*framing, "abcd\r").status, TCPKIT_OK);
  EXPECT_EQ(receive(*framing, "abcd\rx").status, TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(receive(*framing, "abcde").status, TCPKIT_E_PACKET_TOO_BIG);
}

TEST(SeparatorFramer, DeliversThePacketsBeforeATooBigOne) {
  const auto framing = make_framing(tcpkit_framing_line(), close_above(2));
  EXPECT_EQ(receive(*framing, "a\nbb\nccc\nd\n"),
            (Received{{"a", "bb"}, 0, TCPKIT_E_PACKET_TOO_BIG}));
}

TEST(SeparatorFramer, SkipsUpToTheNextSeparatorWhereverAReadEnds) {
  const std::string stream = "ok\r\nmuch too long\r\r\nfine\r\n\r\n";
  const Received expected{{"ok", "fine", ""}, 1, TCPKIT_OK};
  const auto framing = make_framing(tcpkit_framing_crlf(), discard_above(4));
  EXPECT_EQ(receive_bytewise(*framing, stream), expected);
  for (size_t first = 0; first <= stream.size(); ++first) {
    for (size_t second = first; second <= stream.size(); ++second) {
      Feeder feeder(*framing);
      feeder.read(stream.substr(0, first));
      feeder.read(stream.substr(first, second - first));
      feeder.read(stream.substr(second));
      ASSERT_EQ(feeder.received(), expected) << "cut at " << first << " and " << second;
    }
  }
}

TEST(SeparatorFramer, KeepsOnlyAPossibleBeginOfASeparatorOfWhatItSkips) {
  const auto framing = make_framing(separated_by("\r\n.\r\n"), discard_above(8));
  Feeder feeder(*framing);
  feeder.read(std::string(1000, 'x') + "\r\n.\r");
  EXPECT_EQ(feeder.kept(), "\r\n.\r");
  feeder.read("x\r");
  EXPECT_EQ(feeder.kept(), "\r");
  feeder.read("\n.\r\nok\r\n.\r\n");
  EXPECT_EQ(feeder.received(), (Received{{"ok"}, 1, TCPKIT_OK}));
}

TEST(SeparatorFramer, DoesNotSearchScannedBytesAgain) {
  const auto framing = make_framing(separated_by("--END--"));
  Feeder feeder(*framing);
  feeder.read(std::string(500, 'x'));
  EXPECT_EQ(feeder.state().scanned_bytes, 494u);
  feeder.read("--END");
  EXPECT_EQ(feeder.state().scanned_bytes, 499u);
  feeder.read("--");
  EXPECT_EQ(feeder.state().scanned_bytes, 0u);
  EXPECT_EQ(feeder.received().packets, Texts{std::string(500, 'x')});
}

TEST(SeparatorFramer, FindsSeparatorsLongerThanThoseItComparesItself) {
  const std::string separator = std::string(40, 'a') + "b";
  const auto framing = make_framing(separated_by(separator));
  const std::string stream = "aa" + separator + "x" + separator + separator;
  const Received expected{{"aa", "x", ""}, 0, TCPKIT_OK};
  EXPECT_EQ(receive(*framing, stream), expected);
  EXPECT_EQ(receive_bytewise(*framing, stream), expected);
}

TEST(SeparatorFramer, TakesASeparatorWithZeroBytes) {
  const std::string separator("\0\0\1", 3);
  const auto framing = make_framing(separated_by(separator));
  EXPECT_EQ(receive_bytewise(*framing, "a" + std::string(3, '\0') + "\1b").packets,
            Texts{std::string("a\0", 2)});
}

TEST(SeparatorFramer, CopiesTheSeparator) {
  std::string separator = "||";
  const auto framing = make_framing(separated_by(separator));
  separator = "xx";
  EXPECT_EQ(receive(*framing, "a||b||").packets, (Texts{"a", "b"}));
}

TEST(SeparatorFramer, FeedsALongPacketByBytesInLinearTime) {
  const auto framing = make_framing(separated_by("abababc"), close_above(size_t{1} << 20));
  FramerState state;
  std::string stream;
  for (int i = 0; i < 100000; ++i) stream += i % 2 == 0 ? 'a' : 'b';
  const std::string_view bytes = stream;
  for (size_t size = 1; size <= bytes.size(); ++size) {
    ASSERT_EQ(framing->next(state, view_bytes(bytes.substr(0, size))).cut, Cut::kMore);
  }
}

TEST(SeparatorEncoder, PutsTheSeparatorBehindThePacket) {
  EXPECT_EQ(encode_frame(*make_framing(tcpkit_framing_line()), "abc"), "abc\n");
  EXPECT_EQ(encode_frame(*make_framing(tcpkit_framing_crlf()), ""), "\r\n");
}

TEST(SeparatorEncoder, RefusesAPacketThatHoldsTheSeparator) {
  const auto framing = make_framing(tcpkit_framing_crlf());
  EXPECT_EQ(encode_status(*framing, "a\r\nb"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*framing, "\r\n"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_frame(*framing, "a\r"), "a\r\r\n");
  EXPECT_EQ(encode_frame(*framing, "\n\r"), "\n\r\r\n");
}

TEST(SeparatorEncoder, RefusesAPacketWhoseEndAndSeparatorMakeAnEarlierOne) {
  EXPECT_EQ(encode_status(*make_framing(separated_by("aa")), "ba"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*make_framing(separated_by("abab")), "xab"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*make_framing(separated_by("abaab")), "xaba"), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(encode_status(*make_framing(separated_by("abab")), "xaba"), TCPKIT_OK);
  EXPECT_EQ(encode_status(*make_framing(separated_by("aab")), "aa"), TCPKIT_OK);
}

TEST(SeparatorEncoder, TakesExactlyThePacketsThatComeOutAgain) {
  for (const char* separator : {"a", "aa", "ab", "aba", "abab", "aabaa", "abaab", "aaab"}) {
    const auto framing = make_framing(separated_by(separator));
    for (uint32_t size = 0; size <= 8; ++size) {
      for (uint32_t letters = 0; letters < 1u << size; ++letters) {
        std::string packet;
        for (uint32_t i = 0; i < size; ++i) packet += (letters >> i & 1) != 0 ? 'b' : 'a';
        const bool comes_out = receive(*framing, packet + separator).packets == Texts{packet};
        ASSERT_EQ(encode_status(*framing, packet) == TCPKIT_OK, comes_out)
            << packet << " with " << separator;
      }
    }
  }
}

}  // namespace
}  // namespace tcpkit::test
