// Reading from memory, value by value: limits, varints at their borders, views, and what fails.
#include <gtest/gtest.h>

#include "base/status.h"
#include "unit/codec/any_value.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;
using namespace std::string_view_literals;

tcpkit_status var_int_status(std::string_view bytes, int32_t* out_value = nullptr) {
  tcpkit_reader reader = reader_of(bytes);
  int32_t value = 0;
  const tcpkit_status status = tcpkit_read_var_int(&reader, &value);
  if (out_value != nullptr) *out_value = value;
  return status;
}

tcpkit_status var_long_status(std::string_view bytes) {
  tcpkit_reader reader = reader_of(bytes);
  int64_t value = 0;
  return tcpkit_read_var_long(&reader, &value);
}

TEST(Reader, ReadsAWholePacketWithOneLookAtTheStatus) {
  const std::string packet =
      "\x01\x02\x00\x03\xff\xff\xff\xff\x03"
      "abc"s;
  tcpkit_reader reader = reader_of(packet);
  uint8_t flag = 0, kind = 0;
  int16_t count = 0;
  int32_t number = 0;
  char name[16];
  size_t name_length = 0;
  tcpkit_read_bool(&reader, &flag);
  tcpkit_read_byte(&reader, &kind);
  tcpkit_read_int16(&reader, &count);
  tcpkit_read_int32(&reader, &number);
  tcpkit_read_string(&reader, name, sizeof name, &name_length);
  EXPECT_EQ(reader.status, TCPKIT_OK);
  EXPECT_EQ(reader.position, packet.size());
  EXPECT_EQ(flag, 1);
  EXPECT_EQ(kind, 2);
  EXPECT_EQ(count, 3);
  EXPECT_EQ(number, -1);
  EXPECT_STREQ(name, "abc");
  EXPECT_EQ(name_length, 3u);
}

TEST(Reader, HasNothingToReadInEmptyMemory) {
  for (int type = 0; type < kTypeCount; ++type) {
    tcpkit_reader reader = reader_of({});
    AnyValue value;
    EXPECT_EQ(read_value_of(&reader, static_cast<Type>(type), 1, value), TCPKIT_E_UNEXPECTED_EOF)
        << type;
  }
}

TEST(Reader, ReadsEveryByteButZeroAsTrue) {
  for (int byte = 0; byte < 256; ++byte) {
    const char memory[1] = {static_cast<char>(byte)};
    tcpkit_reader reader = reader_of({memory, 1});
    uint8_t value = 7;
    EXPECT_EQ(tcpkit_read_bool(&reader, &value), TCPKIT_OK);
    EXPECT_EQ(value, byte == 0 ? 0 : 1);
  }
}

TEST(Reader, TakesTheByteOrderThatIsSetWhenItReads) {
  tcpkit_reader reader = reader_of("\1\2\1\2");
  int16_t big = 0, little = 0;
  tcpkit_read_int16(&reader, &big);
  reader.byte_order = TCPKIT_LITTLE_ENDIAN;
  tcpkit_read_int16(&reader, &little);
  EXPECT_EQ(big, 0x0102);
  EXPECT_EQ(little, 0x0201);
}

TEST(Reader, RefusesAByteOrderThatIsNone) {
  for (const tcpkit_byte_order order : {-1, 3, INT32_MIN, INT32_MAX}) {
    tcpkit_reader reader = reader_of("\1\2", order);
    int16_t value = 0;
    EXPECT_EQ(tcpkit_read_int16(&reader, &value), TCPKIT_E_INVALID_ARGUMENT) << order;
  }
}

