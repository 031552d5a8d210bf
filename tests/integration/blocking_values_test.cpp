// Typed values straight from and to a detached connection.
#include <gtest/gtest.h>

#include <array>
#include <limits>
#include <string>

#include "blocking_support.h"

namespace testkit {
namespace {

using namespace std::string_literals;

// Runs a handler with a reader of its connection.
Behaviour with_reader(std::function<void(tcpkit_conn*, tcpkit_reader&)> handler) {
  return {.on_connection = [handler = std::move(handler)](tcpkit_conn* conn) {
    tcpkit_reader in = tcpkit_reader_over_conn(conn);
    handler(conn, in);
  }};
}

// Answers each string with its length and itself, until one cannot be read.
void answer_strings(tcpkit_conn* conn, tcpkit_reader& in) {
  tcpkit_writer out = tcpkit_writer_over_conn(conn);
  std::array<char, 64> text{};
  size_t size = 0;
  while (tcpkit_read_string(&in, text.data(), text.size(), &size) == TCPKIT_OK) {
    tcpkit_write_int32(&out, static_cast<int32_t>(size));
    tcpkit_write_byte_array(&out, text.data(), size);
  }
  tcpkit_write_int32(&out, in.status);
  EXPECT_EQ(out.status, TCPKIT_OK);
}

std::string int32_bytes(int32_t value) {
  std::string bytes;
  for (const int shift : {24, 16, 8, 0}) bytes += static_cast<char>(value >> shift);
  return bytes;
}

TEST(BlockingValues, ValuesOfOneSegmentAreReadOneAfterTheOther) {
  TestServer server(with_loops(1), with_reader(answer_strings));
  RawClient client = server.connect();
  client.send("\3one\0\5three"s);
  client.half_close();
  EXPECT_EQ(client.receive_all(),
            "\0\0\0\3\3one\0\0\0\0\0\0\0\0\5\5three"s + int32_bytes(TCPKIT_E_END));
}

TEST(BlockingValues, ValuesThatComeByteByByteAreWaitedFor) {
  TestServer server(with_loops(1), with_reader(answer_strings));
  RawClient client = server.connect();
  for (const char byte : "\3one\1x"s) client.send(std::string(1, byte));
  EXPECT_EQ(client.receive(14), "\0\0\0\3\3one\0\0\0\1\1x"s);
  client.half_close();
  EXPECT_EQ(client.receive_all(), int32_bytes(TCPKIT_E_END));
}

TEST(BlockingValues, EndInsideAValueIsUnexpected) {
  TestServer server(with_loops(1), with_reader(answer_strings));
  RawClient client = server.connect();
  client.send("\5thr");
  client.half_close();
  EXPECT_EQ(client.receive_all(), int32_bytes(TCPKIT_E_UNEXPECTED_EOF));
}

TEST(BlockingValues, StringAboveTheLimitIsRefusedAndOneAtTheLimitIsNot) {
  TestServer server(with_loops(1), with_reader(answer_strings));
  RawClient client = server.connect();
  const std::string longest(63, 'x');
  client.send("\x3f" + longest + "\x40" + longest + "x");
  EXPECT_EQ(client.receive_all(),
            "\0\0\0\x3f\x3f"s + longest + int32_bytes(TCPKIT_E_PACKET_TOO_BIG));
}

TEST(BlockingValues, GarbageIsABadVarint) {
  TestServer server(with_loops(1), with_reader(answer_strings));
  RawClient client = server.connect();
  client.send(std::string(6, '\xff'));
  EXPECT_EQ(client.receive_all(), int32_bytes(TCPKIT_E_BAD_VARINT));
}

TEST(BlockingValues, OtherReadsGoOnBehindTheLastValue) {
  TestServer server(with_loops(1), with_reader([](tcpkit_conn* conn, tcpkit_reader& in) {
                      int64_t value = 0;
                      EXPECT_EQ(tcpkit_read_var_long(&in, &value), TCPKIT_OK);
                      EXPECT_EQ(value, std::numeric_limits<int64_t>::min());
                      EXPECT_EQ(read_separated(conn, ";").bytes, "text");
                      EXPECT_EQ(write_text(conn, "done"), TCPKIT_OK);
                    }));
  RawClient client = server.connect();
  client.send(std::string(9, '\x80') + "\1text;");
  EXPECT_EQ(client.receive_all(), "done");
}

TEST(BlockingValues, DeadlineIsAFailureThatStays) {
  TestServer server(with_loops(1), with_reader([](tcpkit_conn* conn, tcpkit_reader& in) {
                      uint8_t value = 0;
                      tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, 0);
                      EXPECT_EQ(tcpkit_read_byte(&in, &value), TCPKIT_E_TIMED_OUT);
                      tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, TCPKIT_UNLIMITED);
                      EXPECT_EQ(tcpkit_read_byte(&in, &value), TCPKIT_E_TIMED_OUT);
                      in.status = TCPKIT_OK;
                      EXPECT_EQ(write_text(conn, "go on"), TCPKIT_OK);
                      EXPECT_EQ(tcpkit_read_byte(&in, &value), TCPKIT_OK);
                      EXPECT_EQ(value, 'x');
                    }));
  RawClient client = server.connect();
  EXPECT_EQ(client.receive(5), "go on");
  client.send("x");
  EXPECT_EQ(client.receive_all(), "");
}

TEST(BlockingValues, ConnectionOnItsLoopIsNotSupported) {
  Behaviour behaviour;
  behaviour.on_open = [](tcpkit_conn* conn) {
    tcpkit_reader in = tcpkit_reader_over_conn(conn);
    tcpkit_writer out = tcpkit_writer_over_conn(conn);
    uint8_t value = 0;
    EXPECT_EQ(tcpkit_read_byte(&in, &value), TCPKIT_E_NOT_SUPPORTED);
    EXPECT_EQ(tcpkit_write_byte(&out, 1), TCPKIT_E_NOT_SUPPORTED);
    tcpkit_conn_close(conn);
  };
  TestServer server(with_loops(1), behaviour);
  EXPECT_EQ(server.connect().receive_all(), "");
}

TEST(BlockingValues, NoConnectionIsAnInvalidArgument) {
  EXPECT_EQ(tcpkit_reader_over_conn(nullptr).status, TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(tcpkit_writer_over_conn(nullptr).status, TCPKIT_E_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace testkit
