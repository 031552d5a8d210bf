// Reading and writing in a coroutine per connection, against real sockets.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "integration/cpp_coroutine_support.h"
#include "integration/cpp_tls_client.h"

namespace {

using namespace cpp_support;
using namespace std::chrono_literals;
using tcpkit::CoConn;
using tcpkit::Task;

Task<> echo_bytes(CoConn conn) {
  std::array<char, 16> buffer;
  while (auto got = co_await conn.read(buffer)) co_await conn.write(*got);
}

Task<> echo_packets(CoConn conn) {
  while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
}

TEST(CppCoroutine, EchoesBytesThroughABufferSmallerThanWhatArrives) {
  const CoServer server(byte_options(), echo_bytes);
  const Client client(server.address());
  const std::string text(1000, 'x');
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.send(text));
    ASSERT_EQ(text, client.receive(text.size()));
  }
}

TEST(CppCoroutine, EchoesPacketsAlsoSeveralOfOneRead) {
  const CoServer server(line_options(), echo_packets);
  const Client client(server.address());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(client.send("one\ntwo\n\nthree and more\n"));
    ASSERT_EQ("one\ntwo\n\nthree and more\n", client.receive(24));
  }
}

TEST(CppCoroutine, SendsAPartOfAPacketAndWhatItMadeOfIt) {
  const CoServer server(line_options(), [](CoConn conn) -> Task<> {
    while (auto packet = co_await conn.read_packet()) {
      co_await conn.write_packet(packet->text().substr(2));
      co_await conn.write_packet("<" + text_of(*packet) + ">");
    }
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("abcdef\nxy\n"));
  EXPECT_EQ("cdef\n<abcdef>\n\n<xy>\n", client.receive(20));
}

TEST(CppCoroutine, ClosesTheConnectionWhenItReturnsAfterAllHasLeft) {
  CoServer server(byte_options(),
                  [](CoConn conn) -> Task<> { co_await conn.write(std::string(4 << 20, 'y')); });
  const Client client(server.address());
  EXPECT_EQ(std::string(4 << 20, 'y'), client.receive(4 << 20));
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.closed().reason);
}

TEST(CppCoroutine, ClosesAConnectionWhoseCoroutineNeverWaits) {
  CoServer server(byte_options(), [](CoConn) -> Task<> { co_return; });
  const Client client(server.address());
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.closed().reason);
}

TEST(CppCoroutine, IsToldTheEndOfTheStreamAfterTheLastPacketAndMayStillAnswer) {
  Mailbox<tcpkit_status> told;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    int packets = 0;
    for (;;) {
      auto packet = co_await conn.read_packet();
      if (!packet) {
        told.put(packet.status().code());
        break;
      }
      ++packets;
    }
    told.put((co_await conn.read_packet()).status().code());
    co_await conn.write_packet(std::to_string(packets));
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("a\nb\nc\n"));
  client.end_stream();
  EXPECT_EQ("3\n", client.receive(2));
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_E_END, TCPKIT_E_END}), told.wait_for(2));
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.closed().reason);
}

// Three values of four bytes, sent in every cut into two pieces.
TEST(CppCoroutine, ReadsExactlySoManyBytesInEveryCut) {
  Mailbox<std::string> told;
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    std::array<std::uint8_t, 4> value;
    while (auto got = co_await conn.read_exactly(value)) {
      told.put(text_of(*got));
      co_await conn.write("k");
    }
    told.put("end");
  });
  const std::string stream = "aaaabbbbcccc";
  std::size_t values = 0;
  for (std::size_t cut = 1; cut < stream.size(); ++cut) {
    const Client client(server.address());
    ASSERT_TRUE(client.send(stream.substr(0, cut)));
    ASSERT_EQ(cut / 4, client.receive(cut / 4).size());
    ASSERT_TRUE(client.send(stream.substr(cut)));
    ASSERT_EQ(3 - cut / 4, client.receive(3 - cut / 4).size());
    client.end_stream();
    values += 4;
    const auto all = told.wait_for(values);
    ASSERT_EQ(values, all.size());
    EXPECT_EQ("aaaa", all[values - 4]);
    EXPECT_EQ("bbbb", all[values - 3]);
    EXPECT_EQ("cccc", all[values - 2]);
    EXPECT_EQ("end", all[values - 1]);
  }
}

