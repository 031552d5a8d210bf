// tcpkit::Conn and tcpkit::LoopRef as users have them, against real sockets.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "integration/cpp_support.h"

namespace {

using cpp_support::Client;
using cpp_support::line_options;
using cpp_support::Mailbox;
using cpp_support::start_on_free_port;
using namespace std::chrono_literals;

TEST(CppConn, SendsFromAnyThreadThroughARetainedHandle) {
  Mailbox<tcpkit::Conn> opened;
  tcpkit::Server server{line_options()};
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.retain()); });
  const Client client(start_on_free_port(server));
  const auto conns = opened.wait_for(1);
  ASSERT_EQ(conns.size(), 1u);
  EXPECT_TRUE(conns[0].send("plain ").ok());
  EXPECT_TRUE(conns[0].send_pieces({"two ", std::string("pieces ")}).ok());
  EXPECT_TRUE(conns[0].send_buffer(tcpkit::Buffer::hold(std::string("shared "))).ok());
  EXPECT_TRUE(conns[0].send_packet("packet").ok());
  EXPECT_EQ(client.receive(31), "plain two pieces shared packet\n");
}

TEST(CppConn, AnswersClosedThroughARetainedHandleAfterItsEnd) {
  Mailbox<tcpkit::Conn> closed;
  tcpkit::Server server{line_options()};
  server.on_open([](tcpkit::ConnRef conn) { conn.abort(); });
  server.on_close(
      [&](tcpkit::ConnRef conn, const tcpkit::CloseInfo&) { closed.put(conn.retain()); });
  const Client client(start_on_free_port(server));
  const auto conns = closed.wait_for(1);
  ASSERT_EQ(conns.size(), 1u);
  EXPECT_TRUE(conns[0].is_closed());
  EXPECT_EQ(conns[0].send("late"), TCPKIT_E_CLOSED);
  EXPECT_STREQ(conns[0].send("late").name(), "TCPKIT_E_CLOSED");
}

TEST(CppConn, OutlivesItsServer) {
  Mailbox<tcpkit::Conn> opened;
  std::vector<tcpkit::Conn> conns;
  {
    tcpkit::Server server{line_options()};
    server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.retain()); });
    const Client client(start_on_free_port(server));
    conns = opened.wait_for(1);
  }
  ASSERT_EQ(conns.size(), 1u);
  EXPECT_EQ(conns[0].send("late"), TCPKIT_E_CLOSED);
}

TEST(CppConn, TellsItsAddressesTimesAndLoop) {
  Mailbox<std::string> remote;
  Mailbox<std::string> local;
  std::atomic<bool> on_its_loop{false};
  std::atomic<bool> recent{false};
  tcpkit::Server server;
  server.on_open([&](tcpkit::ConnRef conn) {
    on_its_loop = conn.loop().is_current();
    recent = std::chrono::system_clock::now() - conn.connected_at() < 60s;
    local.put("tcp://" + conn.local_address());
    remote.put(conn.remote_address());
  });
  const std::string address = start_on_free_port(server);
  const Client client(address);
  const auto remotes = remote.wait_for(1);
  ASSERT_EQ(remotes.size(), 1u);
  EXPECT_EQ(remotes[0].rfind("127.0.0.1:", 0), 0u) << remotes[0];
  EXPECT_EQ(local.wait_for(1)[0], address);
  EXPECT_TRUE(on_its_loop);
  EXPECT_TRUE(recent);
}

TEST(CppConn, KeepsAnObjectUntilItsEnd) {
  struct Session {
    std::shared_ptr<int> token;
    int packets = 0;
  };
  const auto token = std::make_shared<int>(0);
  tcpkit::Server server{line_options()};
  server.on_open([token](tcpkit::ConnRef conn) {
    conn.set_user_data(std::make_unique<Session>(Session{token})).or_throw();
  });
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes) {
    conn.send_packet(std::to_string(++conn.user_data<Session>()->packets));
  });
  {
    const Client client(start_on_free_port(server));
    ASSERT_TRUE(client.send("a\nb\n"));
    EXPECT_EQ(client.receive(4), "1\n2\n");
    EXPECT_EQ(token.use_count(), 3);
  }
  server.stop();
  EXPECT_EQ(token.use_count(), 2);
}

