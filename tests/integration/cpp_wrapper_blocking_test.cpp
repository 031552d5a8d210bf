// Blocking calls through tcpkit.hpp, against real sockets.
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <string>

#include "integration/cpp_support.h"

namespace {

using cpp_support::Client;
using cpp_support::line_options;
using cpp_support::Mailbox;
using cpp_support::start_on_free_port;
using namespace std::chrono_literals;

TEST(CppBlocking, HandlerReadsAndWritesPackets) {
  tcpkit::Server server{line_options()};
  server.on_blocking_connection([](tcpkit::ConnRef conn) {
    tcpkit::Bytes packet;
    while (conn.read_packet(packet).ok() && conn.write_packet(packet).ok()) {
    }
  });
  Client client(start_on_free_port(server));
  client.send("one\ntwo\n");
  EXPECT_EQ("one\ntwo\n", client.receive(8));
}

TEST(CppBlocking, EveryReadHasItsCall) {
  Mailbox<std::string> read;
  tcpkit::Server server{tcpkit::ServerOptions{}};
  server.on_blocking_connection([&](tcpkit::ConnRef conn) {
    std::array<char, 3> bytes{};
    std::size_t size = 0;
    if (!conn.read(bytes.data(), bytes.size(), size).ok()) return;
    if (!conn.read_exactly(bytes.data() + size, bytes.size() - size).ok()) return;
    read.put(std::string(bytes.data(), bytes.size()));
    tcpkit::Bytes packet;
    if (!conn.read_length_prefixed(packet).ok()) return;
    read.put(std::string(packet.text()));
    if (!conn.read_separated(";", packet).ok()) return;
    read.put(std::string(packet.text()));
  });
  Client client(start_on_free_port(server));
  client.send(std::string("abc\3\0\0\0onetwo;", 14));
  EXPECT_EQ((std::vector<std::string>{"abc", "one", "two"}), read.wait_for(3));
}

TEST(CppBlocking, ValuesAreReadFromAndWrittenToTheConnection) {
  tcpkit::Server server{tcpkit::ServerOptions{}};
  server.on_blocking_connection([](tcpkit::ConnRef conn) {
    tcpkit::Reader in = tcpkit::Reader::of_conn(conn);
    tcpkit::Writer out = tcpkit::Writer::to_conn(conn, TCPKIT_LITTLE_ENDIAN);
    for (std::int16_t value = in.read_int16(); in.ok(); value = in.read_int16()) {
      out.write_int16(value);
    }
    EXPECT_EQ(TCPKIT_E_END, in.status().code());
    EXPECT_TRUE(out.ok());
  });
  Client client(start_on_free_port(server));
  client.send("abcd");
  EXPECT_EQ("badc", client.receive(4));
  client.end_stream();
  EXPECT_TRUE(client.sees_end());
}

TEST(CppBlocking, DeadlineAndCancelAreStatuses) {
  Mailbox<tcpkit_status> ended;
  tcpkit::Server server{tcpkit::ServerOptions{}};
  server.on_blocking_connection([&](tcpkit::ConnRef conn) {
    char byte = 0;
    std::size_t size = 0;
    EXPECT_TRUE(conn.set_deadline(TCPKIT_TIMEOUT_READ, 5ms).ok());
    ended.put(conn.read(&byte, 1, size).code());
    EXPECT_TRUE(conn.set_deadline(TCPKIT_TIMEOUT_READ, std::chrono::milliseconds::max()).ok());
    EXPECT_TRUE(conn.cancel().ok());
    ended.put(conn.read(&byte, 1, size).code());
  });
  Client client(start_on_free_port(server));
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_E_TIMED_OUT, TCPKIT_E_CANCELLED}),
            ended.wait_for(2));
}

}  // namespace