TEST(CppCoroutine, ReadsAValueThatComesOneByteAtATime) {
  Mailbox<std::string> told;
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    std::string value(10, ' ');
    while (auto got = co_await conn.read_exactly(value)) {
      told.put(text_of(*got));
      co_await conn.write("k");
    }
  });
  const Client client(server.address());
  for (const char byte : std::string("0123456789abcdefghij")) {
    ASSERT_TRUE(client.send(std::string(1, byte)));
  }
  EXPECT_EQ(2u, client.receive(2).size());
  EXPECT_EQ((std::vector<std::string>{"0123456789", "abcdefghij"}), told.wait_for(2));
}

TEST(CppCoroutine, IsToldThatAStreamEndsInsideAValue) {
  Mailbox<tcpkit_status> told;
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    std::array<char, 4> value;
    for (;;) {
      auto got = co_await conn.read_exactly(value);
      told.put(got.status().code());
      if (!got) break;
    }
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("wholehal"));  // two values
  ASSERT_TRUE(client.send("f"));
  client.end_stream();
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_OK, TCPKIT_OK, TCPKIT_E_UNEXPECTED_EOF}),
            told.wait_for(3));
}

TEST(CppCoroutine, ReadsWhatIsKeptBeforeTheEndThatFollows) {
  Mailbox<std::string> told;
  const CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    std::array<char, 3> buffer;
    (void)co_await conn.read(buffer);
    told.put("read");
    if (!(co_await conn.sleep_for(30ms)).ok()) co_return;
    while (auto got = co_await conn.read(buffer)) told.put(text_of(*got));
    told.put("end");
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("abcdefgh"));
  client.end_stream();
  EXPECT_EQ((std::vector<std::string>{"read", "def", "gh", "end"}), told.wait_for(4));
}

TEST(CppCoroutine, KeepsAPacketValidUntilTheNextReadWhateverItWaitsFor) {
  const CoServer server(line_options(), [](CoConn conn) -> Task<> {
    while (auto packet = co_await conn.read_packet()) {
      const std::string_view view = packet->text();
      if (!(co_await conn.sleep_for(5ms)).ok()) co_return;
      co_await conn.write_packet(view);
    }
  });
  const Client first(server.address());
  const Client second(server.address());
  ASSERT_TRUE(first.send("first one\nsecond one\nthird\n"));
  ASSERT_TRUE(second.send("another connection\n"));
  EXPECT_EQ("first one\nsecond one\nthird\n", first.receive(27));
  EXPECT_EQ("another connection\n", second.receive(19));
}

TEST(CppCoroutine, KeepsLargePacketsWithoutHoldingOnToTheirMemory) {
  const CoServer server(line_options(), echo_packets);
  const Client client(server.address());
  for (const std::size_t size : {200'000u, 10u, 50'000u, 17'000u, 0u, 100'000u}) {
    const std::string line = std::string(size, 'z') + "\n";
    ASSERT_TRUE(client.send(line));
    ASSERT_EQ(line, client.receive(line.size()));
  }
}

TEST(CppCoroutine, RefusesReadsThatCannotWork) {
  Mailbox<tcpkit_status> told;
  const CoServer framed(line_options(), [&](CoConn conn) -> Task<> {
    std::array<char, 4> buffer;
    told.put((co_await conn.read(buffer)).status().code());
    told.put((co_await conn.read_exactly(buffer)).status().code());
    told.put((co_await conn.read_exactly(std::span(buffer.data(), 0))).status().code());
  });
  const CoServer plain(byte_options(), [&](CoConn conn) -> Task<> {
    std::string empty;
    told.put((co_await conn.read_packet()).status().code());
    told.put((co_await conn.read(empty)).status().code());
    told.put((co_await conn.read_exactly(empty)).status().code());
    told.put((co_await conn.write_packet("x")).code());
  });
  const Client first(framed.address());
  ASSERT_TRUE(first.sees_end());
  const Client second(plain.address());
  EXPECT_EQ(
      (std::vector<tcpkit_status>{TCPKIT_E_NOT_SUPPORTED, TCPKIT_E_NOT_SUPPORTED,
                                  TCPKIT_E_NOT_SUPPORTED, TCPKIT_E_NOT_SUPPORTED,
                                  TCPKIT_E_INVALID_ARGUMENT, TCPKIT_OK, TCPKIT_E_NOT_SUPPORTED}),
      told.wait_for(7));
}

