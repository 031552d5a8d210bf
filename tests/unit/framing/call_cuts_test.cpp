// Packets behind a length and before a separator, as a single call asks for them.
#include "framing/call_cuts.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace tcpkit::test {
namespace {

using Kind = CallCut::Kind;

ByteView view(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr LengthPrefix kTwoBytes{2, false, 5};

TEST(CallCuts, NothingNeedsTheWholePrefix) {
  const CallCut cut = cut_prefixed({}, kTwoBytes);
  EXPECT_EQ(cut.kind, Kind::kMore);
  EXPECT_EQ(cut.missing, 2u);
}

TEST(CallCuts, PrefixedPacketIsWholeAtItsLastByte) {
  const std::string bytes("\x05\x00hello", 7);
  for (size_t size = 0; size < bytes.size(); ++size) {
    const CallCut cut = cut_prefixed(view(bytes).first(size), kTwoBytes);
    ASSERT_EQ(cut.kind, Kind::kMore) << size;
    EXPECT_EQ(cut.missing, size < 2 ? 2 - size : bytes.size() - size);
  }
  const CallCut cut = cut_prefixed(view(bytes + "next"), kTwoBytes);
  ASSERT_EQ(cut.kind, Kind::kPacket);
  EXPECT_EQ(text(cut.packet), "hello");
  EXPECT_EQ(cut.frame_size, 7u);
}

TEST(CallCuts, LimitIsExactAndKnownFromThePrefix) {
  EXPECT_EQ(cut_prefixed(view({"\x05\x00", 2}), kTwoBytes).kind, Kind::kMore);
  const CallCut cut = cut_prefixed(view({"\x06\x00", 2}), kTwoBytes);
  EXPECT_EQ(cut.kind, Kind::kTooBig);
  EXPECT_EQ(cut.named_size, 6u);
}

TEST(CallCuts, LargestLengthIsNoNegativeOne) {
  const std::string bytes(8, '\xFF');
  EXPECT_EQ(cut_prefixed(view(bytes), {8, true, SIZE_MAX - 1}).kind, Kind::kTooBig);
  const CallCut cut = cut_prefixed(view(bytes), {8, true, SIZE_MAX});
  EXPECT_EQ(cut.kind, Kind::kMore);
  EXPECT_EQ(cut.missing, SIZE_MAX);
}

TEST(CallCuts, EmptyPacketHasAPlace) {
  const CallCut cut = cut_prefixed(view({"\x00", 1}), {1, true, 0});
  ASSERT_EQ(cut.kind, Kind::kPacket);
  EXPECT_NE(cut.packet.data(), nullptr);
  EXPECT_EQ(cut.packet.size(), 0u);
}

// What comes of bytes that are shown with one more each time.
CallCut search_growing(std::string_view bytes, std::string_view separator, size_t max_size) {
  SeparatorSearch search(view(separator), max_size);
  CallCut cut = search.next({});
  for (size_t size = 1; size <= bytes.size() && cut.kind == Kind::kMore; ++size) {
    cut = search.next(view(bytes).first(size));
  }
  return cut;
}

TEST(CallCuts, SeparatorIsFoundAlsoWhereItCameInPieces) {
  for (const std::string separator : {"\n", "\r\n", "--=--"}) {
    const CallCut cut = search_growing("ab-c" + separator + "next", separator, 100);
    ASSERT_EQ(cut.kind, Kind::kPacket) << separator;
    EXPECT_EQ(text(cut.packet), "ab-c");
    EXPECT_EQ(cut.frame_size, 4 + separator.size());
  }
}

TEST(CallCuts, SeparatorThatRepeatsItselfIsFoundAtItsFirstPlace) {
  EXPECT_EQ(text(search_growing("xaab", "ab", 9).packet), "xa");
  EXPECT_EQ(text(search_growing("aaab", "aab", 9).packet), "a");
}

TEST(CallCuts, PacketBeforeASeparatorMayHaveMaxSizeAndNoMore) {
  EXPECT_EQ(text(search_growing("0123\r\n", "\r\n", 4).packet), "0123");
  EXPECT_EQ(search_growing("01234\r\n", "\r\n", 4).kind, Kind::kTooBig);
  EXPECT_EQ(search_growing("012345", "\r\n", 4).kind, Kind::kTooBig);
  EXPECT_EQ(search_growing("01234", "\r\n", 4).kind, Kind::kMore);
}

TEST(CallCuts, UnlimitedPacketNeverIsTooBig) {
  EXPECT_EQ(search_growing(std::string(1000, 'x'), "\n", SIZE_MAX).kind, Kind::kMore);
}

}  // namespace
}  // namespace tcpkit::test
