// Pausing and resuming, the read quantum, and read pools.
#include <sched.h>

#include <atomic>

#include "server_fixture.h"

using namespace testkit;

namespace {

// Pauses at the packet "pause".
Behaviour pausing() {
  return {.on_packet = [](tcpkit_conn* conn, std::string_view packet) {
    if (packet == "pause") tcpkit_conn_pause_reading(conn);
  }};
}

using Texts = std::vector<std::string>;

TEST(Pausing, HoldsBackPacketsThatWereReadAlreadyAndResumeDeliversThemInOrder) {
  TestServer server(framed(tcpkit_framing_line()), pausing());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("1\npause\n2\n3\n4\n");
  ASSERT_TRUE(server.wait_packets(2));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ((Texts{"1", "pause"}), server.packet_texts());
  client.send("5\n");
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  ASSERT_TRUE(server.wait_packets(6));
  EXPECT_EQ((Texts{"1", "pause", "2", "3", "4", "5"}), server.packet_texts());
}

TEST(Pausing, TwiceInTheSameReadDeliversEachPartOnce) {
  TestServer server(framed(tcpkit_framing_line()), pausing());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("1\npause\n2\npause\n3\nhal");
  ASSERT_TRUE(server.wait_packets(2));
  tcpkit_conn_resume_reading(conn.get());
  ASSERT_TRUE(server.wait_packets(4));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(4u, server.packets().size());
  client.send("f\n");
  tcpkit_conn_resume_reading(conn.get());
  ASSERT_TRUE(server.wait_packets(6));
  EXPECT_EQ((Texts{"1", "pause", "2", "pause", "3", "half"}), server.packet_texts());
}

TEST(Pausing, FromAnotherThreadLeavesBytesInTheKernel) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn.get()));
  ASSERT_TRUE(server.settle());
  client.send("not yet");
  // A second connection of the same loop is served after the first would have been.
  RawClient other = server.connect();
  other.send("now");
  ASSERT_TRUE(server.wait_data(3));
  EXPECT_EQ("", server.data_of(tcpkit_conn_id(conn.get())));
  EXPECT_EQ(0u, tcpkit_conn_total_read(conn.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  ASSERT_TRUE(server.wait_data(10));
  EXPECT_EQ("not yet", server.data_of(tcpkit_conn_id(conn.get())));
}

TEST(Pausing, AResetIsNoticedAfterResumeAndDataComesFirst) {
  TestServer server(framed(tcpkit_framing_line()), pausing());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("pause\nheld\n");
  ASSERT_TRUE(server.wait_packets(1));
  client.send("in the kernel\n");
  client.reset();
  RawClient other = server.connect();
  other.send("other\n");
  ASSERT_TRUE(server.wait_packets(2));
  EXPECT_EQ(0u, server.closes().size());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, server.close_info().reason);
  EXPECT_EQ((Texts{"pause", "other", "held", "in the kernel"}), server.packet_texts());
}

TEST(Pausing, AnEndOfStreamComesAfterHeldPackets) {
  TestServer server(framed(tcpkit_framing_line()), pausing());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("pause\nheld\n");
  client.close();
  ASSERT_TRUE(server.wait_packets(1));
  tcpkit_conn_resume_reading(conn.get());
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_EQ((Texts{"pause", "held"}), server.packet_texts());
}

TEST(Pausing, APausedConnectionStillSendsAndCloses) {
  TestServer server(framed(tcpkit_framing_line()), pausing());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("pause\nheld\n");
  ASSERT_TRUE(server.wait_packets(1));
  send_packet(conn.get(), "reply");
  EXPECT_EQ("reply\n", client.receive(6));
  tcpkit_conn_close(conn.get());
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.close_info().reason);
  EXPECT_EQ(1u, server.packets().size());
}

TEST(Pausing, IsRefusedOnceTheConnectionCloses) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  tcpkit_conn_close(conn.get());
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_pause_reading(conn.get()));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_resume_reading(conn.get()));
}

void spin_for(std::chrono::microseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < end) {
  }
}

TEST(ReadQuantum, AChattyConnectionDoesNotStarveAnother) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.read_quantum_ms = 1;
  std::atomic<int> chatty_packets{0};
  std::atomic<int> before_quiet{-1};
  TestServer server(options, {.on_packet = [&](tcpkit_conn*, std::string_view packet) {
                      if (packet == "quiet") {
                        before_quiet = chatty_packets.load();
                        return;
                      }
                      spin_for(std::chrono::microseconds(200));
                      ++chatty_packets;
                    }});
  RawClient chatty = server.connect();
  RawClient quiet = server.connect();
  ASSERT_TRUE(server.wait_opens(2));
  constexpr int kPackets = 5000;
  std::string stream;
  for (int i = 0; i < kPackets; ++i) stream += "chatter\n";
  chatty.send(stream);
  ASSERT_TRUE(server.wait_packets(1));
  quiet.send("quiet\n");
  ASSERT_TRUE(server.wait_packets(kPackets + 1));
  EXPECT_GE(before_quiet, 0);
  EXPECT_LT(before_quiet, kPackets - 500);
}

TEST(ReadPools, AThirdLoopAppearsWhenTwoPoolsAreFull) {
  tcpkit_server_options options = with_loops(2);
  options.pool_size = 3;
  TestServer server(options, echo());
  std::vector<RawClient> clients;
  for (size_t i = 0; i < 6; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(6));
  EXPECT_EQ(2u, tcpkit_server_loop_count(server.get()));
  EXPECT_EQ(2u, server.metrics().handler_threads);
  clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(7));
  EXPECT_EQ(3u, tcpkit_server_loop_count(server.get()));
  EXPECT_EQ(3u, server.metrics().handler_threads);
  const KeptConn seventh = server.kept(server.opened_id(6));
  EXPECT_EQ(tcpkit_server_loop(server.get(), 2), tcpkit_conn_loop(seventh.get()));
  for (RawClient& client : clients) {
    client.send("hi");
    EXPECT_EQ("hi", client.receive(2));
  }
}

TEST(ReadPools, ConnectionsAreSpreadOverTheLoops) {
  TestServer server(with_loops(2));
  std::vector<RawClient> clients;
  std::vector<KeptConn> conns;
  clients.resize(10);
  for (RawClient& client : clients) conns.push_back(server.accepted(client));
  int on_first = 0;
  for (const KeptConn& conn : conns) {
    on_first += tcpkit_conn_loop(conn.get()) == tcpkit_server_loop(server.get(), 0) ? 1 : 0;
  }
  EXPECT_EQ(5, on_first);
}

}  // namespace