TEST(ReaderVarInt, RefusesASixthByteAtTheFifth) {
  EXPECT_EQ(var_int_status("\x80\x80\x80\x80"), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(var_int_status("\x80\x80\x80\x80\x80"), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(var_int_status("\x80\x80\x80\x80\x80\x01"), TCPKIT_E_BAD_VARINT);
}

TEST(ReaderVarInt, RefusesBitsBeyondThirtyTwo) {
  EXPECT_EQ(var_int_status("\xff\xff\xff\xff\x0f"), TCPKIT_OK);
  EXPECT_EQ(var_int_status("\xff\xff\xff\xff\x1f"), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(var_int_status("\x80\x80\x80\x80\x10"), TCPKIT_E_BAD_VARINT);
}

TEST(ReaderVarInt, TakesPaddedForms) {
  int32_t value = 0;
  EXPECT_EQ(var_int_status("\x85\x80\x80\x80\x00"s, &value), TCPKIT_OK);
  EXPECT_EQ(value, 5);
}

TEST(ReaderVarInt, RefusesANegativeInt32OfProtobufWhichIsAVarLong) {
  const std::string minus_one = std::string(9, '\xff') + "\1";
  EXPECT_EQ(var_int_status(minus_one), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(var_long_status(minus_one), TCPKIT_OK);
}

TEST(ReaderVarLong, RefusesAnEleventhByteAndBitsBeyondSixtyFour) {
  EXPECT_EQ(var_long_status(std::string(9, '\x80')), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(var_long_status(std::string(10, '\x80')), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(var_long_status(std::string(9, '\xff') + "\1"), TCPKIT_OK);
  EXPECT_EQ(var_long_status(std::string(9, '\xff') + "\2"), TCPKIT_E_BAD_VARINT);
}

TEST(ReaderString, OfExactlyTheRoomIsReadAndOneByteMoreIsTooBig) {
  char buffer[4] = {'x', 'x', 'x', 'x'};
  size_t length = 0;
  tcpkit_reader exact = reader_of("\3abc");
  EXPECT_EQ(tcpkit_read_string(&exact, buffer, sizeof buffer, &length), TCPKIT_OK);
  EXPECT_EQ(length, 3u);
  EXPECT_STREQ(buffer, "abc");
  tcpkit_reader longer = reader_of("\4abcd");
  EXPECT_EQ(tcpkit_read_string(&longer, buffer, sizeof buffer, &length), TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(longer.position, 0u);
  EXPECT_STREQ(buffer, "abc") << "nothing was read";
}

TEST(ReaderString, NeedsRoomForItsNul) {
  char buffer[1] = {'x'};
  size_t length = 9;
  tcpkit_reader empty = reader_of("\0"sv);
  EXPECT_EQ(tcpkit_read_string(&empty, buffer, 1, &length), TCPKIT_OK);
  EXPECT_EQ(length, 0u);
  EXPECT_EQ(buffer[0], '\0');
  tcpkit_reader none = reader_of("\0"sv);
  EXPECT_EQ(tcpkit_read_string(&none, buffer, 0, &length), TCPKIT_E_INVALID_ARGUMENT);
}

TEST(ReaderByteArray, OfExactlyTheRoomIsReadAndOneByteMoreIsTooBig) {
  uint8_t buffer[3] = {};
  size_t size = 0;
  tcpkit_reader exact = reader_of("\3abc");
  EXPECT_EQ(tcpkit_read_byte_array(&exact, buffer, sizeof buffer, &size), TCPKIT_OK);
  EXPECT_EQ(size, 3u);
  tcpkit_reader longer = reader_of("\4abcd");
  EXPECT_EQ(tcpkit_read_byte_array(&longer, buffer, sizeof buffer, &size), TCPKIT_E_PACKET_TOO_BIG);
  tcpkit_reader empty = reader_of("\0"sv);
  EXPECT_EQ(tcpkit_read_byte_array(&empty, nullptr, 0, &size), TCPKIT_OK);
  EXPECT_EQ(size, 0u);
}

// The limit counts, and not what was sent: the peer learns what is wrong.
TEST(ReaderByteArray, WithANegativeOrHugeLengthIsTooBigWhateverFollows) {
  for (const std::string& length :
       {"\xff\xff\xff\xff\x0f"s, "\x80\x80\x80\x80\x08"s, "\xff\xff\xff\xff\x07"s, "\x81\x08"s}) {
    uint8_t buffer[1024];
    size_t size = 0;
    tcpkit_reader reader = reader_of(length);
    EXPECT_EQ(tcpkit_read_byte_array(&reader, buffer, sizeof buffer, &size),
              TCPKIT_E_PACKET_TOO_BIG);
    tcpkit_slice view{};
    reader = reader_of(length);
    EXPECT_EQ(tcpkit_read_byte_array_view(&reader, sizeof buffer, &view), TCPKIT_E_PACKET_TOO_BIG);
    EXPECT_EQ(reader.position, 0u);
  }
}

TEST(ReaderByteArray, WithANegativeLengthIsTooBigWithoutAnyLimitToo) {
  tcpkit_reader reader = reader_of("\xff\xff\xff\xff\x0f");
  size_t size = 0;
  EXPECT_EQ(tcpkit_read_length(&reader, TCPKIT_UNLIMITED_SIZE, &size), TCPKIT_E_PACKET_TOO_BIG);
}

TEST(ReaderView, PointsIntoTheMemory) {
  const std::string packet = "ab\3cde";
  tcpkit_reader reader = reader_of(packet);
  const uint8_t* two = nullptr;
  tcpkit_slice array{};
  EXPECT_EQ(tcpkit_read_bytes_view(&reader, 2, &two), TCPKIT_OK);
  EXPECT_EQ(static_cast<const void*>(two), packet.data());
  EXPECT_EQ(tcpkit_read_byte_array_view(&reader, 3, &array), TCPKIT_OK);
  EXPECT_EQ(array.data, packet.data() + 3);
  EXPECT_EQ(array.size, 3u);
  EXPECT_EQ(tcpkit_read_bytes_view(&reader, 0, &two), TCPKIT_OK);
  EXPECT_EQ(tcpkit_read_bytes_view(&reader, 1, &two), TCPKIT_E_UNEXPECTED_EOF);
}

TEST(ReaderView, OfASizeThatOverflowsIsUnexpectedEof) {
  tcpkit_reader reader = reader_of("abc");
  const uint8_t* view = nullptr;
  uint8_t byte = 0;
  tcpkit_read_byte(&reader, &byte);
  EXPECT_EQ(tcpkit_read_bytes_view(&reader, SIZE_MAX, &view), TCPKIT_E_UNEXPECTED_EOF);
  reader = reader_of("abc");
  EXPECT_EQ(tcpkit_read_bytes(&reader, &byte, SIZE_MAX), TCPKIT_E_UNEXPECTED_EOF);
}

TEST(ReaderLength, IsReadBeforeThereIsRoomForWhatFollows) {
  tcpkit_reader reader = reader_of("\3abc");
  size_t size = 0;
  EXPECT_EQ(tcpkit_read_length(&reader, 3, &size), TCPKIT_OK);
  std::string text(size, '\0');
  EXPECT_EQ(tcpkit_read_bytes(&reader, text.data(), size), TCPKIT_OK);
  EXPECT_EQ(text, "abc");
}

TEST(ReaderLength, OfMoreThanTheMemoryHoldsIsUnexpectedEof) {
  tcpkit_reader reader = reader_of("\4abc");
  size_t size = 77;
  EXPECT_EQ(tcpkit_read_length(&reader, 100, &size), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(size, 77u);
  EXPECT_EQ(reader.position, 0u);
}

TEST(ReaderFailure, StaysAndChangesNothing) {
  tcpkit_reader reader = reader_of(
      "\x80\x80\x80\x80\x80"
      "abcdefgh");
  int32_t value = 77;
  EXPECT_EQ(tcpkit_read_var_int(&reader, &value), TCPKIT_E_BAD_VARINT);
  const std::string message = tcpkit_last_error_message();
  for (int type = 0; type < kTypeCount; ++type) {
    AnyValue any;
    EXPECT_EQ(read_value_of(&reader, static_cast<Type>(type), 1, any), TCPKIT_E_BAD_VARINT);
  }
  const uint8_t* view = nullptr;
  EXPECT_EQ(tcpkit_read_bytes(&reader, nullptr, 0), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(tcpkit_read_bytes_view(&reader, 0, &view), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(view, nullptr);
  EXPECT_EQ(value, 77);
  EXPECT_EQ(reader.position, 0u);
  EXPECT_EQ(tcpkit_last_error_message(), message) << "the first message says most";
}

TEST(ReaderFailure, IsClearedByTheCaller) {
  tcpkit_reader reader = reader_of("\1");
  int32_t four = 0;
  uint8_t one = 0;
  EXPECT_EQ(tcpkit_read_int32(&reader, &four), TCPKIT_E_UNEXPECTED_EOF);
  reader.status = TCPKIT_OK;
  EXPECT_EQ(tcpkit_read_byte(&reader, &one), TCPKIT_OK);
  EXPECT_EQ(one, 1);
}

TEST(ReaderFailure, SaysSoAgainWhenAnotherCallFailedMeanwhile) {
  tcpkit_reader reader = reader_of("");
  uint8_t value = 0;
  EXPECT_EQ(tcpkit_read_byte(&reader, &value), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(fail(TCPKIT_E_CLOSED, "shut"), TCPKIT_E_CLOSED);
  EXPECT_EQ(tcpkit_read_byte(&reader, &value), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(tcpkit_last_error_status(), TCPKIT_E_UNEXPECTED_EOF);
}

TEST(ReaderSetup, WithoutItNothingIsRead) {
  tcpkit_reader unset{};
  uint8_t value = 0;
  EXPECT_EQ(tcpkit_read_byte(&unset, &value), TCPKIT_E_STRUCT_SIZE);
  tcpkit_reader empty = TCPKIT_READER_INIT;
  EXPECT_EQ(tcpkit_read_byte(&empty, &value), TCPKIT_E_UNEXPECTED_EOF);
}

TEST(ReaderSetup, OfNullKeepsAFailure) {
  uint8_t value = 0;
  tcpkit_reader memory = tcpkit_reader_over_memory(nullptr, 1);
  EXPECT_EQ(memory.status, TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_read_byte(&memory, &value), TCPKIT_E_INVALID_ARGUMENT);
  tcpkit_reader stream = tcpkit_reader_over_stream(nullptr, nullptr);
  EXPECT_EQ(tcpkit_read_byte(&stream, &value), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_reader_over_memory(nullptr, 0).status, TCPKIT_OK);
}

TEST(ReaderSetup, WithAPositionBeyondTheEndIsRefused) {
  for (const size_t position : {size_t{4}, SIZE_MAX}) {
    tcpkit_reader reader = reader_of("abc");
    reader.position = position;
    int64_t value = 0;
    EXPECT_EQ(tcpkit_read_var_long(&reader, &value), TCPKIT_E_INVALID_ARGUMENT);
  }
}

TEST(ReaderArguments, ThatAreNullAreRefusedAndKept) {
  const auto refused = [](auto call) {
    tcpkit_reader reader = reader_of("\3abcdefghijk");
    EXPECT_EQ(call(&reader), TCPKIT_E_INVALID_ARGUMENT);
    EXPECT_EQ(reader.status, TCPKIT_E_INVALID_ARGUMENT);
    EXPECT_EQ(reader.position, 0u);
  };
  char buffer[8];
  refused([](tcpkit_reader* r) { return tcpkit_read_bool(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_byte(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_int16(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_int32(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_int64(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_float32(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_float64(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_var_int(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_var_long(r, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_length(r, 8, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_bytes(r, nullptr, 1); });
  refused([](tcpkit_reader* r) { return tcpkit_read_bytes_view(r, 1, nullptr); });
  refused([](tcpkit_reader* r) { return tcpkit_read_byte_array_view(r, 8, nullptr); });
  refused([&](tcpkit_reader* r) { return tcpkit_read_byte_array(r, buffer, 8, nullptr); });
  refused([&](tcpkit_reader* r) { return tcpkit_read_string(r, buffer, 8, nullptr); });
  size_t size = 0;
  refused([&](tcpkit_reader* r) { return tcpkit_read_byte_array(r, nullptr, 8, &size); });
  refused([&](tcpkit_reader* r) { return tcpkit_read_string(r, nullptr, 8, &size); });
}

TEST(ReaderArguments, WithoutAReaderAreRefused) {
  for (int type = 0; type < kTypeCount; ++type) {
    AnyValue value;
    EXPECT_EQ(read_value_of(nullptr, static_cast<Type>(type), 1, value), TCPKIT_E_INVALID_ARGUMENT);
  }
  size_t size = 0;
  const uint8_t* view = nullptr;
  tcpkit_slice slice{};
  EXPECT_EQ(tcpkit_read_length(nullptr, 1, &size), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_read_length(nullptr, 1, nullptr), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_read_bytes_view(nullptr, 1, &view), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_read_byte_array_view(nullptr, 1, &slice), TCPKIT_E_INVALID_ARGUMENT);
  tcpkit_reader_init(nullptr);
}

}  // namespace
}  // namespace tcpkit::test
