// Filters and everything that holds bytes up: full kernels, limits, pauses, quanta, other threads,
// TLS, and input that becomes much more than it was.
#include <thread>

#include "filter_kit.h"
#include "tls_client.h"

using namespace testkit;

namespace {

constexpr char kKey = 0x55;

void expect_same(const std::string& expected, const std::string& received) {
  EXPECT_EQ(expected.size(), received.size());
  EXPECT_TRUE(expected == received);
}

TEST(FiltersFlow, TenMebibytesThatAreSentBeforeACloseArriveWhole) {
  FilterScript script;
  FilteredOptions options({xor_filter(&kKey), scripted_filter(script)});
  const std::string bytes = numbers(10 << 20);
  TestServer server(options.get(), {.on_open = [&](tcpkit_conn* conn) {
                      send_text(conn, bytes);
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn));
                    }});
  RawClient client = server.connect();
  expect_same(halves_of(bytes), xored(client.receive_all(), kKey));
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  EXPECT_EQ(0u, server.close_info().unsent_bytes);
}

TEST(FiltersFlow, WhatWaitsForASlowPeerCountsAsQueuedAndItsFilterIsFlushedAfterIt) {
  FilteredOptions options({bracket_filter()}, with_small_buffers());
  const std::string bytes = numbers(4 << 20);
  TestServer server(options.get());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_EQ(TCPKIT_OK_ABOVE_HIGH, tcpkit_conn_send(conn.get(), bytes.data(), bytes.size()));
  ASSERT_TRUE(server.settle());
  EXPECT_GT(tcpkit_conn_queued_bytes(conn.get()), 3u << 20);
  EXPECT_GT(server.metrics().buffered_bytes, 3u << 20);
  expect_same("[" + bytes + "]", client.receive(bytes.size() + 2));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes == 0; }));
  EXPECT_EQ(0u, tcpkit_conn_queued_bytes(conn.get()));
}

TEST(FiltersFlow, SendsBeyondMaxQueuedBytesAreRefused) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, with_small_buffers());
  options.get().max_queued_bytes = 1 << 20;
  TestServer server(options.get());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  const std::string bytes = numbers(100'000);
  std::string sent;
  EXPECT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    while (tcpkit_conn_send(self, bytes.data(), bytes.size()) >= 0) sent += bytes;
    EXPECT_EQ(TCPKIT_E_QUEUE_FULL, tcpkit_last_error_status());
  }));
  EXPECT_LT(sent.size(), 2u << 20);
  expect_same(halves_of(sent), client.receive(2 * sent.size()));
}

TEST(FiltersFlow, OutputThatGrowsBeyondTheBudgetEndsTheConnection) {
  FilterScript script;
  script.encode = [](std::string_view, tcpkit_filter_output* output) {
    return write_text(output, std::string(900'000, 'x'));
  };
  FilteredOptions options({scripted_filter(script)}, with_small_buffers());
  options.get().max_buffered_bytes = 1 << 20;
  TestServer server(options.get());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  const std::string bytes(800'000, 'y');
  (void)run_on_loop(
      conn.get(), [&](tcpkit_conn* self) { (void)tcpkit_conn_send(self, bytes.data(), 800'000); });
  EXPECT_EQ(TCPKIT_CLOSE_LIMIT, server.close_info().reason);
  EXPECT_EQ(0u, server.metrics().buffered_bytes);
}

TEST(FiltersFlow, SendsOfOtherThreadsArriveWholeAndInTheOrderOfEach) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  constexpr int kThreads = 4;
  constexpr int kPackets = 500;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPackets; ++i) {
        send_packet(conn.get(), std::to_string(t) + ":" + std::to_string(1000 + i));
      }
    });
  }
  const std::string received = bytes_of_halves(client.receive(2 * 7 * kThreads * kPackets));
  for (std::thread& thread : threads) thread.join();
  std::vector<int> next(kThreads, 1000);
  for (size_t at = 0; at + 7 <= received.size(); at += 7) {
    const int thread = received[at] - '0';
    ASSERT_TRUE(thread >= 0 && thread < kThreads);
    EXPECT_EQ(std::to_string(next[static_cast<size_t>(thread)]++), received.substr(at + 2, 4));
  }
  EXPECT_EQ((std::vector<int>(kThreads, 1000 + kPackets)), next);
}

TEST(FiltersFlow, ASharedBufferIsEncodedForEachConnection) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)});
  TestServer server(options.get());
  RawClient first;
  RawClient second;
  const KeptConn one = server.accepted(first);
  const KeptConn two = server.accepted(second);
  const std::string bytes = numbers(200'000);
  tcpkit_buffer* buffer = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_buffer_create(bytes.data(), bytes.size(), &buffer));
  EXPECT_LE(0, tcpkit_conn_send_buffer(one.get(), buffer));
  EXPECT_LE(0, tcpkit_conn_send_buffer(two.get(), buffer));
  tcpkit_buffer_release(buffer);
  expect_same(halves_of(bytes), first.receive(2 * bytes.size()));
  expect_same(halves_of(bytes), second.receive(2 * bytes.size()));
}

