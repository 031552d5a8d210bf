// Reader and Writer of tcpkit.hpp, on the shared library as users have it.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "tcpkit.hpp"

namespace {

void write_all(tcpkit::Writer& out) {
  out.write_bool(true).write_byte(200).write_int16(-2).write_int32(-3).write_int64(-4);
  out.write_float32(1.5F).write_float64(-2.5).write_var_int(-1).write_var_long(300);
  out.write_string("text").write_byte_array(std::vector<std::uint8_t>{1, 2}).write_bytes("raw");
}

void expect_all(tcpkit::Reader& in) {
  EXPECT_TRUE(in.read_bool());
  EXPECT_EQ(in.read_byte(), 200);
  EXPECT_EQ(in.read_int16(), -2);
  EXPECT_EQ(in.read_int32(), -3);
  EXPECT_EQ(in.read_int64(), -4);
  EXPECT_EQ(in.read_float32(), 1.5F);
  EXPECT_EQ(in.read_float64(), -2.5);
  EXPECT_EQ(in.read_var_int(), -1);
  EXPECT_EQ(in.read_var_long(), 300);
  EXPECT_EQ(in.read_string(4), "text");
  EXPECT_EQ(in.read_byte_array(2), (std::vector<std::uint8_t>{1, 2}));
  char raw[3];
  EXPECT_TRUE(in.read_bytes(raw, sizeof raw).ok());
  EXPECT_EQ(std::string(raw, sizeof raw), "raw");
  EXPECT_TRUE(in.ok()) << in.status().name();
}

// A stream of bytes that are there, byte by byte.
auto one_by_one(std::string bytes) {
  return [bytes = std::move(bytes), next = std::size_t{0}](void* buffer, std::size_t,
                                                           std::size_t& out_size) mutable {
    if (next == bytes.size()) return tcpkit::Status(TCPKIT_E_END);
    std::memcpy(buffer, &bytes[next++], 1);
    out_size = 1;
    return tcpkit::Status();
  };
}

TEST(CppCodec, ReadsFromMemoryWhatItWrote) {
  for (const tcpkit_byte_order order : {TCPKIT_BIG_ENDIAN, TCPKIT_LITTLE_ENDIAN}) {
    tcpkit::Writer out(order);
    write_all(out);
    ASSERT_TRUE(out.ok());
    tcpkit::Reader in(out.bytes(), order);
    expect_all(in);
    EXPECT_TRUE(in.at_end());
  }
}

TEST(CppCodec, ReadsFromAStreamWhatItWrote) {
  tcpkit::Writer out;
  write_all(out);
  tcpkit::Reader in = tcpkit::Reader::of_stream(one_by_one(std::string(out.bytes().text())));
  tcpkit::Reader moved = std::move(in);
  expect_all(moved);
  EXPECT_EQ(moved.read_byte(), 0);
  EXPECT_EQ(moved.status(), TCPKIT_E_END);
}

TEST(CppCodec, GivesZeroAndNothingOnceAReadFailed) {
  tcpkit::Reader in("\1\2\3");
  EXPECT_EQ(in.read_int32(), 0);
  EXPECT_EQ(in.status(), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(in.read_byte(), 0);
  EXPECT_EQ(in.read_string(10), "");
  EXPECT_TRUE(in.view_bytes(1).empty());
  EXPECT_EQ(in.position(), 0u);
}

TEST(CppCodec, KeepsToTheLimitOfAString) {
  tcpkit::Reader exact("\3abc");
  EXPECT_EQ(exact.read_string(3), "abc");
  tcpkit::Reader longer("\3abc");
  EXPECT_EQ(longer.read_string(2), "");
  EXPECT_EQ(longer.status(), TCPKIT_E_PACKET_TOO_BIG);
  tcpkit::Reader stream = tcpkit::Reader::of_stream(one_by_one("\3abc"));
  EXPECT_EQ(stream.read_string(2), "");
  EXPECT_EQ(stream.status(), TCPKIT_E_PACKET_TOO_BIG);
}

TEST(CppCodec, ViewsAreThoseOfTheMemory) {
  const std::string packet = "ab\3cde\2fg";
  tcpkit::Reader in(packet);
  EXPECT_EQ(in.view_bytes(2).text().data(), packet.data());
  EXPECT_EQ(in.view_string(3).data(), packet.data() + 3);
  EXPECT_EQ(in.view_byte_array(2).text(), "fg");
  EXPECT_TRUE(in.at_end());
}

TEST(CppCodec, WritesToMemoryOfTheCaller) {
  std::uint8_t memory[4] = {};
  tcpkit::Writer out(memory, sizeof memory, TCPKIT_LITTLE_ENDIAN);
  out.write_int32(0x01020304);
  EXPECT_EQ(memory[0], 4);
  out.write_byte(1);
  EXPECT_EQ(out.status(), TCPKIT_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(out.size(), 4u);
}

TEST(CppCodec, WritesEachValueToAStreamInOneCall) {
  auto writes = std::make_shared<std::vector<std::string>>();
  tcpkit::Writer out = tcpkit::Writer::to_stream([writes](tcpkit::Bytes data) {
    writes->emplace_back(data.text());
    return tcpkit::Status();
  });
  tcpkit::Writer moved = std::move(out);
  moved.write_string("abc").write_int16(1);
  EXPECT_EQ(*writes, (std::vector<std::string>{"\3abc", std::string("\0\1", 2)}));
  EXPECT_TRUE(moved.bytes().empty());
}

TEST(CppCodec, ReportsAStreamThatThrows) {
  const auto broken = [](auto&&...) -> tcpkit::Status { throw std::runtime_error("no stream"); };
  tcpkit::Reader in = tcpkit::Reader::of_stream(broken);
  EXPECT_EQ(in.read_int32(), 0);
  EXPECT_EQ(in.status(), TCPKIT_E_CALLBACK);
  tcpkit::Writer out = tcpkit::Writer::to_stream(broken);
  EXPECT_EQ(out.write_byte(1).status(), TCPKIT_E_CALLBACK);
}

TEST(CppCodec, MakesASharedBufferAndBeginsANewPacket) {
  tcpkit::Writer out;
  out.write_string("one");
  tcpkit::Buffer buffer;
  ASSERT_TRUE(out.take_buffer(buffer).ok());
  EXPECT_EQ(buffer.bytes().text(), "\3one");
  EXPECT_TRUE(out.bytes().empty());
  out.write_string("two");
  EXPECT_EQ(buffer.bytes().text(), "\3one");
  out.clear();
  EXPECT_EQ(out.write_byte(7).bytes().text(), "\7");
}

TEST(CppCodec, MovesAWriterWithItsMemory) {
  tcpkit::Writer out;
  out.write_string("kept");
  tcpkit::Writer moved = std::move(out);
  EXPECT_EQ(moved.bytes().text(), "\4kept");
  tcpkit::Writer assigned;
  assigned.write_byte(1);
  assigned = std::move(moved);
  EXPECT_EQ(assigned.bytes().text(), "\4kept");
}

}  // namespace
