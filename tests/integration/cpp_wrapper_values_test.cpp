// The parts of tcpkit.hpp that need no server: framers, options, addresses, buffers, version.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "tcpkit.hpp"

namespace {

TEST(CppFramer, CutsAndEncodesPackets) {
  tcpkit::Framer framer{{tcpkit::Framing::length(2)}};
  std::vector<std::uint8_t> frame;
  ASSERT_TRUE(framer.encode("abc", frame).ok());
  EXPECT_EQ(frame, (std::vector<std::uint8_t>{0, 3, 'a', 'b', 'c'}));
  std::optional<tcpkit::Bytes> packet;
  ASSERT_TRUE(framer.push(tcpkit::Bytes(frame.data(), 4)).ok());
  ASSERT_TRUE(framer.next(packet).ok());
  EXPECT_FALSE(packet);
  ASSERT_TRUE(framer.push(tcpkit::Bytes(frame.data() + 4, 1)).ok());
  ASSERT_TRUE(framer.next(packet).ok());
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->text(), "abc");
}

TEST(CppFramer, TellsAnEmptyPacketFromNone) {
  tcpkit::Framer framer{{tcpkit::Framing::line()}};
  ASSERT_TRUE(framer.push("\n").ok());
  std::optional<tcpkit::Bytes> packet;
  ASSERT_TRUE(framer.next(packet).ok());
  ASSERT_TRUE(packet);
  EXPECT_TRUE(packet->empty());
  ASSERT_TRUE(framer.next(packet).ok());
  EXPECT_FALSE(packet);
}

TEST(CppFramer, GivesTheTailWhenAskedTo) {
  tcpkit::FramerOptions options;
  options.framing = tcpkit::Framing::crlf();
  options.deliver_tail = TCPKIT_ON;
  tcpkit::Framer framer{options};
  ASSERT_TRUE(framer.push("tail").ok());
  std::optional<tcpkit::Bytes> tail;
  std::size_t size = 0;
  ASSERT_TRUE(framer.finish(tail, &size).ok());
  ASSERT_TRUE(tail);
  EXPECT_EQ(tail->text(), "tail");
  EXPECT_EQ(size, 4u);
}

