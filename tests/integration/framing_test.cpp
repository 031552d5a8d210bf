// Packets over real sockets: they do not depend on how the bytes came, and bad bytes do no harm.
#include <array>

#include "server_fixture.h"

using namespace testkit;

namespace {

tcpkit_framing parsed(const char* text) {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_framing_parse(text, &framing)) << text;
  return framing;
}

// The frame of a packet as the encoder twin makes it.
std::string frame_of(const tcpkit_framing& framing, std::string_view packet) {
  tcpkit_framer_options options = TCPKIT_FRAMER_OPTIONS_INIT;
  options.framing = framing;
  options.max_packet_size = TCPKIT_UNLIMITED_SIZE;
  tcpkit_framer* framer = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_framer_create(&options, &framer));
  std::string frame(packet.size() + 128, '\0');
  size_t size = 0;
  EXPECT_EQ(TCPKIT_OK, tcpkit_framer_encode(framer, {packet.data(), packet.size()}, frame.data(),
                                            frame.size(), &size));
  tcpkit_framer_free(framer);
  frame.resize(size);
  return frame;
}

// Every framing that packets of any size fit into.
constexpr std::array<const char*, 14> kFramings = {
    "line",   "crlf",   "nul",    "separator:<end>", "len1",   "len2be", "len2le",
    "len3be", "len4be", "len4le", "len8be",          "len8le", "varint", "varlong"};

class EveryFraming : public ::testing::TestWithParam<const char*> {};

std::string test_name(const ::testing::TestParamInfo<const char*>& info) {
  std::string name;
  for (const char* c = info.param; *c != '\0'; ++c) {
    if (isalnum(static_cast<unsigned char>(*c)) != 0) name += *c;
  }
  return name;
}

TEST_P(EveryFraming, GivesTheSamePacketsForOneByteAtATimeThreeReadsAndOneRead) {
  const tcpkit_framing framing = parsed(GetParam());
  const std::vector<std::string> packets = {"first", "", "the third packet", "4",
                                            std::string(90, 'x')};
  std::string stream;
  for (const std::string& packet : packets) stream += frame_of(framing, packet);
  TestServer server(framed(framing));
  for (const size_t piece : {size_t{1}, stream.size() / 3 + 1, stream.size()}) {
    const size_t before = server.packets().size();
    RawClient client = server.connect();
    client.send_in_pieces(stream, piece);
    ASSERT_TRUE(server.wait_packets(before + packets.size())) << "pieces of " << piece;
    const std::vector<std::string> all = server.packet_texts();
    EXPECT_EQ(packets,
              std::vector<std::string>(all.begin() + static_cast<ptrdiff_t>(before), all.end()));
  }
}

TEST_P(EveryFraming, EchoesThroughItsEncoder) {
  const tcpkit_framing framing = parsed(GetParam());
  TestServer server(framed(framing), echo());
  RawClient client = server.connect();
  const std::string stream = frame_of(framing, "ping") + frame_of(framing, "pong");
  client.send(stream);
  EXPECT_EQ(stream, client.receive(stream.size()));
}

TEST_P(EveryFraming, ClosesWithFrameTooBigOnAnOversizePacket) {
  const tcpkit_framing framing = parsed(GetParam());
  tcpkit_server_options options = framed(framing);
  options.max_packet_size = 16;
  TestServer server(options);
  RawClient client = server.connect();
  client.send(frame_of(framing, "fits") + frame_of(framing, std::string(17, 'x')) +
              frame_of(framing, "late"));
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_FRAME_TOO_BIG, info.reason);
  EXPECT_EQ(TCPKIT_E_PACKET_TOO_BIG, info.status);
  EXPECT_EQ(std::vector<std::string>{"fits"}, server.packet_texts());
  EXPECT_EQ(1u, server.metrics().frame_errors);
}

TEST_P(EveryFraming, DiscardsExactlyTheOversizePacket) {
  const tcpkit_framing framing = parsed(GetParam());
  tcpkit_server_options options = framed(framing);
  options.max_packet_size = 16;
  options.oversize = TCPKIT_OVERSIZE_DISCARD;
  TestServer server(options);
  RawClient client = server.connect();
  const std::string stream = frame_of(framing, "fits") + frame_of(framing, std::string(200, 'x')) +
                             frame_of(framing, "next") + frame_of(framing, std::string(17, 'y')) +
                             frame_of(framing, std::string(16, 'z'));
  client.send_in_pieces(stream, 7);
  ASSERT_TRUE(server.wait_packets(3));
  EXPECT_EQ((std::vector<std::string>{"fits", "next", std::string(16, 'z')}),
            server.packet_texts());
  EXPECT_EQ(2u, server.metrics().packets_discarded);
}

INSTANTIATE_TEST_SUITE_P(Framing, EveryFraming, ::testing::ValuesIn(kFramings), test_name);

TEST(Framing, NeverMixesTheBytesOfInterleavedClients) {
  TestServer server(framed(tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN)), echo());
  constexpr size_t kClients = 20;
  std::vector<RawClient> clients;
  std::vector<std::string> frames;
  for (size_t i = 0; i < kClients; ++i) {
    clients.push_back(server.connect());
    frames.push_back(frame_of(tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN),
                              std::string(50 + i, static_cast<char>('a' + i))));
  }
  for (size_t position = 0; position < 80; position += 3) {
    for (size_t i = 0; i < kClients; ++i) {
      if (position < frames[i].size()) clients[i].send(frames[i].substr(position, 3));
    }
  }
  for (size_t i = 0; i < kClients; ++i) {
    EXPECT_EQ(frames[i], clients[i].receive(frames[i].size())) << "client " << i;
  }
  EXPECT_EQ(kClients, server.packets().size());
}

