// tcpkit::Client and tcpkit::Loop.
#include <gtest/gtest.h>

#include <string>

#include "cpp_support.h"

using cpp_support::Mailbox;

namespace {

struct EchoServer {
  EchoServer() {
    server.on_data([](tcpkit::ConnRef conn, tcpkit::Bytes data) { (void)conn.send(data); });
    server.listen("tcp://127.0.0.1:0");
    server.start();
  }
  tcpkit::Server server{[] {
    tcpkit::ServerOptions options;
    options.loops = 1;
    return options;
  }()};
};

TEST(CppClient, DialsAndIsAnswered) {
  const EchoServer echo;
  Mailbox<std::string> received;
  tcpkit::Client client;
  client.on_data(
      [&](tcpkit::ConnRef, tcpkit::Bytes data) { received.put(std::string(data.text())); });
  const tcpkit::Conn conn = client.dial(echo.server.listener_address());
  EXPECT_TRUE(conn.send(std::string("hello")).ok());
  EXPECT_EQ(std::vector<std::string>{"hello"}, received.wait_for(1));
  EXPECT_EQ(conn.id(), client.conn().id());
  EXPECT_EQ(1u, client.metrics().connects);
}

TEST(CppClient, ThrowsWhatADialFailedWith) {
  tcpkit::Client client;
  try {
    client.dial("tcp://127.0.0.1:1");
    FAIL() << "nobody listens there";
  } catch (const tcpkit::Error& error) {
    EXPECT_NE(std::string::npos, std::string(error.what()).find("127.0.0.1:1: Connection refused"));
  }
  EXPECT_FALSE(client.conn());
}

TEST(CppClient, TellsOfFailuresAndRunsOnALoopThatItIsGiven) {
  const tcpkit::Loop loop;
  loop.start();
  Mailbox<std::uint64_t> attempts;
  tcpkit::ClientOptions options;
  options.loop = loop;
  options.set("reconnect", "on");
  options.set("reconnect_min_ms", "1");
  options.set("max_attempts", "2");
  tcpkit::Client client(options);
  client.on_connect_failed([&](tcpkit::ClientRef self, const tcpkit::ConnectInfo& info) {
    EXPECT_EQ(self.loop(), loop.ref());
    attempts.put(info.attempts);
  });
  client.connect("tcp://127.0.0.1:1");
  EXPECT_EQ((std::vector<std::uint64_t>{1, 2}), attempts.wait_for(2));
}

TEST(CppClient, OptionsOfTextAreKept) {
  tcpkit::ClientOptions options;
  options.set("server-name", "a.example");
  options.set("local_address", "127.0.0.1:0");
  EXPECT_EQ("a.example", options.server_name);
  EXPECT_EQ("127.0.0.1:0", options.local_address);
  EXPECT_THROW(options.set("no_such_key", "1"), tcpkit::Error);
  EXPECT_EQ(tcpkit_client_option_count(), tcpkit::client_option_infos().size());
}

TEST(CppServices, ThrowTheFirstErrorWhenAllHaveEnded) {
  tcpkit::Server server;
  server.listen("tcp://127.0.0.1:0");
  const tcpkit::Client client;
  tcpkit::RunOptions options;
  options.handle_signals = TCPKIT_OFF;
  try {
    tcpkit::run_services({&server, {&client, "tcp://127.0.0.1:1"}}, options);
    FAIL() << "nobody listens there";
  } catch (const tcpkit::Error& error) {
    EXPECT_EQ(TCPKIT_E_REFUSED, error.status().code());
    EXPECT_EQ(0u, std::string(error.what()).find("services[1]: ")) << error.what();
  }
  EXPECT_FALSE(server.is_running());
}

TEST(CppServices, ReturnWhenAllHaveEndedByThemselves) {
  const EchoServer echo;
  tcpkit::Client client;
  client.on_open([](tcpkit::ConnRef conn) { conn.close(); });
  tcpkit::RunOptions options;
  options.handle_signals = TCPKIT_OFF;
  tcpkit::run_services({{client.ref(), echo.server.listener_address()}}, options);
  EXPECT_FALSE(client.conn());
}

}  // namespace