// ---- The way in ----

TEST(FiltersFlow, APauseInTheMiddleOfAReadHoldsBackTheRestAndAResumeDeliversIt) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get(), {.on_packet = [](tcpkit_conn* conn, std::string_view packet) {
                      if (packet == "pause") tcpkit_conn_pause_reading(conn);
                    }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const std::string line = numbers(100'000);
  std::string filler;
  for (const char byte : line) filler += byte == '\n' ? ',' : byte;
  client.send(halves_of("1\npause\n2\n" + filler + "\npause\nlast\n"));
  client.half_close();
  ASSERT_TRUE(server.wait_packets(2));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(2u, server.packets().size());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  ASSERT_TRUE(server.wait_packets(5));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(5u, server.packets().size());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_EQ((std::vector<std::string>{"1", "pause", "2", filler, "pause", "last"}),
            server.packet_texts());
}

TEST(FiltersFlow, APauseBeforeAFailureHoldsTheFailureBackToo) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get(), {.on_packet = [](tcpkit_conn* conn, std::string_view packet) {
                      if (packet == "pause") tcpkit_conn_pause_reading(conn);
                    }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send(halves_of("pause\n2\n") + "!");
  ASSERT_TRUE(server.wait_packets(1));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0u, server.closes().size());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_FILTER_ERROR, server.close_info().reason);
  EXPECT_EQ((std::vector<std::string>{"pause", "2"}), server.packet_texts());
}

TEST(FiltersFlow, AnEndWithPacketsInItIsToldAfterThePauseInThem) {
  FilterScript script;
  script.decode_end = [](tcpkit_filter_output* output) {
    return write_text(output, "pause\nafter\n");
  };
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get(), {.on_packet = [](tcpkit_conn* conn, std::string_view packet) {
                      if (packet == "pause") tcpkit_conn_pause_reading(conn);
                    }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.half_close();
  ASSERT_TRUE(server.wait_packets(1));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0u, server.closes().size());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_EQ((std::vector<std::string>{"pause", "after"}), server.packet_texts());
}

