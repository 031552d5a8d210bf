// Writing: memory that grows, memory of the caller, streams, shared buffers, and what fails.
#include <gtest/gtest.h>

#include <stdexcept>

#include "unit/codec/any_value.h"
#include "unit/codec/streams.h"

namespace tcpkit::test {
namespace {

using namespace std::string_literals;

std::string text_of(const tcpkit_writer& writer) {
  return std::string(reinterpret_cast<const char*>(writer.data), writer.size);
}

TEST(Writer, GrowsAsNeeded) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  std::string expected;
  for (int i = 0; i < 100'000; ++i) {
    tcpkit_write_byte(&writer, static_cast<uint8_t>(i));
    expected += static_cast<char>(i);
  }
  EXPECT_EQ(writer.status, TCPKIT_OK);
  EXPECT_EQ(text_of(writer), expected);
  EXPECT_LE(writer.capacity, 2 * expected.size());
  tcpkit_writer_free(&writer);
  EXPECT_EQ(writer.data, nullptr);
}

TEST(Writer, WritesEveryValueButZeroAsTheByteOne) {
  for (const int32_t value : {0, 1, -1, 2, 0x100, INT32_MIN}) {
    EXPECT_EQ(encode_values({{Type::kBool, value, ""}}), value == 0 ? "\0"s : "\1"s);
  }
}

TEST(Writer, WritesNegativeVarintsInFiveAndTenBytes) {
  EXPECT_EQ(encode_values({{Type::kVarInt, -1, ""}}), "\xff\xff\xff\xff\x0f");
  EXPECT_EQ(encode_values({{Type::kVarLong, -1, ""}}), std::string(9, '\xff') + "\1");
}

TEST(Writer, BeginsAgainInTheSameMemoryWhenItsSizeIsSetBack) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  tcpkit_write_string(&writer, "first");
  const uint8_t* memory = writer.data;
  writer.size = 0;
  tcpkit_write_string(&writer, "next");
  EXPECT_EQ(writer.data, memory);
  EXPECT_EQ(text_of(writer), "\4next");
  tcpkit_writer_free(&writer);
}

TEST(Writer, IsUsableAgainAfterFree) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  tcpkit_write_bytes(&writer, nullptr, 1);
  ASSERT_EQ(writer.status, TCPKIT_E_INVALID_ARGUMENT);
  tcpkit_writer_free(&writer);
  EXPECT_EQ(tcpkit_write_byte(&writer, 1), TCPKIT_OK);
  tcpkit_writer_free(&writer);
  tcpkit_writer_free(&writer);
  tcpkit_writer_free(nullptr);
}

