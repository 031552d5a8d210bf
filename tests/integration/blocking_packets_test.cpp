// Packets of blocking calls: in the framing of the server, behind a length, before a separator.
#include <gtest/gtest.h>

#include "blocking_support.h"

namespace testkit {
namespace {

using Texts = std::vector<std::string>;

// Sends the bytes in pieces and returns the packets that a handler reads with read(conn), and how
// it ended.
struct Packets {
  Texts texts;
  tcpkit_status end;
};
Packets packets_of(tcpkit_server_options options, const std::string& bytes, size_t piece_size,
                   const std::function<ReadResult(tcpkit_conn*)>& read) {
  Packets packets{};
  Event done;
  TestServer server(options, {.on_connection = [&](tcpkit_conn* conn) {
                      ReadResult result = read(conn);
                      for (; result.status == TCPKIT_OK; result = read(conn)) {
                        packets.texts.push_back(result.bytes);
                      }
                      packets.end = result.status;
                      done.set();
                    }});
  RawClient client = server.connect();
  client.send_in_pieces(bytes, piece_size);
  client.half_close();
  EXPECT_TRUE(done.wait());
  return packets;
}

std::string big_endian4(uint32_t size) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(size >> shift & 0xFF);
  return bytes;
}

std::string little_endian4(uint32_t size) {
  const std::string bytes = big_endian4(size);
  return {bytes.rbegin(), bytes.rend()};
}

struct FramingCase {
  tcpkit_framing framing;
  std::string bytes;
};

// The packets "one", "" (where the framing has such) and "three" in each framing.
std::vector<FramingCase> framing_cases() {
  return {{tcpkit_framing_line(), "one\n\nthree\n"},
          {tcpkit_framing_crlf(), "one\r\n\r\nthree\r\n"},
          {tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN),
           big_endian4(3) + "one" + big_endian4(0) + big_endian4(5) + "three"},
          {tcpkit_framing_length(2, TCPKIT_LITTLE_ENDIAN), std::string("\3\0one\0\0\5\0three", 14)},
          {tcpkit_framing_varint(), std::string("\3one\0\5three", 11)}};
}

TEST(BlockingPackets, OfEveryFramingAreTheSameInEveryCut) {
  for (const FramingCase& each : framing_cases()) {
    for (size_t cut = 1; cut <= each.bytes.size(); ++cut) {
      const Packets packets = packets_of(framed(each.framing), each.bytes, cut, read_packet);
      EXPECT_EQ(packets.texts, (Texts{"one", "", "three"})) << each.framing.kind << " " << cut;
      EXPECT_EQ(packets.end, TCPKIT_E_END);
    }
  }
}

TEST(BlockingPackets, OfAFixedSizeComeWhole) {
  const Packets packets = packets_of(framed(tcpkit_framing_fixed(4)), "abcdefghij", 3, read_packet);
  EXPECT_EQ(packets.texts, (Texts{"abcd", "efgh"}));
  EXPECT_EQ(packets.end, TCPKIT_E_UNEXPECTED_EOF);
}

TEST(BlockingPackets, EchoInTheFramingOfTheServer) {
  TestServer server(framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)),
                    {.on_connection = echo_packets});
  RawClient client = server.connect();
  const std::string large = numbers(900'000);
  const std::string bytes = big_endian4(5) + "hello" + big_endian4(900'000) + large;
  client.send(bytes);
  EXPECT_EQ(client.receive(bytes.size()), bytes);
  EXPECT_EQ(server.metrics().packets_read, 2u);
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().packets_written == 2; }));
}

TEST(BlockingPackets, TooBigOneFailsAsSoonAsItsLengthIsThereAndTheHandlerMayAnswer) {
  tcpkit_server_options options = framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN));
  options.max_packet_size = 10;
  Outcome exact;
  Outcome too_big;
  Outcome again;
  TestServer server(options, {.on_connection = [&](tcpkit_conn* conn) {
                      exact.set(read_packet(conn));
                      too_big.set(read_packet(conn));
                      again.set(read_packet(conn));
                      EXPECT_EQ(write_packet(conn, "no"), TCPKIT_OK);
                    }});
  RawClient client = server.connect();
  client.send(big_endian4(10) + "0123456789" + big_endian4(11));
  EXPECT_EQ(exact.wait().bytes, "0123456789");
  EXPECT_EQ(too_big.status(), TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(again.status(), TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(client.receive_all(), big_endian4(2) + "no");
  client.close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_FRAME_TOO_BIG);
  EXPECT_EQ(server.metrics().frame_errors, 1u);
}

