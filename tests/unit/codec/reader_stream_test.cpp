// Reading from a stream: what is asked of it, how its end is told, and functions that misbehave.
#include <gtest/gtest.h>

#include <stdexcept>

#include "unit/codec/any_value.h"
#include "unit/codec/streams.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;

TEST(StreamReader, LoopsUntilAValueIsFull) {
  SourceStream stream("\0\0\1\2"s, {1});
  tcpkit_reader reader = stream.reader();
  int32_t value = 0;
  EXPECT_EQ(tcpkit_read_int32(&reader, &value), TCPKIT_OK);
  EXPECT_EQ(value, 0x102);
  EXPECT_EQ(stream.calls(), 4u);
}

TEST(StreamReader, AsksOnceForAValueThatComesWhole) {
  SourceStream stream("12345678");
  tcpkit_reader reader = stream.reader();
  int64_t value = 0;
  EXPECT_EQ(tcpkit_read_int64(&reader, &value), TCPKIT_OK);
  EXPECT_EQ(stream.calls(), 1u);
}

TEST(StreamReader, LeavesWhatIsBehindAValueInTheStream) {
  SourceStream stream("\x80\x01\3abcrest");
  tcpkit_reader reader = stream.reader();
  int32_t number = 0;
  char text[16];
  size_t length = 0;
  EXPECT_EQ(tcpkit_read_var_int(&reader, &number), TCPKIT_OK);
  EXPECT_EQ(stream.rest(), "\3abcrest");
  EXPECT_EQ(tcpkit_read_string(&reader, text, sizeof text, &length), TCPKIT_OK);
  EXPECT_EQ(stream.rest(), "rest");
  EXPECT_EQ(reader.position, 6u);
}

TEST(StreamReader, NeverReadsTheSixthByteOfAVarint) {
  SourceStream stream("\x80\x80\x80\x80\x80\x01");
  tcpkit_reader reader = stream.reader();
  int32_t value = 0;
  EXPECT_EQ(tcpkit_read_var_int(&reader, &value), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(stream.rest(), "\x01");
}

TEST(StreamReader, ReadsNothingOfAByteArrayThatIsTooBig) {
  for (const std::string& length : {"\4"s, "\xff\xff\xff\xff\x0f"s}) {
    const std::string bytes = length + "abcd";
    SourceStream stream(bytes);
    tcpkit_reader reader = stream.reader();
    uint8_t buffer[3];
    size_t size = 0;
    EXPECT_EQ(tcpkit_read_byte_array(&reader, buffer, sizeof buffer, &size),
              TCPKIT_E_PACKET_TOO_BIG);
    EXPECT_EQ(stream.rest(), "abcd");
  }
}

TEST(StreamReader, LoopsOverValuesUntilTheEnd) {
  SourceStream stream("\0\1\0\2\0\3"s, {1});
  tcpkit_reader reader = stream.reader();
  int sum = 0;
  for (int16_t value = 0; tcpkit_read_int16(&reader, &value) == TCPKIT_OK;) sum += value;
  EXPECT_EQ(reader.status, TCPKIT_E_END);
  EXPECT_EQ(sum, 6);
}

TEST(StreamReader, TellsAnEndBehindALengthAsOneInsideTheValue) {
  SourceStream stream("\3");
  tcpkit_reader reader = stream.reader();
  size_t size = 0;
  uint8_t buffer[3];
  EXPECT_EQ(tcpkit_read_length(&reader, 3, &size), TCPKIT_OK);
  EXPECT_EQ(tcpkit_read_bytes(&reader, buffer, size), TCPKIT_E_UNEXPECTED_EOF);
}

TEST(StreamReader, TellsAnEndBehindAnEmptyStringAsTheEnd) {
  SourceStream stream("\0"s);
  tcpkit_reader reader = stream.reader();
  char buffer[3];
  size_t length = 0;
  EXPECT_EQ(tcpkit_read_string(&reader, buffer, sizeof buffer, &length), TCPKIT_OK);
  EXPECT_EQ(tcpkit_read_string(&reader, buffer, sizeof buffer, &length), TCPKIT_E_END);
}

TEST(StreamReader, PassesOtherStatusesOnWhereverTheyCome) {
  for (const std::string& bytes : {""s, "\1"s}) {
    SourceStream stream(bytes);
    stream.end_status = TCPKIT_E_TIMED_OUT;
    tcpkit_reader reader = stream.reader();
    int16_t value = 0;
    EXPECT_EQ(tcpkit_read_int16(&reader, &value), TCPKIT_E_TIMED_OUT);
    EXPECT_EQ(tcpkit_last_error_status(), TCPKIT_E_TIMED_OUT);
  }
}

TEST(StreamReader, IsNotAskedAgainOnceItFailed) {
  SourceStream stream("");
  tcpkit_reader reader = stream.reader();
  uint8_t value = 0;
  EXPECT_EQ(tcpkit_read_byte(&reader, &value), TCPKIT_E_END);
  EXPECT_EQ(tcpkit_read_byte(&reader, &value), TCPKIT_E_END);
  EXPECT_EQ(stream.calls(), 1u);
}

TEST(StreamReader, HasNoViewsAndLosesNothingWhenAskedForThem) {
  SourceStream stream("\1a");
  const uint8_t* data = nullptr;
  tcpkit_slice slice{};
  tcpkit_reader reader = stream.reader();
  EXPECT_EQ(tcpkit_read_bytes_view(&reader, 1, &data), TCPKIT_E_NOT_SUPPORTED);
  reader = stream.reader();
  EXPECT_EQ(tcpkit_read_byte_array_view(&reader, 1, &slice), TCPKIT_E_NOT_SUPPORTED);
  EXPECT_EQ(stream.rest(), "\1a");
}

tcpkit_status status_with(tcpkit_read_fn read) {
  tcpkit_reader reader = tcpkit_reader_over_stream(read, nullptr);
  int32_t value = 0;
  const tcpkit_status status = tcpkit_read_int32(&reader, &value);
  EXPECT_EQ(reader.status, status);
  return status;
}

TEST(StreamReader, TakesAFunctionThatGivesNothingOrTooMuchForBroken) {
  EXPECT_EQ(status_with([](void*, size_t, size_t*, void*) { return tcpkit_status{TCPKIT_OK}; }),
            TCPKIT_E_CALLBACK);
  EXPECT_EQ(status_with([](void*, size_t size, size_t* out_size, void*) {
              *out_size = size + 1;
              return tcpkit_status{TCPKIT_OK};
            }),
            TCPKIT_E_CALLBACK);
}

TEST(StreamReader, ReportsAFunctionThatThrows) {
  EXPECT_EQ(status_with([](void*, size_t, size_t*, void*) -> tcpkit_status {
              throw std::runtime_error("no stream");
            }),
            TCPKIT_E_CALLBACK);
}

}  // namespace
}  // namespace tcpkit::test