TEST(FiltersFlow, AQuantumThatIsOverLosesNothing) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  options.get().read_quantum_ms = 1;
  TestServer server(options.get());
  RawClient client = server.connect();
  std::string lines;
  for (int i = 0; i < 200'000; ++i) lines += std::to_string(i) + "\n";
  client.send(halves_of(lines));
  ASSERT_TRUE(server.wait_packets(200'000));
  const std::vector<std::string> texts = server.packet_texts();
  EXPECT_EQ("0", texts.front());
  EXPECT_EQ("199999", texts.back());
}

// A byte becomes a mebibyte of lines.
tcpkit_status explode(std::string_view text, tcpkit_filter_output* output) {
  static const std::string lines = [] {
    std::string made;
    while (made.size() < 1 << 20) made += "0123456789abcde\n";
    return made;
  }();
  for (size_t i = 0; i < text.size(); ++i) {
    const tcpkit_status status = write_text(output, lines);
    if (status != TCPKIT_OK) return status;
  }
  return TCPKIT_OK;
}

TEST(FiltersFlow, APieceThatBecomesMoreThanTheLimitIsAFailure) {
  FilterScript script;
  script.decode = explode;
  Ends ends;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get(), {.on_close = [&](tcpkit_conn*, const tcpkit_close_info& info) {
                      ends.note(info);
                    }});
  RawClient client = server.connect();
  client.send(std::string(17, 'x'));
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_E_LIMIT, ends.first().status);
  EXPECT_EQ("filter halves: output: a configured limit was reached", ends.detail());
}

TEST(FiltersFlow, APieceThatBecomesAsMuchAsTheLimitIsDelivered) {
  FilterScript script;
  script.decode = explode;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get());
  RawClient client = server.connect();
  client.send(std::string(16, 'x'));
  EXPECT_TRUE(server.wait_packets(1 << 20));
}

TEST(FiltersFlow, TheLimitOfAPieceIsTheBudgetIfThatIsSmaller) {
  FilterScript script;
  script.decode = explode;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  options.get().max_buffered_bytes = 1 << 20;
  TestServer server(options.get());
  RawClient client = server.connect();
  client.send("xx");
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_E_LIMIT, server.close_info().status);
}

// ---- TLS ----

TEST(FiltersFlow, StandBetweenTlsAndFraming) {
  const TlsOwner tls = simple_tls();
  FilterScript script;
  FilteredOptions options({xor_filter(&kKey), scripted_filter(script)},
                          with_tls(tls, framed(tcpkit_framing_line())));
  TestServer server(options.get(), echo());
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send(xored(halves_of("one\ntwo\n"), kKey));
  EXPECT_EQ(halves_of("one\ntwo\n"), xored(client.receive(16), kKey));
}

TEST(FiltersFlow, WhatComesBehindTheHandshakeInOneReadIsDecoded) {
  const TlsOwner tls = simple_tls();
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, with_tls(tls, framed(tcpkit_framing_line())));
  TestServer server(options.get(), echo());
  TlsClient client(server);
  SSL_do_handshake(client.ssl());
  client.push();
  while (SSL_is_init_finished(client.ssl()) == 0) ASSERT_TRUE(client.pull_and_step());
  client.seal(halves_of("early\n"));  // with the last flight, which is not sent yet
  client.push();
  EXPECT_EQ(halves_of("early\n"), client.receive(12));
}

TEST(FiltersFlow, OverTlsTheEndOfTheFilterComesBeforeCloseNotify) {
  const TlsOwner tls = simple_tls();
  FilteredOptions options({bracket_filter()}, with_tls(tls));
  const std::string bytes = numbers(3 << 20);
  TestServer server(options.get(), {.on_data = [&](tcpkit_conn* conn, std::string_view) {
                      send_text(conn, bytes);
                      (void)tcpkit_conn_close(conn);
                    }});
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send("?");
  expect_same("[" + bytes + "].", client.receive_all());
  EXPECT_TRUE(client.was_told_goodbye());
}

TEST(FiltersFlow, AStreamOfTlsThatIsCutOffIsToldAsSuchAndNotAsAnEndOfTheFilter) {
  const TlsOwner tls = simple_tls();
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, with_tls(tls));
  TestServer server(options.get());
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send("a");
  client.raw().half_close();
  (void)client.receive_all();
  EXPECT_EQ(TCPKIT_CLOSE_TLS_TRUNCATED, server.close_info().reason);
}

}  // namespace