TEST(BlockingPackets, TooBigOneIsSkippedIfTheOptionsSaySo) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.max_packet_size = 4;
  options.oversize = TCPKIT_OVERSIZE_DISCARD;
  const Packets packets = packets_of(options, "four\nfives\nsix\n", 2, read_packet);
  EXPECT_EQ(packets.texts, (Texts{"four", "six"}));
  EXPECT_EQ(packets.end, TCPKIT_E_END);
}

TEST(BlockingPackets, TailIsDeliveredIfTheOptionsSaySo) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.deliver_tail = TCPKIT_ON;
  const Packets packets = packets_of(options, "one\ntail", 64, read_packet);
  EXPECT_EQ(packets.texts, (Texts{"one", "tail"}));
  EXPECT_EQ(packets.end, TCPKIT_E_END);
}

TEST(BlockingPackets, GarbageIsAnErrorOfTheFraming) {
  const std::string six_bytes = "\xFF\xFF\xFF\xFF\xFF\x01";
  const Packets packets = packets_of(framed(tcpkit_framing_varint()), six_bytes, 1, read_packet);
  EXPECT_EQ(packets.texts, Texts());
  EXPECT_EQ(packets.end, TCPKIT_E_BAD_VARINT);
}

TEST(BlockingPackets, NeedAFraming) {
  const Packets packets = packets_of(with_loops(1), "x", 1, read_packet);
  EXPECT_EQ(packets.end, TCPKIT_E_NOT_SUPPORTED);
}

TEST(BlockingPackets, BytesAndPacketsMayBeReadInTurn) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  Texts read;
  Event done;
  TestServer server(options, {.on_connection = [&](tcpkit_conn* conn) {
                      read.push_back(read_packet(conn).bytes);
                      read.push_back(read_exactly(conn, 4).bytes);
                      read.push_back(read_packet(conn).bytes);
                      done.set();
                    }});
  RawClient client = server.connect();
  client.send("size 4\nab\ncdefg\n");
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(read, (Texts{"size 4", "ab\nc", "defg"}));
}

// ---- Behind a length ----

ReadResult read_default_prefixed(tcpkit_conn* conn) {
  return read_prefixed(conn);
}

TEST(BlockingPackets, LengthIsFourBytesInLittleEndianOrderByDefault) {
  const std::string bytes =
      little_endian4(3) + "one" + little_endian4(0) + little_endian4(2) + "ab";
  for (size_t cut = 1; cut <= bytes.size(); ++cut) {
    const Packets packets = packets_of(with_loops(1), bytes, cut, read_default_prefixed);
    EXPECT_EQ(packets.texts, (Texts{"one", "", "ab"})) << cut;
    EXPECT_EQ(packets.end, TCPKIT_E_END);
  }
}

TEST(BlockingPackets, LengthMayHaveOneTwoThreeFourOrEightBytesInEitherOrder) {
  for (const uint32_t size : {1u, 2u, 3u, 4u, 8u}) {
    for (const tcpkit_byte_order order : {TCPKIT_BIG_ENDIAN, TCPKIT_LITTLE_ENDIAN}) {
      tcpkit_length_prefix prefix = TCPKIT_LENGTH_PREFIX_INIT;
      prefix.prefix_size = size;
      prefix.byte_order = order;
      std::string header(size, '\0');
      (order == TCPKIT_BIG_ENDIAN ? header.back() : header.front()) = 5;
      const Packets packets =
          packets_of(with_loops(1), header + "hello", 2,
                     [&](tcpkit_conn* conn) { return read_prefixed(conn, &prefix); });
      EXPECT_EQ(packets.texts, Texts{"hello"}) << size << " " << order;
    }
  }
}

