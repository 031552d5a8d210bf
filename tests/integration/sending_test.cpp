// Sending: whole, in order, from any thread, and with every byte accounted for.
#include <atomic>
#include <thread>

#include "child_process.h"
#include "server_fixture.h"

using namespace testkit;

namespace {

std::string numbered(int thread, int number) {
  return std::to_string(thread) + ":" + std::to_string(number) + ":" +
         std::string(static_cast<size_t>(number % 700), static_cast<char>('a' + thread));
}

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = text.find('\n', begin);
    if (end == std::string::npos) break;
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

TEST(Sending, PacketsOfEightThreadsArriveWholeAndEachThreadsInOrder) {
  constexpr int kThreads = 8;
  constexpr int kPackets = 500;
  TestServer server(framed(tcpkit_framing_line()));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kPackets; ++i) send_packet(conn.get(), numbered(thread, i));
      if (thread == 0) tcpkit_conn_flush(conn.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_shutdown(conn.get()));
  const std::vector<std::string> lines = split_lines(client.receive_all());
  ASSERT_EQ(size_t{kThreads} * kPackets, lines.size());
  std::vector<int> next(kThreads, 0);
  for (const std::string& line : lines) {
    const int thread = line[0] - '0';
    ASSERT_TRUE(thread >= 0 && thread < kThreads);
    ASSERT_EQ(numbered(thread, next[static_cast<size_t>(thread)]++), line);
  }
  EXPECT_EQ(uint64_t{kThreads} * kPackets, server.metrics().packets_written);
}

TEST(Sending, AThousandConnectionsFromEightThreadsLoseNoByte) {
  constexpr size_t kConnections = 1000;
  constexpr size_t kThreads = 8;
  constexpr size_t kSends = 20;
  constexpr size_t kBytes = 100;
  TestServer server(with_loops(2));
  std::vector<RawClient> clients;
  for (size_t i = 0; i < kConnections; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(kConnections));
  std::vector<tcpkit_conn*> conns(kConnections);
  size_t count = 0;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_list(server.get(), conns.data(), kConnections, &count));
  ASSERT_EQ(kConnections, count);
  std::vector<std::thread> threads;
  for (size_t thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      const std::string bytes(kBytes, static_cast<char>('a' + thread));
      for (size_t send = 0; send < kSends; ++send) {
        for (tcpkit_conn* conn : conns) send_text(conn, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  constexpr size_t kPerConnection = kThreads * kSends * kBytes;
  for (RawClient& client : clients) {
    const std::string got = client.receive(kPerConnection);
    ASSERT_EQ(kPerConnection, got.size());
    for (size_t i = 0; i < got.size(); i += kBytes) {
      ASSERT_EQ(std::string(kBytes, got[i]), got.substr(i, kBytes));
    }
  }
  EXPECT_TRUE(server.wait_until(
      [&] { return server.metrics().total_written == kConnections * kPerConnection; }));
  for (tcpkit_conn* conn : conns) {
    EXPECT_EQ(kPerConnection, tcpkit_conn_total_written(conn));
    EXPECT_EQ(0u, tcpkit_conn_queued_bytes(conn));
    tcpkit_conn_release(conn);
  }
}

TEST(Sending, ASharedBufferReachesManyConnectionsAndIsFreedOnce) {
  static std::atomic<int> freed;
  freed = 0;
  const std::string bytes(300'000, 'b');
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_buffer_wrap(
                           {bytes.data(), bytes.size()}, nullptr, [](void*) { ++freed; }, &buffer));
  TestServer server(with_loops(2));
  std::vector<RawClient> clients(30);
  std::vector<KeptConn> conns;
  for (RawClient& client : clients) conns.push_back(server.accepted(client));
  for (const KeptConn& conn : conns) {
    send_text(conn.get(), "<");
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_send_buffer(conn.get(), buffer));
    send_text(conn.get(), ">");
  }
  tcpkit_buffer_release(buffer);
  for (RawClient& client : clients) {
    EXPECT_TRUE(client.receive(bytes.size() + 2) == "<" + bytes + ">");
  }
  server.stop();
  EXPECT_EQ(1, freed);
}

TEST(Sending, ASharedBufferOfAStalledPeerIsFreedOnceAtItsEnd) {
  static std::atomic<int> freed;
  freed = 0;
  const std::string bytes(16u << 20, 'b');
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_buffer_wrap(
                           {bytes.data(), bytes.size()}, nullptr, [](void*) { ++freed; }, &buffer));
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, tcpkit_conn_send_buffer(conn.get(), buffer));
  tcpkit_buffer_release(buffer);
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0, freed);
  EXPECT_GT(tcpkit_conn_queued_bytes(conn.get()), 0u);
  tcpkit_conn_abort(conn.get());
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(bytes.size(), info.unsent_bytes + tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(1, freed);
}