TEST(FixedWriter, FillsItsMemoryToTheLastByteAndNotBeyond) {
  uint8_t memory[4] = {};
  tcpkit_writer writer = tcpkit_writer_over_memory(memory, sizeof memory);
  EXPECT_EQ(tcpkit_write_int32(&writer, -1), TCPKIT_OK);
  EXPECT_EQ(tcpkit_write_byte(&writer, 1), TCPKIT_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(writer.size, 4u);
}

TEST(FixedWriter, KeepsItsFirstFailureAlsoWhereALaterValueWouldFit) {
  uint8_t memory[4] = {7, 7, 7, 7};
  tcpkit_writer writer = tcpkit_writer_over_memory(memory, sizeof memory);
  EXPECT_EQ(tcpkit_write_string(&writer, "long"), TCPKIT_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(tcpkit_write_byte(&writer, 1), TCPKIT_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(writer.size, 0u);
  EXPECT_EQ(memory[0], 7);
}

TEST(FixedWriter, DoesNotFreeWhatItBorrowed) {
  uint8_t memory[4] = {};
  tcpkit_writer writer = tcpkit_writer_over_memory(memory, sizeof memory);
  tcpkit_write_byte(&writer, 9);
  tcpkit_writer_free(&writer);
  EXPECT_EQ(memory[0], 9);
  EXPECT_EQ(writer.size, 0u);
  EXPECT_EQ(tcpkit_write_byte(&writer, 8), TCPKIT_OK);
  EXPECT_EQ(memory[0], 8);
}

TEST(StreamWriter, SendsALengthAndItsBytesInOneWriteWhateverTheSize) {
  for (const size_t size :
       {size_t{0}, size_t{1}, size_t{1021}, size_t{1022}, size_t{1023}, size_t{100'000}}) {
    const std::string text(size, 'x');
    SinkStream sink;
    tcpkit_writer writer = sink.writer();
    EXPECT_EQ(tcpkit_write_byte_array(&writer, text.data(), text.size()), TCPKIT_OK);
    ASSERT_EQ(sink.writes.size(), 1u);
    EXPECT_EQ(sink.writes[0], encode_values({{Type::kString, 0, text}}));
  }
}

TEST(StreamWriter, KeepsTheFailureOfTheStreamAndCallsItNoMore) {
  SinkStream sink;
  sink.answer = TCPKIT_E_RESET;
  tcpkit_writer writer = sink.writer();
  EXPECT_EQ(tcpkit_write_int32(&writer, 1), TCPKIT_E_RESET);
  EXPECT_EQ(tcpkit_write_string(&writer, "more"), TCPKIT_E_RESET);
  EXPECT_EQ(sink.writes.size(), 1u);
  EXPECT_EQ(writer.size, 0u);
  EXPECT_EQ(tcpkit_last_error_status(), TCPKIT_E_RESET);
}

TEST(StreamWriter, TakesTheSecondSuccessOfSendsForSuccess) {
  SinkStream sink;
  sink.answer = TCPKIT_OK_ABOVE_HIGH;
  tcpkit_writer writer = sink.writer();
  EXPECT_EQ(tcpkit_write_int32(&writer, 1), TCPKIT_OK);
  EXPECT_EQ(tcpkit_write_int32(&writer, 1), TCPKIT_OK);
  EXPECT_EQ(writer.size, 8u);
}

TEST(StreamWriter, ReportsAFunctionThatThrows) {
  tcpkit_writer writer = tcpkit_writer_over_stream(
      [](const void*, size_t, void*) -> tcpkit_status { throw std::runtime_error("no stream"); },
      nullptr);
  const std::string large(5000, 'x');
  EXPECT_EQ(tcpkit_write_string(&writer, large.c_str()), TCPKIT_E_CALLBACK);
  EXPECT_EQ(writer.status, TCPKIT_E_CALLBACK);
}

TEST(WriterBuffer, HoldsWhatWasWrittenWithoutACopy) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  tcpkit_write_string(&writer, "shared");
  const uint8_t* memory = writer.data;
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(tcpkit_writer_take_buffer(&writer, &buffer), TCPKIT_OK);
  EXPECT_EQ(tcpkit_buffer_data(buffer), memory);
  EXPECT_EQ(tcpkit_buffer_size(buffer), 7u);
  EXPECT_EQ(writer.size, 0u);
  EXPECT_EQ(tcpkit_write_byte(&writer, 1), TCPKIT_OK) << "the next packet";
  EXPECT_NE(writer.data, memory);
  tcpkit_writer_free(&writer);
  tcpkit_buffer_release(buffer);
}

TEST(WriterBuffer, OfAnEmptyWriterIsEmpty) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(tcpkit_writer_take_buffer(&writer, &buffer), TCPKIT_OK);
  EXPECT_EQ(tcpkit_buffer_size(buffer), 0u);
  tcpkit_buffer_release(buffer);
}

TEST(WriterBuffer, IsNotMadeOfMemoryThatIsNotTheWriters) {
  uint8_t memory[4];
  tcpkit_buffer* buffer = nullptr;
  tcpkit_writer fixed = tcpkit_writer_over_memory(memory, sizeof memory);
  EXPECT_EQ(tcpkit_writer_take_buffer(&fixed, &buffer), TCPKIT_E_NOT_SUPPORTED);
  SinkStream sink;
  tcpkit_writer stream = sink.writer();
  EXPECT_EQ(tcpkit_writer_take_buffer(&stream, &buffer), TCPKIT_E_NOT_SUPPORTED);
  EXPECT_EQ(buffer, nullptr);
}

TEST(WriterBuffer, IsNotMadeOfAPacketThatFailed) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  tcpkit_write_byte(&writer, 1);
  tcpkit_write_string(&writer, nullptr);
  tcpkit_buffer* buffer = nullptr;
  EXPECT_EQ(tcpkit_writer_take_buffer(&writer, &buffer), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(buffer, nullptr);
  EXPECT_EQ(writer.size, 1u) << "nothing is taken";
  tcpkit_writer_free(&writer);
}

TEST(WriterSizes, ThatNoMemoryHasAreNoMemory) {
  const uint8_t byte = 0;
  for (const size_t size : {SIZE_MAX, SIZE_MAX / 2 + 1, SIZE_MAX / 2}) {
    tcpkit_writer writer = TCPKIT_WRITER_INIT;
    tcpkit_write_byte(&writer, 1);
    EXPECT_EQ(tcpkit_write_bytes(&writer, &byte, size), TCPKIT_E_NO_MEMORY);
    EXPECT_EQ(writer.size, 1u);
    tcpkit_writer_free(&writer);
  }
}

TEST(WriterSizes, BeyondAVarIntAreTooBig) {
  const uint8_t byte = 0;
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  EXPECT_EQ(tcpkit_write_byte_array(&writer, &byte, size_t{INT32_MAX} + 1),
            TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(writer.data, nullptr) << "before anything is allocated";
}

TEST(WriterSetup, WithoutItNothingIsWritten) {
  tcpkit_writer unset{};
  EXPECT_EQ(tcpkit_write_byte(&unset, 1), TCPKIT_E_STRUCT_SIZE);
  tcpkit_writer_free(&unset);
}

TEST(WriterSetup, OfNullKeepsAFailure) {
  tcpkit_writer memory = tcpkit_writer_over_memory(nullptr, 1);
  EXPECT_EQ(tcpkit_write_byte(&memory, 1), TCPKIT_E_INVALID_ARGUMENT);
  tcpkit_writer stream = tcpkit_writer_over_stream(nullptr, nullptr);
  EXPECT_EQ(tcpkit_write_byte(&stream, 1), TCPKIT_E_INVALID_ARGUMENT);
  tcpkit_writer none = tcpkit_writer_over_memory(nullptr, 0);
  EXPECT_EQ(tcpkit_write_byte(&none, 1), TCPKIT_E_BUFFER_TOO_SMALL);
}

TEST(WriterSetup, WithASizeBeyondTheCapacityOrAnUnknownByteOrderIsRefused) {
  uint8_t memory[4];
  tcpkit_writer writer = tcpkit_writer_over_memory(memory, sizeof memory);
  writer.size = 5;
  EXPECT_EQ(tcpkit_write_byte(&writer, 1), TCPKIT_E_INVALID_ARGUMENT);
  writer = tcpkit_writer_over_memory(memory, sizeof memory);
  writer.byte_order = 3;
  EXPECT_EQ(tcpkit_write_byte(&writer, 1), TCPKIT_E_INVALID_ARGUMENT);
}

TEST(WriterArguments, ThatAreNullAreRefused) {
  for (int type = 0; type < kTypeCount; ++type) {
    EXPECT_EQ(write_value_of(nullptr, {static_cast<Type>(type), 0, "x"}),
              TCPKIT_E_INVALID_ARGUMENT);
  }
  tcpkit_buffer* buffer = nullptr;
  EXPECT_EQ(tcpkit_writer_take_buffer(nullptr, &buffer), TCPKIT_E_INVALID_ARGUMENT);
  for (const auto call :
       {+[](tcpkit_writer* w) { return tcpkit_write_bytes(w, nullptr, 1); },
        +[](tcpkit_writer* w) { return tcpkit_write_byte_array(w, nullptr, 1); },
        +[](tcpkit_writer* w) { return tcpkit_write_string(w, nullptr); },
        +[](tcpkit_writer* w) { return tcpkit_writer_take_buffer(w, nullptr); }}) {
    tcpkit_writer writer = TCPKIT_WRITER_INIT;
    EXPECT_EQ(call(&writer), TCPKIT_E_INVALID_ARGUMENT);
  }
  tcpkit_writer_init(nullptr);
}

}  // namespace
}  // namespace tcpkit::test
