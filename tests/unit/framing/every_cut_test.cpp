// Packets do not depend on how the bytes were cut into reads: every framer against every cut of its
// input into up to 4 reads, and against one-byte reads.
#include <gtest/gtest.h>

#include "unit/framing/counted_framer.h"
#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;

struct StreamCase {
  const char* name;
  tcpkit_framing framing;
  std::string stream;
  std::vector<std::string> packets;
  std::string tail;  // bytes after the last whole packet
};

void PrintTo(const StreamCase& stream_case, std::ostream* out) {
  *out << stream_case.name;
}

tcpkit_framing length_field(uint32_t offset, uint32_t strip, int64_t adjustment) {
  tcpkit_framing framing = tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN);
  framing.length_offset = offset;
  framing.strip_size = strip;
  framing.length_adjustment = adjustment;
  return framing;
}

StreamCase binary_case(const char* name, uint32_t size, tcpkit_byte_order order) {
  const std::vector<std::string> packets{"abc", "", "\0\1"s};
  std::string stream;
  for (const std::string& packet : packets) stream += binary(packet.size(), size, order) + packet;
  const std::string tail = binary(2, size, order) + "x";
  return {name, tcpkit_framing_length(size, order), stream + tail, packets, tail};
}

std::vector<StreamCase> make_cases() {
  return {
      {"line", tcpkit_framing_line(), "ab\n\n\nc\r\nxy", {"ab", "", "", "c\r"}, "xy"},
      {"crlf", tcpkit_framing_crlf(), "ab\r\n\r\r\n\nc\r\n\r\nx\r", {"ab", "\r", "\nc", ""}, "x\r"},
      {"nul", tcpkit_framing_nul(), "a\0\0bc\0d"s, {"a", "", "bc"}, "d"},
      {"separator_aab",
       tcpkit_framing_separator("aab", 3),
       "aaabaabaxaabbaa",
       {"a", "", "ax"},
       "baa"},
      {"separator_abab",
       tcpkit_framing_separator("abab", 4),
       "xabaababababyabab",
       {"xaba", "", "y"},
       ""},
      {"separator_boundary",
       tcpkit_framing_separator("--END--", 7),
       "a--END----END---EN--END--b",
       {"a", "", "-EN"},
       "b"},
      binary_case("len1", 1, TCPKIT_BIG_ENDIAN),
      binary_case("len2be", 2, TCPKIT_BIG_ENDIAN),
      binary_case("len2le", 2, TCPKIT_LITTLE_ENDIAN),
      binary_case("len3be", 3, TCPKIT_BIG_ENDIAN),
      binary_case("len3le", 3, TCPKIT_LITTLE_ENDIAN),
      binary_case("len4be", 4, TCPKIT_BIG_ENDIAN),
      binary_case("len4le", 4, TCPKIT_LITTLE_ENDIAN),
      binary_case("len8be", 8, TCPKIT_BIG_ENDIAN),
      binary_case("len8le", 8, TCPKIT_LITTLE_ENDIAN),
      {"varint",
       tcpkit_framing_varint(),
       "\3abc\0\x82\x80\x80\x80\0xy\x83\0abc\x90"s,
       {"abc", "", "xy", "abc"},
       "\x90"},
      {"varlong",
       tcpkit_framing_varlong(),
       "\3abc\0\x81\x80\x80\x80\x80\x80\x80\x80\x80\0x\x90\x80"s,
       {"abc", "", "x"},
       "\x90\x80"},
      {"minecraft", tcpkit_framing_minecraft(), "\2ab\x81\x80\0c\0\x80"s, {"ab", "c", ""}, "\x80"},
      {"mqtt",
       tcpkit_framing_mqtt(),
       "\xc0\0\x30\2ab\xd0\0\x30\x81\0x\x30"s,
       {"\xc0\0"s, "\x30\2ab", "\xd0\0"s, "\x30\x81\0x"s},
       "\x30"},
      {"length_of_whole_frame", length_field(1, 0, -3), "T\0\5abT\0\3T\0\4"s, {"ab", ""}, "T\0\4"s},
      {"length_without_trailer",
       length_field(0, 0, 2),
       "\0\1acc\0\0cc\0\1"s,
       {"acc", "cc"},
       "\0\1"s},
      {"length_field_kept", length_field(2, 1, 0), "ab\0\1xcd\0\0e"s, {"b\0\1x"s, "d\0\0"s}, "e"},
      {"more_than_the_header_stripped",
       length_field(1, 5, 0),
       "T\0\4abcdT\0\2abT\0"s,
       {"cd", ""},
       "T\0"s},
      {"fixed", tcpkit_framing_fixed(3), "abc\0\0\0de"s, {"abc", "\0\0\0"s}, "de"},
      {"fixed1", tcpkit_framing_fixed(1), "abc", {"a", "b", "c"}, ""},
      {"custom", custom_framing(kCountedCallbacks), "2ab;##0;#3x;y;#1", {"ab", "", "x;y"}, "1"},
  };
}

class EveryFramer : public testing::TestWithParam<StreamCase> {
 protected:
  // Feeds the stream cut before each of the given positions, in order.
  void expect_packets(std::vector<size_t> cuts) {
    const std::string& stream = GetParam().stream;
    Feeder feeder(*framing_);
    size_t begin = 0;
    cuts.push_back(stream.size());
    for (const size_t end : cuts) {
      feeder.read(std::string_view(stream).substr(begin, end - begin));
      begin = end;
    }
    ASSERT_EQ(feeder.received(), (Received{GetParam().packets, 0, TCPKIT_OK}));
    ASSERT_EQ(feeder.kept(), GetParam().tail);
  }

  std::unique_ptr<Framing> framing_ = make_framing(GetParam().framing);
};

TEST_P(EveryFramer, DeliversTheSamePacketsForEveryCutIntoUpToFourReads) {
  const size_t size = GetParam().stream.size();
  for (size_t first = 0; first <= size; ++first) {
    for (size_t second = first; second <= size; ++second) {
      for (size_t third = second; third <= size; ++third) {
        expect_packets({first, second, third});
        if (HasFatalFailure()) FAIL() << "cut at " << first << " " << second << " " << third;
      }
    }
  }
}

TEST_P(EveryFramer, DeliversTheSamePacketsOneByteAtATime) {
  std::vector<size_t> cuts;
  for (size_t i = 1; i < GetParam().stream.size(); ++i) cuts.push_back(i);
  expect_packets(cuts);
}

TEST_P(EveryFramer, DeliversAllOfManyRepetitionsInOneRead) {
  const StreamCase& given = GetParam();
  const std::string whole = given.stream.substr(0, given.stream.size() - given.tail.size());
  std::string stream;
  std::vector<std::string> packets;
  for (int i = 0; i < 50; ++i) {
    stream += whole;
    packets.insert(packets.end(), given.packets.begin(), given.packets.end());
  }
  EXPECT_EQ(receive(*framing_, stream), (Received{packets, 0, TCPKIT_OK}));
}

TEST_P(EveryFramer, NeverReadsBeyondGarbage) {
  uint32_t random = 12345;
  for (int round = 0; round < 300; ++round) {
    std::string garbage;
    for (int i = 0; i < 40; ++i) {
      random = random * 1664525 + 1013904223;
      garbage.push_back(static_cast<char>(random >> 24));
    }
    EXPECT_EQ(receive(*framing_, garbage), receive_bytewise(*framing_, garbage));
  }
}

INSTANTIATE_TEST_SUITE_P(Framers, EveryFramer, testing::ValuesIn(make_cases()),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace tcpkit::test