TEST(Sending, SlicesLeaveAsOnePieceInTheirOrder) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  std::vector<std::string> parts;
  std::vector<tcpkit_slice> slices;
  std::string expected;
  for (int i = 0; i < 1024; ++i) parts.push_back(std::to_string(i) + ",");
  for (const std::string& part : parts) {
    slices.push_back({part.data(), part.size()});
    expected += part;
  }
  slices[3] = {nullptr, 0};
  expected.erase(expected.find("3,"), 2);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_send_slices(conn.get(), slices.data(), slices.size()));
  EXPECT_EQ(expected, client.receive(expected.size()));
  slices.push_back({"x", 1});
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT,
            tcpkit_conn_send_slices(conn.get(), slices.data(), slices.size()));
}

TEST(Sending, LargeSlicesInsideACallbackLeaveInTheirOrder) {
  const std::string head = "head";
  const std::string body(5u << 20, 'B');
  TestServer server(
      with_loops(1), {.on_open = [&](tcpkit_conn* conn) {
        send_text(conn, "before,");
        const tcpkit_slice slices[] = {{head.data(), head.size()}, {body.data(), body.size()}};
        tcpkit_conn_send_slices(conn, slices, 2);
        send_text(conn, ",after");
      }});
  RawClient client = server.connect();
  const std::string expected = "before,head" + body + ",after";
  EXPECT_TRUE(client.receive(expected.size()) == expected);
}

TEST(Sending, FlushInsideACallbackWritesAtOnce) {
  std::atomic<uint64_t> before{1};
  std::atomic<uint64_t> after{0};
  TestServer server(with_loops(1), {.on_data = [&](tcpkit_conn* conn, std::string_view) {
                      send_text(conn, "12345");
                      before = tcpkit_conn_total_written(conn);
                      EXPECT_EQ(5u, tcpkit_conn_queued_bytes(conn));
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_flush(conn));
                      after = tcpkit_conn_total_written(conn);
                    }});
  RawClient client = server.connect();
  client.send("go");
  EXPECT_EQ("12345", client.receive(5));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0u, before);
  EXPECT_EQ(5u, after);
}

TEST(Sending, QueuedBytesGrowWhileThePeerStallsAndShrinkWhenItReads) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const std::string bytes(16u << 20, 'q');
  send_text(conn.get(), bytes);
  ASSERT_TRUE(server.settle());
  const uint64_t queued = tcpkit_conn_queued_bytes(conn.get());
  EXPECT_GT(queued, 0u);
  EXPECT_EQ(bytes.size(), queued + tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(bytes.size(), client.receive(bytes.size()).size());
  EXPECT_TRUE(server.wait_until([&] { return tcpkit_conn_queued_bytes(conn.get()) == 0; }));
}

TEST(Sending, PacketsNeedAFraming) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(TCPKIT_E_NOT_SUPPORTED, tcpkit_conn_send_packet(conn.get(), "x", 1));
}