TEST(CppConn, CallsItsCloseHandlersLastRegisteredFirst) {
  Mailbox<int> order;
  tcpkit::Server server{line_options()};
  server.on_open([&](tcpkit::ConnRef conn) {
    conn.add_close_handler([&](tcpkit::ConnRef, const tcpkit::CloseInfo&) { order.put(1); })
        .or_throw();
    conn.add_close_handler([&](tcpkit::ConnRef, const tcpkit::CloseInfo&) { order.put(2); })
        .or_throw();
  });
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo&) { order.put(3); });
  { const Client client(start_on_free_port(server)); }
  EXPECT_EQ(order.wait_for(3), (std::vector<int>{2, 1, 3}));
}

TEST(CppConn, CallsACloseHandlerAtOnceIfItHasEndedAlready) {
  Mailbox<tcpkit::Conn> opened;
  tcpkit::Server server{line_options()};
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.retain()); });
  const Client client(start_on_free_port(server));
  const auto conns = opened.wait_for(1);
  ASSERT_EQ(conns.size(), 1u);
  server.stop();
  tcpkit_close_reason reason = 0;
  EXPECT_TRUE(conns[0]
                  .add_close_handler(
                      [&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) { reason = info.reason; })
                  .ok());
  EXPECT_EQ(reason, TCPKIT_CLOSE_SHUTDOWN);
}

TEST(CppConn, RunsPostedTasksOnItsLoop) {
  Mailbox<tcpkit::Conn> opened;
  Mailbox<bool> ran;
  tcpkit::Server server{line_options()};
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.retain()); });
  const Client client(start_on_free_port(server));
  const auto conns = opened.wait_for(1);
  ASSERT_EQ(conns.size(), 1u);
  ASSERT_TRUE(conns[0].post([&](tcpkit::ConnRef c) { ran.put(c.loop().is_current()); }).ok());
  ASSERT_TRUE(conns[0].post([&, held = std::make_unique<int>(1)] { ran.put(*held == 1); }).ok());
  EXPECT_EQ(ran.wait_for(2), (std::vector<bool>{true, true}));
}

TEST(CppConn, GoesOnWithWhatWasReadAfterAPause) {
  Mailbox<std::string> packets;
  Mailbox<tcpkit::Conn> paused;
  tcpkit::Server server{line_options()};
  server.on_packet([&](tcpkit::ConnRef conn, tcpkit::Bytes packet) {
    packets.put(std::string(packet.text()));
    if (packet.text() != "first") return;
    conn.pause_reading();
    paused.put(conn.retain());
  });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("first\nsecond\n"));
  const auto conns = paused.wait_for(1);
  ASSERT_EQ(conns.size(), 1u);
  EXPECT_EQ(packets.wait_for(1).size(), 1u);
  EXPECT_TRUE(conns[0].resume_reading().ok());
  EXPECT_EQ(packets.wait_for(2), (std::vector<std::string>{"first", "second"}));
}

TEST(CppLoop, RunsTasksAndTimersAndStopsThem) {
  Mailbox<bool> ran;
  Mailbox<int> ticks;
  tcpkit::Server server;
  start_on_free_port(server);
  const tcpkit::LoopRef loop = server.loop();
  ASSERT_TRUE(loop);
  EXPECT_FALSE(loop.is_current());
  ASSERT_TRUE(loop.post([&](tcpkit::LoopRef l) { ran.put(l == loop && l.is_current()); }).ok());
  ASSERT_TRUE(loop.start_timer(1ms, [&] { ran.put(true); }).ok());
  std::uint64_t id = 0;
  ASSERT_TRUE(loop.start_repeating_timer(
                      1ms, [&] { ticks.put(0); }, &id)
                  .ok());
  EXPECT_EQ(ran.wait_for(2), (std::vector<bool>{true, true}));
  EXPECT_GE(ticks.wait_for(3).size(), 3u);
  EXPECT_TRUE(loop.stop_timer(id).ok());
}

TEST(CppLoop, DestroysATaskThatIsRefused) {
  const auto token = std::make_shared<int>(0);
  tcpkit::Server server;
  const tcpkit::LoopRef loop = server.loop();
  ASSERT_TRUE(loop);
  EXPECT_EQ(loop.post([token] {}), TCPKIT_E_NOT_RUNNING);
  EXPECT_EQ(token.use_count(), 1);
}

}  // namespace
