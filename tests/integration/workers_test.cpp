// The worker pool: data callbacks off the loops, in the order of their connection.
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>
#include <utility>

#include "server_fixture.h"

namespace testkit {
namespace {

tcpkit_server_options with_workers(uint32_t workers) {
  tcpkit_server_options options = with_loops(1);
  options.workers = workers;
  return options;
}

tcpkit_server_options lines_with_workers(uint32_t workers) {
  tcpkit_server_options options = with_workers(workers);
  options.framing = tcpkit_framing_line();
  return options;
}

TEST(Workers, EchoBytesAndPackets) {
  for (const bool is_framed : {false, true}) {
    TestServer server(is_framed ? lines_with_workers(2) : with_workers(2), echo());
    RawClient client = server.connect();
    client.send("hello\nworld\n");
    EXPECT_EQ(client.receive(12), "hello\nworld\n");
  }
}

TEST(Workers, CallbacksRunOffTheLoopAndTheOthersOnIt) {
  std::atomic<int> on_loop{0};
  std::atomic<int> off_loop{0};
  const auto count = [&](tcpkit_conn* conn) {
    ++(tcpkit_loop_is_current(tcpkit_conn_loop(conn)) != 0 ? on_loop : off_loop);
  };
  Behaviour behaviour;
  behaviour.on_open = count;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view) { count(conn); };
  behaviour.on_end = [&](tcpkit_conn* conn) {
    count(conn);
    (void)tcpkit_conn_close(conn);
  };
  behaviour.on_close = [&](tcpkit_conn* conn, const tcpkit_close_info&) { count(conn); };
  TestServer server(lines_with_workers(2), behaviour);
  RawClient client = server.connect();
  client.send("one\ntwo\n");
  client.half_close();
  EXPECT_EQ(client.wait_for_end(), StreamEnd::kFin);
  EXPECT_TRUE(server.wait_closes(1));
  EXPECT_EQ(on_loop, 2);
  EXPECT_EQ(off_loop, 3);
}

TEST(Workers, PacketsOfAConnectionComeInOrderOneAtATime) {
  constexpr int kPackets = 20'000;
  std::atomic<int> running{0};
  std::atomic<bool> overlapped{false};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
    if (running.fetch_add(1) != 0) overlapped = true;
    send_packet(conn, packet);
    --running;
  };
  TestServer server(lines_with_workers(4), behaviour);
  RawClient client = server.connect();
  std::string lines;
  for (int i = 0; i < kPackets; ++i) lines += std::to_string(i) + "\n";
  std::thread sender([&] { client.send_in_pieces(lines, 1000); });
  EXPECT_EQ(client.receive(lines.size()), lines);
  sender.join();
  EXPECT_FALSE(overlapped);
}

TEST(Workers, SeveralConnectionsRunAtOnce) {
  constexpr int kConnections = 4;
  Event all_run;
  std::atomic<int> running{0};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
    if (++running == kConnections) all_run.set();
    EXPECT_TRUE(all_run.wait());
    send_packet(conn, packet);
  };
  TestServer server(lines_with_workers(kConnections), behaviour);
  std::vector<RawClient> clients;
  for (int i = 0; i < kConnections; ++i) {
    clients.push_back(server.connect());
    clients.back().send("x\n");
  }
  for (RawClient& client : clients) EXPECT_EQ(client.receive(2), "x\n");
}

TEST(Workers, LoopGoesOnWhileAWorkerIsBusy) {
  Event release;
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
    if (packet == "slow") release.wait();
    send_packet(conn, packet);
  };
  TestServer server(lines_with_workers(2), behaviour);
  RawClient slow = server.connect();
  slow.send("slow\n");
  RawClient quick = server.connect();
  quick.send("quick\n");
  EXPECT_EQ(quick.receive(6), "quick\n");
  release.set();
  EXPECT_EQ(slow.receive(5), "slow\n");
}

TEST(Workers, FullQueuePausesReadingAndGoesOn) {
  Event release;
  tcpkit_server_options options = lines_with_workers(1);
  options.worker_queue_bytes = 64 << 10;
  options.receive_buffer_size = kSmallBuffer;
  std::atomic<size_t> bytes{0};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn*, std::string_view packet) {
    release.wait();
    bytes += packet.size() + 1;
  };
  TestServer server(options, behaviour);
  RawClient client = server.connect();
  const std::string line(1000, 'x');
  std::string lines;
  while (lines.size() < (size_t{16} << 20)) {
    lines += line;
    lines += '\n';
  }
  std::thread sender([&] { client.send(lines); });
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().total_read > 0; }));
  uint64_t before = 0;
  EXPECT_TRUE(server.wait_until([&] {  // it stands still
    return std::exchange(before, server.metrics().total_read) == before && server.settle();
  }));
  EXPECT_LT(server.metrics().total_read, lines.size() / 2);
  release.set();
  sender.join();
  EXPECT_TRUE(server.wait_until([&] { return bytes == lines.size(); }));
}