TEST(Framing, DeliversFortyLegalPacketsWhoseSumExceedsTheLimit) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.max_packet_size = 100;
  TestServer server(options);
  RawClient client = server.connect();
  std::string stream;
  std::vector<std::string> packets;
  for (int i = 0; i < 40; ++i) {
    packets.push_back(std::to_string(i) + std::string(90, 'x'));
    stream += packets.back() + "\n";
  }
  client.send(stream);
  ASSERT_TRUE(server.wait_packets(40));
  EXPECT_EQ(packets, server.packet_texts());
}

TEST(Framing, DeliversAPacketLargerThanTheReadBuffer) {
  tcpkit_server_options options = framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN));
  options.read_buffer_size = 1024;
  options.max_packet_size = 4u << 20;
  TestServer server(options, echo());
  RawClient client = server.connect();
  std::string packet(3u << 20, '\0');
  for (size_t i = 0; i < packet.size(); ++i) packet[i] = static_cast<char>(i * 31 >> 3);
  const std::string frame = frame_of(options.framing, packet);
  client.send(frame);
  ASSERT_TRUE(server.wait_packets(1));
  EXPECT_EQ(packet, server.packets()[0].bytes);
  EXPECT_TRUE(client.receive(frame.size()) == frame);
}

struct BadBytes {
  const char* name;
  const char* framing;
  std::string_view bytes;
  tcpkit_close_reason reason;
};

using namespace std::string_view_literals;
constexpr BadBytes kBadBytes[] = {
    {"LargestEightBytePrefix", "len8be", "\xff\xff\xff\xff\xff\xff\xff\xff"sv,
     TCPKIT_CLOSE_FRAME_TOO_BIG},
    {"LargestFourBytePrefix", "len4le", "\xff\xff\xff\xff"sv, TCPKIT_CLOSE_FRAME_TOO_BIG},
    {"NegativeVarLong", "varlong", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"sv,
     TCPKIT_CLOSE_FRAME_TOO_BIG},
    {"NegativeVarInt", "varint", "\xff\xff\xff\xff\x0f"sv, TCPKIT_CLOSE_FRAME_TOO_BIG},
    {"SixByteVarInt", "varint", "\x80\x80\x80\x80\x80\x01"sv, TCPKIT_CLOSE_FRAME_ERROR},
    {"ElevenByteVarLong", "varlong", "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"sv,
     TCPKIT_CLOSE_FRAME_ERROR},
    {"FourByteMinecraftLength", "minecraft", "\x80\x80\x80\x80"sv, TCPKIT_CLOSE_FRAME_ERROR},
    {"FiveByteMqttLength", "mqtt", "\x30\xff\xff\xff\xff\x01"sv, TCPKIT_CLOSE_FRAME_ERROR},
};

class BadStream : public ::testing::TestWithParam<BadBytes> {};

TEST_P(BadStream, ClosesThatConnectionAndServesTheOthers) {
  TestServer server(framed(parsed(GetParam().framing)), echo());
  RawClient good = server.connect();
  RawClient bad = server.connect();
  bad.send_in_pieces(GetParam().bytes, 1);
  EXPECT_NE(StreamEnd::kDeadline, bad.wait_for_end());
  bad.close();
  EXPECT_EQ(GetParam().reason, server.close_info().reason);
  EXPECT_EQ(1u, server.metrics().frame_errors);
  // As MQTT a whole packet, elsewhere two bytes like any.
  const std::string frame = frame_of(parsed(GetParam().framing), "\x30\0"sv);
  good.send(frame);
  EXPECT_EQ(frame, good.receive(frame.size()));
}

INSTANTIATE_TEST_SUITE_P(Framing, BadStream, ::testing::ValuesIn(kBadBytes),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Framing, RefusesAnEmptySeparator) {
  tcpkit_server_options options = framed(tcpkit_framing_separator("", 0));
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options, nullptr, &server));
  EXPECT_NE(std::string::npos, TestServer::last_error().find("separator"));
}

TEST(Framing, CountsATailThatIsNotDelivered) {
  TestServer server(framed(tcpkit_framing_line()));
  RawClient client = server.connect();
  client.send("whole\nhalf");
  client.half_close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, info.reason);
  EXPECT_EQ(4u, info.partial_bytes);
  EXPECT_EQ(std::vector<std::string>{"whole"}, server.packet_texts());
  EXPECT_EQ(1u, server.metrics().tails);
  EXPECT_EQ(4u, server.metrics().tail_bytes);
}

TEST(Framing, DeliversATailOnRequest) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.deliver_tail = TCPKIT_ON;
  TestServer server(options);
  RawClient client = server.connect();
  client.send("whole\nhalf");
  client.half_close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ((std::vector<std::string>{"whole", "half"}), server.packet_texts());
  EXPECT_EQ(1u, server.metrics().tails);
}

TEST(Framing, DoesNotDeliverTheTailOfADiscardedPacket) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.deliver_tail = TCPKIT_ON;
  options.max_packet_size = 8;
  options.oversize = TCPKIT_OVERSIZE_DISCARD;
  TestServer server(options);
  RawClient client = server.connect();
  client.send("ok\n" + std::string(50, 'x'));
  client.half_close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(std::vector<std::string>{"ok"}, server.packet_texts());
}

TEST(Framing, DeliversFixedPackets) {
  TestServer server(framed(tcpkit_framing_fixed(3)), echo());
  RawClient client = server.connect();
  client.send_in_pieces("abcdefgh", 2);
  EXPECT_EQ("abcdef", client.receive(6));
  EXPECT_EQ((std::vector<std::string>{"abc", "def"}), server.packet_texts());
}

}  // namespace