TEST(BlockingPackets, LengthBeyondTheLimitIsRefusedUnsignedAndTakesNothing) {
  tcpkit_length_prefix prefix = TCPKIT_LENGTH_PREFIX_INIT;
  prefix.prefix_size = 8;
  prefix.max_size = 10;
  const Packets packets =
      packets_of(with_loops(1), std::string(8, '\xFF'), 8,
                 [&](tcpkit_conn* conn) { return read_prefixed(conn, &prefix); });
  EXPECT_EQ(packets.end, TCPKIT_E_PACKET_TOO_BIG);
  Texts texts;
  Event done;
  TestServer server(with_loops(1), {.on_connection = [&](tcpkit_conn* conn) {
                      tcpkit_length_prefix small = TCPKIT_LENGTH_PREFIX_INIT;
                      small.max_size = 4;
                      EXPECT_EQ(read_prefixed(conn, &small).status, TCPKIT_E_PACKET_TOO_BIG);
                      small.max_size = 5;
                      texts.push_back(read_prefixed(conn, &small).bytes);
                      done.set();
                    }});
  RawClient client = server.connect();
  client.send(little_endian4(5) + "hello");
  ASSERT_TRUE(done.wait());
  EXPECT_EQ(texts, Texts{"hello"});
}

TEST(BlockingPackets, StreamThatEndsInsideOneIsUnexpected) {
  for (const std::string& bytes : {std::string("\5\0", 2), little_endian4(5) + "hel"}) {
    const Packets packets = packets_of(with_loops(1), bytes, 64, read_default_prefixed);
    EXPECT_EQ(packets.end, TCPKIT_E_UNEXPECTED_EOF);
  }
}

// ---- Before a separator ----

TEST(BlockingPackets, SeparatorOfSeveralBytesIsFoundInEveryCut) {
  const std::string bytes = "one--two-three----four--";
  for (size_t cut = 1; cut <= bytes.size(); ++cut) {
    const Packets packets = packets_of(
        with_loops(1), bytes, cut, [](tcpkit_conn* conn) { return read_separated(conn, "--"); });
    EXPECT_EQ(packets.texts, (Texts{"one", "two-three", "", "four"})) << cut;
    EXPECT_EQ(packets.end, TCPKIT_E_END);
  }
}

TEST(BlockingPackets, SeparatorBeyondTheLimitIsTooBigAndAtItIsNot) {
  for (size_t cut : {1u, 64u}) {
    const Packets packets =
        packets_of(with_loops(1), "0123\r\n01234\r\n", cut,
                   [](tcpkit_conn* conn) { return read_separated(conn, "\r\n", 4); });
    EXPECT_EQ(packets.texts, Texts{"0123"});
    EXPECT_EQ(packets.end, TCPKIT_E_PACKET_TOO_BIG);
  }
}

TEST(BlockingPackets, WrongArgumentsAreRefused) {
  Event done;
  TestServer server(
      with_loops(1), {.on_connection = [&](tcpkit_conn* conn) {
        tcpkit_length_prefix prefix = TCPKIT_LENGTH_PREFIX_INIT;
        prefix.prefix_size = 5;
        EXPECT_EQ(read_prefixed(conn, &prefix).status, TCPKIT_E_INVALID_ARGUMENT);
        prefix = TCPKIT_LENGTH_PREFIX_INIT;
        prefix.struct_size = 4;
        EXPECT_EQ(read_prefixed(conn, &prefix).status, TCPKIT_E_STRUCT_SIZE);
        EXPECT_EQ(read_separated(conn, "").status, TCPKIT_E_INVALID_ARGUMENT);
        char byte = 0;
        size_t size = 0;
        EXPECT_EQ(tcpkit_conn_read(conn, &byte, 0, &size), TCPKIT_E_INVALID_ARGUMENT);
        EXPECT_EQ(tcpkit_conn_read(conn, nullptr, 1, &size), TCPKIT_E_INVALID_ARGUMENT);
        EXPECT_EQ(tcpkit_conn_read(conn, &byte, 1, nullptr), TCPKIT_E_INVALID_ARGUMENT);
        EXPECT_EQ(tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_IDLE, 1),
                  TCPKIT_E_INVALID_ARGUMENT);
        EXPECT_EQ(tcpkit_conn_read_packet(nullptr, nullptr, nullptr), TCPKIT_E_INVALID_ARGUMENT);
        done.set();
      }});
  RawClient client = server.connect();
  EXPECT_TRUE(done.wait());
}

}  // namespace
}  // namespace testkit