TEST(Workers, WhatCameBeforeTheEndIsAnsweredBeforeTheClose) {
  TestServer server(lines_with_workers(2), {.on_packet = send_packet});
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += std::to_string(i) + "\n";
  RawClient client = server.connect();
  client.send(lines);
  client.half_close();
  EXPECT_EQ(client.receive_all(), lines);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_PEER_FIN);
}

TEST(Workers, WhatCameBeforeABadFrameIsAnsweredBeforeTheClose) {
  tcpkit_server_options options = lines_with_workers(2);
  options.max_packet_size = 10;
  TestServer server(options, {.on_packet = send_packet});
  RawClient client = server.connect();
  client.send("good\n" + std::string(11, 'x'));
  EXPECT_EQ(client.receive_all(), "good\n");
  client.close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_FRAME_TOO_BIG);
}

TEST(Workers, EverythingIsDeliveredBeforeTheCloseOfAReset) {
  Event release;
  std::atomic<int> packets{0};
  std::atomic<int> at_close{-1};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn*, std::string_view) {
    release.wait();
    ++packets;
  };
  behaviour.on_close = [&](tcpkit_conn*, const tcpkit_close_info&) { at_close = packets.load(); };
  TestServer server(lines_with_workers(1), behaviour);
  RawClient client = server.connect();
  client.send("a\nb\nc\n");
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().packets_read == 3; }));
  client.reset();
  EXPECT_TRUE(server.settle());
  release.set();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_PEER_RESET);
  EXPECT_EQ(at_close, 3);
}

TEST(Workers, CloseInACallbackSendsWhatWasSentAndDeliversNoMore) {
  std::atomic<int> packets{0};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
    ++packets;
    send_packet(conn, packet);
    (void)tcpkit_conn_close(conn);
  };
  TestServer server(lines_with_workers(1), behaviour);
  RawClient client = server.connect();
  client.send("one\n");
  EXPECT_EQ(client.receive_all(), "one\n");
  client.close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_LOCAL);
  EXPECT_EQ(packets, 1);
}

TEST(Workers, ThrowingCallbackClosesOnlyItsConnection) {
  Behaviour behaviour;
  behaviour.on_packet = [](tcpkit_conn* conn, std::string_view packet) {
    if (packet == "throw") throw std::runtime_error("thrown");
    send_packet(conn, packet);
  };
  TestServer server(lines_with_workers(2), behaviour);
  RawClient other = server.connect();
  RawClient client = server.connect();
  client.send("before\nthrow\nafter\n");
  EXPECT_EQ(client.receive_all(), "before\n");
  client.close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_CALLBACK);
  EXPECT_EQ(server.metrics().callback_errors, 1u);
  other.send("still\n");
  EXPECT_EQ(other.receive(6), "still\n");
}

TEST(Workers, StopWaitsForTheCallbackThatRuns) {
  Event began;
  Event release;
  std::atomic<bool> finished{false};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn*, std::string_view) {
    began.set();
    release.wait();
    finished = true;
  };
  TestServer server(lines_with_workers(1), behaviour);
  RawClient client = server.connect();
  client.send("x\ny\n");
  ASSERT_TRUE(began.wait());
  std::thread stopper([&] { server.stop(); });
  release.set();
  stopper.join();
  EXPECT_TRUE(finished);
  EXPECT_EQ(server.closes().size(), 1u);
  EXPECT_EQ(server.metrics().handler_threads, 0u);
}

TEST(Workers, DrainLetsTheQueuedPacketsBeAnswered) {
  Event release;
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
    release.wait();
    send_packet(conn, packet);
  };
  TestServer server(lines_with_workers(1), behaviour);
  RawClient client = server.connect();
  client.send("one\ntwo\n");
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().packets_read == 2; }));
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  std::thread drainer(
      [&] { EXPECT_EQ(tcpkit_server_drain(server.get(), 20'000, &report), TCPKIT_OK); });
  release.set();
  EXPECT_EQ(client.receive_all(), "one\ntwo\n");
  client.close();
  drainer.join();
  EXPECT_EQ(report.graceful, 1u);
}

TEST(Workers, ServerStartsAgainAfterAStop) {
  TestServer server(lines_with_workers(2), {.on_packet = send_packet});
  for (int i = 0; i < 2; ++i) {
    RawClient client = server.connect();
    client.send("x\n");
    EXPECT_EQ(client.receive(2), "x\n");
    server.stop();
    ASSERT_EQ(tcpkit_server_start(server.get()), TCPKIT_OK);
  }
}

TEST(Workers, AndThreadPerConnectionExcludeEachOther) {
  tcpkit_server_options options = with_workers(1);
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_connection = [](tcpkit_conn*, void*) {};
  tcpkit_server* server = nullptr;
  EXPECT_EQ(tcpkit_server_create(&options, &handlers, &server), TCPKIT_E_INVALID_ARGUMENT);
}

}  // namespace
}  // namespace testkit