TEST(CppFramer, ReportsAPacketThatIsTooBig) {
  tcpkit::FramerOptions options;
  options.framing = tcpkit::Framing::line();
  options.max_packet_size = 4;
  tcpkit::Framer framer{options};
  ASSERT_TRUE(framer.push("12345\n").ok());
  std::optional<tcpkit::Bytes> packet;
  EXPECT_EQ(framer.next(packet), TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(tcpkit::Status(TCPKIT_E_PACKET_TOO_BIG).status_class(), TCPKIT_CLASS_PROTOCOL);
}

// Packets of one length byte that counts words of `word_size` bytes; a packet of none throws.
class WordFramer {
 public:
  explicit WordFramer(std::size_t word_size) : word_size_(word_size) {}

  std::int32_t next(tcpkit::Bytes data, tcpkit::Frame& out) {
    if (data[0] == 0) throw std::runtime_error("no words");
    const std::size_t size = data[0] * word_size_;
    out = {1 + size, 1, size, size};
    return data.size() < out.frame_size ? TCPKIT_FRAME_MORE : TCPKIT_FRAME_PACKET;
  }
  tcpkit::Status encode(tcpkit::Bytes packet, tcpkit::FrameEnvelope& out) const {
    if (packet.size() % word_size_ != 0) return TCPKIT_E_BAD_FRAME;
    out.header_size = 1;
    out.header[0] = static_cast<std::uint8_t>(packet.size() / word_size_);
    return {};
  }

 private:
  std::size_t word_size_;
};

TEST(CppFramer, WorksWithAFramerClassOfTheUser) {
  const WordFramer words(2);
  tcpkit::Framer framer{{tcpkit::Framing::custom(words)}};
  std::vector<std::uint8_t> frame;
  ASSERT_TRUE(framer.encode("abcd", frame).ok());
  EXPECT_EQ(tcpkit::Bytes(frame).text(), "\2abcd");
  EXPECT_EQ(framer.encode("odd", frame), TCPKIT_E_BAD_FRAME);
  ASSERT_TRUE(framer.push(frame).ok());
  std::optional<tcpkit::Bytes> packet;
  ASSERT_TRUE(framer.next(packet).ok());
  ASSERT_TRUE(packet);
  EXPECT_EQ(packet->text(), "abcd");
  ASSERT_TRUE(framer.push(tcpkit::Bytes("\0", 1)).ok());
  EXPECT_EQ(framer.next(packet), TCPKIT_E_CALLBACK);
}

TEST(CppOptions, AreSetFromText) {
  tcpkit::ServerOptions options;
  options.set("max-packet-size", "64k");
  options.set("listen", "tcp://127.0.0.1:0");
  options.set("framing", "len2le");
  options.set("no_delay", "off");
  EXPECT_EQ(options.max_packet_size, 65536u);
  EXPECT_EQ(options.listen, "tcp://127.0.0.1:0");
  EXPECT_EQ(options.framing.length_size, 2u);
  EXPECT_EQ(options.no_delay, TCPKIT_OFF);
}

TEST(CppStatus, KnowsTheSecondSuccessOfSends) {
  constexpr tcpkit::Status above(TCPKIT_OK_ABOVE_HIGH);
  EXPECT_TRUE(above.ok());
  EXPECT_TRUE(above.above_high());
  EXPECT_NO_THROW(above.or_throw());
  EXPECT_TRUE(tcpkit::Status(TCPKIT_OK).ok());
  EXPECT_FALSE(tcpkit::Status(TCPKIT_OK).above_high());
  EXPECT_FALSE(tcpkit::Status(TCPKIT_E_QUEUE_FULL).ok());
  EXPECT_THROW(tcpkit::Status(TCPKIT_E_QUEUE_FULL).or_throw(), tcpkit::Error);
}

TEST(CppOptions, ThrowWithTheNameOfAnUnknownKey) {
  tcpkit::ServerOptions options;
  try {
    options.set("no_such_key", "1");
    FAIL() << "an unknown key was accepted";
  } catch (const tcpkit::Error& error) {
    EXPECT_EQ(error.status(), TCPKIT_E_UNKNOWN_OPTION);
    EXPECT_NE(std::string(error.what()).find("no_such_key"), std::string::npos) << error.what();
  }
}

// A field that the C struct has and the C++ struct lacks would lose the value here.
TEST(CppOptions, CarryEveryOptionThatCanBeSetFromText) {
  for (const tcpkit_option_info& info : tcpkit::server_option_infos()) {
    const std::string syntax = info.value_syntax;
    const std::string value = info.key == std::string("framing") ? "line"
                              : syntax == "on|off"               ? "on"
                              : syntax == "close|discard"        ? "discard"
                              : syntax == "reset|wait"           ? "wait"
                              : syntax.starts_with("off|")       ? "optional"
                                                                 : "4096";
    tcpkit::ServerOptions options;
    tcpkit_server_options raw = TCPKIT_SERVER_OPTIONS_INIT;
    if (tcpkit_server_options_set(&raw, info.key, value.c_str()) != TCPKIT_OK) continue;
    ASSERT_NO_THROW(options.set(info.key, value)) << info.key;
    tcpkit_server_options carried = TCPKIT_SERVER_OPTIONS_INIT;
    tcpkit::detail::copy_plain_options(options, carried);
    carried.listen = raw.listen;
    carried.proxy_trusted = raw.proxy_trusted;
    EXPECT_EQ(std::memcmp(&carried, &raw, sizeof raw), 0) << info.key;
  }
}

TEST(CppAddress, IsTakenApartAndPutTogether) {
  const tcpkit::Address address = tcpkit::Address::parse("tcp6://[::1]:7000");
  EXPECT_EQ(address.network(), TCPKIT_NETWORK_TCP6);
  EXPECT_EQ(address.host(), "::1");
  EXPECT_EQ(address.port(), 7000u);
  EXPECT_EQ(address.text(), "tcp6://[::1]:7000");
  EXPECT_THROW(tcpkit::Address::parse("tcp://127.0.0.1:70000"), tcpkit::Error);
}

TEST(CppBuffer, SharesItsBytesAndFreesThemWithTheLastReference) {
  struct Counted : std::string {
    explicit Counted(std::shared_ptr<int> t) : std::string("bytes"), token(std::move(t)) {}
    std::shared_ptr<int> token;
  };
  const auto token = std::make_shared<int>(0);
  {
    tcpkit::Buffer copy;
    {
      const tcpkit::Buffer buffer = tcpkit::Buffer::hold(Counted(token));
      copy = buffer;
      EXPECT_EQ(copy.bytes().data(), buffer.bytes().data());
    }
    EXPECT_EQ(copy.bytes().text(), "bytes");
    EXPECT_EQ(token.use_count(), 2);
  }
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(tcpkit::Buffer("copied").bytes().text(), "copied");
}

TEST(CppVersion, OfHeaderAndLibraryAgree) {
  EXPECT_EQ(tcpkit::version_number(), TCPKIT_VERSION_NUMBER);
  EXPECT_STREQ(tcpkit::version_text(), TCPKIT_VERSION_TEXT);
}

}  // namespace