TEST(CppCoroutine, AllowsOneReaderAtATime) {
  Mailbox<tcpkit_status> told;
  const CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    conn.spawn(
        [&](CoConn same) -> Task<> { told.put((co_await same.read_packet()).status().code()); });
    told.put((co_await conn.read_packet()).status().code());
    (void)co_await conn.sleep_for(10s);
  });
  const Client client(server.address());
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, told.wait_for(1).at(0));
  ASSERT_TRUE(client.send("for the first one\n"));
  EXPECT_EQ(TCPKIT_OK, told.wait_for(2).at(1));
}

TEST(CppCoroutine, ThrowsOnlyWhereTheUserAsksForIt) {
  Mailbox<tcpkit_status> told;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    try {
      for (;;) (void)(co_await conn.read_packet()).or_throw();
    } catch (const tcpkit::Error& error) {
      told.put(error.status().code());
    }
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("a\n"));
  client.end_stream();
  EXPECT_EQ(TCPKIT_E_END, told.wait_for(1).at(0));
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.closed().reason);
}

TEST(CppCoroutine, CallsTasksOfItsOwnForEachPacket) {
  const auto answer_to = [](CoConn conn, std::string packet) -> Task<std::string> {
    if (packet == "slow" && !(co_await conn.sleep_for(5ms)).ok()) co_return "gone";
    co_return packet + "!";
  };
  const CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    while (auto packet = co_await conn.read_packet()) {
      co_await conn.write_packet(co_await answer_to(conn, text_of(*packet)));
    }
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("fast\nslow\nfast\n"));
  EXPECT_EQ("fast!\nslow!\nfast!\n", client.receive(18));
}

TEST(CppCoroutine, SpeaksTlsLikeAnyOther) {
  tcpkit::TlsOptions tls;
  tls.self_signed = "localhost";
  tcpkit::ServerOptions options = line_options();
  options.tls = std::make_shared<tcpkit::Tls>(tls);
  const CoServer server(options, [](CoConn conn) -> Task<> {
    co_await conn.write_packet(conn.tls_info()->server_name);
    while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
  });
  const Client socket(server.address());
  TlsClient client(socket);
  ASSERT_TRUE(client.handshake());
  EXPECT_EQ("localhost\n", client.receive(10));
  const std::string line = std::string(40'000, 't') + "\n";
  ASSERT_TRUE(client.send(line));
  EXPECT_EQ(line, client.receive(line.size()));
}

TEST(CppCoroutine, GoesOverToTlsInTheMiddle) {
  const tcpkit::TlsOptions options = [] {
    tcpkit::TlsOptions made;
    made.self_signed = "localhost";
    return made;
  }();
  const tcpkit::Tls tls(options);
  const CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    if (!co_await conn.read_packet()) co_return;
    co_await conn.write_packet("go ahead");
    if (!conn.start_tls(tls).ok()) co_return;
    while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
  });
  const Client socket(server.address());
  ASSERT_TRUE(socket.send("STARTTLS\n"));
  ASSERT_EQ("go ahead\n", socket.receive(9));
  TlsClient client(socket);
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(client.send("secret\n"));
  EXPECT_EQ("secret\n", client.receive(7));
}

// Somebody in between may have put it there, to be taken for what the peer says over TLS.
TEST(CppCoroutine, DoesNotTakeClearBytesThatItKeptOverToTls) {
  tcpkit::TlsOptions options;
  options.self_signed = "localhost";
  const tcpkit::Tls tls(options);
  Mailbox<tcpkit_status> told;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    if (!co_await conn.read_packet()) co_return;
    if (!(co_await conn.sleep_for(20ms)).ok()) co_return;  // the second line is kept meanwhile
    told.put(conn.start_tls(tls).code());
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("STARTTLS\nDELETE everything\n"));
  EXPECT_EQ(TCPKIT_E_CLOSED, told.wait_for(1).at(0));
  EXPECT_EQ(TCPKIT_CLOSE_ABORTED, server.closed().reason);
}

TEST(CppCoroutine, TakesThePlaceOfTheHandlersAboutInput) {
  tcpkit::Server server{line_options()};
  server.on_connection(echo_packets);
  server.on_packet([](tcpkit::ConnRef, tcpkit::Bytes) {});
  try {
    server.listen(kLoopback);
    FAIL() << "it did not throw";
  } catch (const tcpkit::Error& error) {
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, error.status().code());
  }
}

}  // namespace