TEST(Sending, APacketThatDoesNotFitTheFramingIsRefusedAndLeavesNoTrace) {
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.max_packet_size = 10;
  TestServer server(options);
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(TCPKIT_E_BAD_FRAME, tcpkit_conn_send_packet(conn.get(), "a\nb", 3));
  EXPECT_EQ(TCPKIT_E_PACKET_TOO_BIG, tcpkit_conn_send_packet(conn.get(), "12345678901", 11));
  send_packet(conn.get(), "fine");
  EXPECT_EQ("fine\n", client.receive(5));
  EXPECT_EQ(1u, server.metrics().packets_written);
}

TEST(Sending, NothingOfItselfReachesAClosedConnectionsSuccessor) {
  TestServer server;
  RawClient first;
  const KeptConn old = server.accepted(first);
  first.close();
  ASSERT_TRUE(server.wait_closes(1));
  RawClient second;
  const KeptConn fresh = server.accepted(second);
  EXPECT_NE(tcpkit_conn_id(old.get()), tcpkit_conn_id(fresh.get()));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send(old.get(), "ghost", 5));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_pause_reading(old.get()));
  send_text(fresh.get(), "mine");
  EXPECT_EQ("mine", second.receive(4));
}

TEST(Sending, WritingToAPeerThatResetEndsWithPeerReset) {
  TestServer server(with_loops(1), {.on_data = [](tcpkit_conn* conn, std::string_view) {
                      tcpkit_conn_pause_reading(conn);
                    }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("x");
  ASSERT_TRUE(server.wait_data(1));
  client.reset();
  const std::string bytes(100'000, 'w');
  while (tcpkit_conn_send(conn.get(), bytes.data(), bytes.size()) == TCPKIT_OK) {
    ASSERT_TRUE(server.settle());
  }
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, info.reason);
  EXPECT_GT(info.unsent_bytes, 0u);
}

// Writes to peers that are gone until the server has seen it; the default SIGPIPE would kill us.
void write_to_reset_peers(TestServer& server) {
  for (int i = 0; i < 20; ++i) {
    RawClient client;
    const KeptConn conn = server.accepted(client);
    client.reset();
    while (tcpkit_conn_send(conn.get(), "into the void", 13) == TCPKIT_OK) {
    }
  }
  EXPECT_TRUE(server.wait_closes(20));
}

TEST(Sending, RaisesNoSigpipeOnOwnThreads) {
  EXPECT_EQ(0, run_in_child([] {
              signal(SIGPIPE, SIG_DFL);
              TestServer server;
              write_to_reset_peers(server);
            }));
}

struct Pumped {
  Event opened;
  Event closed;
};

TEST(Sending, RaisesNoSigpipeOnTheCallersThread) {
  EXPECT_EQ(0, run_in_child([] {
              signal(SIGPIPE, SIG_DFL);
              Pumped pumped;
              tcpkit_server_options options = with_loops(1);
              tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
              handlers.user_data = &pumped;
              handlers.on_open = [](tcpkit_conn* conn, void* user_data) {
                tcpkit_conn_pause_reading(conn);
                static_cast<Pumped*>(user_data)->opened.set();
              };
              handlers.on_close = [](tcpkit_conn*, const tcpkit_close_info*, void* user_data) {
                static_cast<Pumped*>(user_data)->closed.set();
              };
              tcpkit_server* created = nullptr;
              ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &created));
              const ServerOwner server(created);
              ASSERT_EQ(TCPKIT_OK, tcpkit_server_listen(created, "tcp://127.0.0.1:0", nullptr));
              std::thread peer([&] {
                RawClient client(listener_address(created));
                ASSERT_TRUE(pumped.opened.wait());
                tcpkit_conn* conn = nullptr;
                size_t count = 0;
                tcpkit_server_list(created, &conn, 1, &count);
                client.reset();
                while (tcpkit_conn_send(conn, "into the void", 13) == TCPKIT_OK) {
                }
                EXPECT_TRUE(pumped.closed.wait());
                tcpkit_conn_release(conn);
                tcpkit_server_stop(created);
              });
              EXPECT_EQ(TCPKIT_OK, tcpkit_server_run(created));
              peer.join();
            }));
}

}  // namespace
