// Groups and broadcasts through tcpkit.hpp.
#include "server_fixture.h"
#include "tcpkit.hpp"

using namespace testkit;

namespace {

TEST(CppGroup, BroadcastsToItsMembers) {
  tcpkit::ServerOptions options;
  options.framing = tcpkit::Framing::line();
  tcpkit::Group group;
  tcpkit::Server server(options);
  server.on_open([&](tcpkit::ConnRef conn) { group.join(conn).or_throw(); });
  server.on_packet([&](tcpkit::ConnRef conn, tcpkit::Bytes line) {
    tcpkit::BroadcastOptions except;
    except.except = conn;
    group.broadcast(line, except);
  });
  server.listen("tcp://127.0.0.1:0");
  server.start();
  RawClient first(server.listener_address());
  RawClient second(server.listener_address());
  EXPECT_TRUE(Monitor().wait([&] { return group.size() == 2; }));
  first.send("hello\n");
  EXPECT_EQ("hello\n", second.receive(6));
  server.stop();
}

TEST(CppGroup, TellsWhatBecameOfABroadcast) {
  tcpkit::Server server;
  server.on_data([](tcpkit::ConnRef, tcpkit::Bytes) {});
  server.listen("tcp://127.0.0.1:0");
  server.start();
  RawClient client(server.listener_address());
  EXPECT_TRUE(Monitor().wait([&] { return server.metrics().connections == 1; }));
  Event done;
  tcpkit::Receipt last = TCPKIT_RECEIPT_INIT;
  tcpkit::BroadcastOptions options;
  options.on_done = [&](const tcpkit::Receipt& receipt) {
    last = receipt;
    done.set();
  };
  EXPECT_TRUE(server.broadcast("news", options).ok());
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(1u, last.sent);
  options.buffer = tcpkit::Buffer("more");
  EXPECT_TRUE(tcpkit::broadcast(server.list(), tcpkit::Bytes(), options).ok());
  EXPECT_TRUE(done.wait(2));
  EXPECT_EQ("newsmore", client.receive(8));
  server.stop();
}

TEST(CppGroup, RunsATaskForEachMemberAndThrowsOnWrongOptions) {
  tcpkit::GroupOptions wrong;
  wrong.slow_policy = 9;
  EXPECT_THROW(tcpkit::Group{wrong}, tcpkit::Error);
  tcpkit::GroupOptions options;
  options.slow_policy = TCPKIT_SLOW_LATEST;
  options.write_quantum = std::chrono::milliseconds(50);
  tcpkit::Group group(options);
  tcpkit::Server server;
  server.on_open([&](tcpkit::ConnRef conn) { group.join(conn).or_throw(); });
  server.listen("tcp://127.0.0.1:0");
  server.start();
  RawClient client(server.listener_address());
  EXPECT_TRUE(Monitor().wait([&] { return group.size() == 1; }));
  EXPECT_TRUE(group.post([](tcpkit::ConnRef conn) { conn.send("posted"); }).ok());
  EXPECT_EQ("posted", client.receive(6));
  server.stop();
}

}  // namespace
