// The ready-made settings, and those with a text name.
#include <gtest/gtest.h>

#include <cstring>

#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;

std::string separator_of(const tcpkit_framing& framing) {
  return to_text({framing.separator_bytes, framing.separator_size});
}

Status parse(const std::string& text, tcpkit_framing* framing) {
  return tcpkit_framing_parse(text.c_str(), framing);
}

TEST(FramingPresets, SetTheSeparator) {
  EXPECT_EQ(separator_of(tcpkit_framing_line()), "\n");
  EXPECT_EQ(separator_of(tcpkit_framing_crlf()), "\r\n");
  EXPECT_EQ(separator_of(tcpkit_framing_nul()), "\0"s);
  const tcpkit_framing framing = tcpkit_framing_separator("abc", 3);
  EXPECT_EQ(framing.kind, TCPKIT_FRAMING_SEPARATOR);
  EXPECT_EQ(std::memcmp(framing.separator, "abc", framing.separator_size), 0);
}

TEST(FramingPresets, SetTheLengthField) {
  const tcpkit_framing length = tcpkit_framing_length(3, TCPKIT_LITTLE_ENDIAN);
  EXPECT_EQ(length.kind, TCPKIT_FRAMING_LENGTH);
  EXPECT_EQ(length.length_size, 3u);
  EXPECT_EQ(length.byte_order, TCPKIT_LITTLE_ENDIAN);
  EXPECT_EQ(tcpkit_framing_varint().kind, TCPKIT_FRAMING_VARINT);
  EXPECT_EQ(tcpkit_framing_varlong().kind, TCPKIT_FRAMING_VARLONG);
  EXPECT_EQ(tcpkit_framing_fixed(12).kind, TCPKIT_FRAMING_FIXED);
  EXPECT_EQ(tcpkit_framing_fixed(12).fixed_size, 12u);
}

TEST(FramingPresets, FitTheWireFormatsThatTheyAreNamedAfter) {
  const auto kafka = make_framing(tcpkit_framing_kafka());
  EXPECT_EQ(encode_frame(*kafka, "abc"), "\0\0\0\3abc"s);
  const auto minecraft = make_framing(tcpkit_framing_minecraft());
  EXPECT_EQ(encode_frame(*minecraft, std::string(300, 'x')).substr(0, 3), "\xac\2x");
  const auto mqtt = make_framing(tcpkit_framing_mqtt());
  const std::string connect = "\x10\x0c\0\4MQTT\4\2\0\x3c\0\0"s;
  EXPECT_EQ(receive(*mqtt, connect + "\xc0\0"s).packets,
            (std::vector<std::string>{connect, "\xc0\0"s}));
}

TEST(FramingPresets, AreAllValidAndHaveTheirStructSize) {
  for (const char* name : {"line", "crlf", "nul", "len1", "len2be", "len2le", "len3be", "len3le",
                           "len4be", "len4le", "len8be", "len8le", "varint", "varlong", "kafka",
                           "minecraft", "mqtt", "fixed:20", "separator:--"}) {
    tcpkit_framing framing = TCPKIT_FRAMING_INIT;
    ASSERT_EQ(parse(name, &framing), TCPKIT_OK) << name;
    EXPECT_EQ(framing.struct_size, sizeof framing);
    make_framing(framing);
  }
}

TEST(FramingInit, EqualsItsMacro) {
  tcpkit_framing framing;
  std::memset(&framing, 0xff, sizeof framing);
  tcpkit_framing_init(&framing);
  const tcpkit_framing expected = TCPKIT_FRAMING_INIT;
  EXPECT_EQ(std::memcmp(&framing, &expected, sizeof framing), 0);
  tcpkit_framing_init(nullptr);
}

TEST(FramingCallbacksInit, EqualsItsMacro) {
  tcpkit_framing_callbacks callbacks;
  std::memset(&callbacks, 0xff, sizeof callbacks);
  tcpkit_framing_callbacks_init(&callbacks);
  const tcpkit_framing_callbacks expected = TCPKIT_FRAMING_CALLBACKS_INIT;
  EXPECT_EQ(std::memcmp(&callbacks, &expected, sizeof callbacks), 0);
  tcpkit_framing_callbacks_init(nullptr);
}

TEST(FramingParse, GivesTheSettingsOfEachName) {
  tcpkit_framing framing = tcpkit_framing_line();
  ASSERT_EQ(parse("none", &framing), TCPKIT_OK);
  EXPECT_EQ(framing.kind, TCPKIT_FRAMING_NONE);
  ASSERT_EQ(parse("crlf", &framing), TCPKIT_OK);
  EXPECT_EQ(separator_of(framing), "\r\n");
  ASSERT_EQ(parse("len2le", &framing), TCPKIT_OK);
  EXPECT_EQ(framing.length_size, 2u);
  EXPECT_EQ(framing.byte_order, TCPKIT_LITTLE_ENDIAN);
  ASSERT_EQ(parse("len8be", &framing), TCPKIT_OK);
  EXPECT_EQ(framing.length_size, 8u);
  EXPECT_EQ(framing.byte_order, TCPKIT_BIG_ENDIAN);
  ASSERT_EQ(parse("fixed:1024", &framing), TCPKIT_OK);
  EXPECT_EQ(framing.fixed_size, 1024u);
}

TEST(FramingParse, ReadsTheEscapesOfASeparator) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  ASSERT_EQ(parse("separator:a\\r\\n\\t\\0\\\\\\x7F\\xfe b", &framing), TCPKIT_OK);
  EXPECT_EQ(separator_of(framing), "a\r\n\t\0\\\x7f\xfe b"s);
}

TEST(FramingParse, TakesASeparatorOfAtMost32Bytes) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  EXPECT_EQ(parse("separator:" + std::string(32, 'x'), &framing), TCPKIT_OK);
  EXPECT_EQ(parse("separator:" + std::string(33, 'x'), &framing), TCPKIT_E_BAD_VALUE);
}

TEST(FramingParse, RefusesOtherTextsAndLeavesTheResultAlone) {
  tcpkit_framing framing = tcpkit_framing_fixed(77);
  for (const char* text : {"",
                           "Line",
                           "line ",
                           "len2",
                           "len5be",
                           "fixed",
                           "fixed:",
                           "fixed:0",
                           "fixed:-1",
                           "fixed:+1",
                           "fixed: 1",
                           "fixed:1x",
                           "fixed:99999999999999999999999",
                           "separator",
                           "separator:",
                           "separator:\\",
                           "separator:\\q",
                           "separator:\\x",
                           "separator:\\x1",
                           "separator:\\xg0",
                           "separator:\\x0g",
                           "separator:\\x-1"}) {
    EXPECT_EQ(parse(text, &framing), TCPKIT_E_BAD_VALUE) << text;
  }
  EXPECT_EQ(framing.fixed_size, 77u);
}

TEST(FramingParse, NamesTheTextThatItRefuses) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  EXPECT_EQ(parse("nosuch", &framing), TCPKIT_E_BAD_VALUE);
  EXPECT_NE(std::string(last_error().message).find("nosuch"), std::string::npos);
}

TEST(FramingParse, RefusesNull) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  EXPECT_EQ(tcpkit_framing_parse(nullptr, &framing), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_STREQ(last_error().message, "text is NULL");
  EXPECT_EQ(tcpkit_framing_parse("line", nullptr), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_STREQ(last_error().message, "out_framing is NULL");
}

}  // namespace
}  // namespace tcpkit::test
