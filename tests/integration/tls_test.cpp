// Servers that speak TLS, against a client of OpenSSL that holds every byte.
#include <atomic>
#include <thread>

#include "tls_client.h"

using namespace testkit;

namespace {

constexpr int kBothVersions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

TEST(Tls, EchoesWithEitherVersion) {
  const TlsOwner tls = simple_tls();
  for (const int version : kBothVersions) {
    TestServer server(with_tls(tls), echo());
    TlsClient client(server, version);
    ASSERT_TRUE(client.handshake());
    EXPECT_EQ(version, SSL_version(client.ssl()));
    client.send("hello");
    EXPECT_EQ("hello", client.receive(5));
    client.say_goodbye();
    EXPECT_EQ("", client.receive_all());
    EXPECT_TRUE(client.was_told_goodbye());
    EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
    EXPECT_EQ(TCPKIT_OK, server.close_info().status);
    EXPECT_EQ(-1, server.close_info().tls_alert);
    const tcpkit_metrics metrics = server.metrics();
    EXPECT_EQ(5u, metrics.total_read) << "bytes are those of the user";
    EXPECT_EQ(5u, metrics.total_written);
    EXPECT_EQ(1u, metrics.tls_handshakes);
    EXPECT_EQ(0u, metrics.tls_failures);
    EXPECT_EQ(0u, metrics.tls_handshakes_now);
  }
}

// What is sent while a sealed rest waits must not stay in the buffer that the loop's connections
// share.
TEST(Tls, OutputOfAConnectionThatIsNotReadNeverReachesAnother) {
  constexpr size_t kAnswer = 1000;
  constexpr int kQuestions = 1000;
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.send_buffer_size = 16 << 10;
  options.pause_above_high = TCPKIT_OFF;
  TestServer server(options, {.on_data = [](tcpkit_conn* conn, std::string_view bytes) {
                      for (const char kind : bytes) send_text(conn, std::string(kAnswer, kind));
                    }});
  TlsClient stalled(server.connect(4096), client_context().get());
  ASSERT_TRUE(stalled.handshake());
  TlsClient other(server);
  ASSERT_TRUE(other.handshake());
  for (int i = 0; i < kQuestions; ++i) {
    stalled.send("a");
    other.send("b");
    ASSERT_EQ(std::string(kAnswer, 'b'), other.receive(kAnswer)) << i;
  }
  EXPECT_EQ(std::string(kQuestions * kAnswer, 'a'), stalled.receive(kQuestions * kAnswer));
}

TEST(Tls, OpensAfterTheHandshakeAndTellsWhatItAgreedOn) {
  tcpkit_tls_options tls_options = TCPKIT_TLS_OPTIONS_INIT;
  tls_options.self_signed = "localhost";
  tls_options.alpn = "h2,http/1.1";
  const TlsOwner tls = make_tls(tls_options);
  std::string said;
  TestServer server(with_tls(tls), {.on_open = [&](tcpkit_conn* conn) {
                      tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_tls_info(conn, &info));
                      EXPECT_EQ(TCPKIT_TLS_1_3, info.version);
                      EXPECT_EQ(0, info.resumed);
                      EXPECT_EQ(0, info.peer_verified);
                      EXPECT_EQ(0u, info.peer_certificates);
                      EXPECT_STREQ("", info.peer_subject);
                      EXPECT_GT(info.handshake_us, 0u);
                      said = std::string(info.cipher) + " " + info.group + " " + info.alpn + " " +
                             info.server_name;
                      EXPECT_NE(nullptr, tcpkit_conn_native_tls(conn));
                    }});
  const SslContext context = client_context();
  SSL_CTX_set_ciphersuites(context.get(), "TLS_AES_128_GCM_SHA256");
  const unsigned char protocols[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context.get(), protocols, sizeof protocols - 1);
  TlsClient client(server.connect(), context.get());
  client.ask_for("localhost");
  EXPECT_EQ(0u, server.open_count());
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  server.stop();
  EXPECT_EQ("TLS_AES_128_GCM_SHA256 x25519 http/1.1 localhost", said);
}

TEST(Tls, AHandshakeByteByByteIsTheSame) {
  const TlsOwner tls = simple_tls();
  for (const int version : kBothVersions) {
    TestServer server(with_tls(tls), echo());
    TlsClient client(server, version);
    SSL_do_handshake(client.ssl());
    client.raw().send_in_pieces(client.take_sealed(), 1);
    ASSERT_TRUE(client.handshake());
    client.seal("ping");
    client.raw().send_in_pieces(client.take_sealed(), 1);
    EXPECT_EQ("ping", client.receive(4));
  }
}

TEST(Tls, DataThatComesWithTheEndOfTheHandshakeIsDelivered) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server, TLS1_3_VERSION);
  SSL_do_handshake(client.ssl());
  client.push();
  while (!SSL_is_init_finished(client.ssl())) {
    ASSERT_TRUE(client.pull_and_step());
  }
  client.seal("with the last flight");
  client.push();
  EXPECT_EQ("with the last flight", client.receive(20));
}

TEST(Tls, DataThatComesWithTheEndOfTheHandshakeWaitsForAUserWhoPauses) {
  const TlsOwner tls = simple_tls();
  TestServer server(
      with_tls(tls),
      {.on_open = [](tcpkit_conn* conn) { EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn)); },
       .on_data = send_text});
  TlsClient client(server, TLS1_3_VERSION);
  SSL_do_handshake(client.ssl());
  client.push();
  while (!SSL_is_init_finished(client.ssl())) {
    ASSERT_TRUE(client.pull_and_step());
  }
  client.seal("later");
  client.say_goodbye();
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ("", server.data_of(server.opened_id(0)));
  EXPECT_TRUE(server.closes().empty());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_resume_reading(conn.get()));
  EXPECT_EQ("later", client.receive_all());
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

void expect_large_echo(const tcpkit_server_options& options, int version) {
  constexpr size_t kBytes = 8u << 20;
  TestServer server(options, echo());
  TlsClient client(server, version);
  ASSERT_TRUE(client.handshake());
  const std::string bytes = numbers(kBytes);
  std::string sealed;
  for (size_t i = 0; i < kBytes; i += 100'000) {
    client.seal(std::string_view(bytes).substr(i, 100'000));
    sealed += client.take_sealed();
  }
  RawClient& raw = client.raw();
  std::thread sender([&] { (void)raw.try_send(sealed); });
  const std::string echoed = client.receive(kBytes);
  sender.join();
  EXPECT_TRUE(echoed == bytes);
  EXPECT_EQ(kBytes, server.metrics().total_read);
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().total_written == kBytes; }));
}

TEST(Tls, MuchDataComesBackAsItWas) {
  const TlsOwner tls = simple_tls();
  for (const int version : kBothVersions) {
    expect_large_echo(with_tls(tls), version);
    tcpkit_server_options small = with_tls(tls, with_small_buffers());
    small.read_buffer_size = 1024;
    small.high_watermark = 32 << 10;
    expect_large_echo(small, version);
  }
}

TEST(Tls, PacketsDoNotDependOnRecords) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options =
      with_tls(tls, framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
  options.max_packet_size = 2u << 20;
  TestServer server(options, echo());
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  std::string frames;
  std::vector<std::string> packets;
  for (const size_t size : {0u, 1u, 100u, 5000u, 20'000u, 300'000u, 1'500'000u, 7u}) {
    packets.push_back(numbers(size));
    for (const int shift : {24, 16, 8, 0}) frames += static_cast<char>(size >> shift);
    frames += packets.back();
  }
  std::string sealed;
  for (size_t i = 0; i < frames.size(); i += 9999) {
    client.seal(std::string_view(frames).substr(i, 9999));
    sealed += client.take_sealed();
  }
  RawClient& raw = client.raw();
  std::thread sender([&] { (void)raw.try_send(sealed); });
  EXPECT_TRUE(client.receive(frames.size()) == frames);
  sender.join();
  EXPECT_TRUE(server.packet_texts() == packets);
}

TEST(Tls, CloseAfterAMuchDataSendsAllOfItAndSaysGoodbye) {
  const TlsOwner tls = simple_tls();
  const std::string bytes = numbers(10u << 20);
  TestServer server(with_tls(tls, with_small_buffers()), {.on_open = [&](tcpkit_conn* conn) {
                      send_text(conn, bytes);
                      tcpkit_conn_close(conn);
                    }});
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  EXPECT_TRUE(client.receive_all() == bytes);
  EXPECT_TRUE(client.was_told_goodbye());
  client.say_goodbye();
  client.raw().close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, info.reason);
  EXPECT_EQ(0u, info.unsent_bytes);
  EXPECT_EQ(bytes.size(), server.metrics().total_written);
}

TEST(Tls, SendsOfOtherThreadsArriveInTheirOrder) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls, framed(tcpkit_framing_line())));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string line = "line " + std::to_string(i);
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_send_packet(conn.get(), line.data(), line.size()));
    expected += line + "\n";
  }
  EXPECT_TRUE(client.receive(expected.size()) == expected);
}

TEST(Tls, AHalfClosedPeerGetsItsReply) {
  const TlsOwner tls = simple_tls();
  for (const int version : kBothVersions) {
    TestServer server(with_tls(tls), {.on_end = [](tcpkit_conn* conn) {
                        send_text(conn, "reply");
                        tcpkit_conn_close(conn);
                      }});
    TlsClient client(server, version);
    ASSERT_TRUE(client.handshake());
    client.send("request");
    client.say_goodbye();
    EXPECT_EQ("reply", client.receive_all());
    EXPECT_TRUE(client.was_told_goodbye());
  }
}

TEST(Tls, AStreamThatIsCutIsReportedAsTruncated) {
  const TlsOwner tls = simple_tls();
  std::string detail;
  TestServer server(
      with_tls(tls, framed(tcpkit_framing_line())),
      {.on_packet = send_packet,
       .on_close = [&](tcpkit_conn*, const tcpkit_close_info& closed) { detail = closed.detail; }});
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send("whole\npart");
  EXPECT_EQ("whole\n", client.receive(6));
  client.raw().half_close();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_TLS_TRUNCATED, info.reason);
  EXPECT_EQ(TCPKIT_E_TLS_TRUNCATED, info.status);
  EXPECT_EQ(4u, info.partial_bytes);
  EXPECT_EQ("the stream ended without close_notify", detail);
  EXPECT_EQ((std::vector<std::string>{"whole"}), server.packet_texts());
}

TEST(Tls, AResetIsAReset) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  client.raw().reset();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, server.close_info().reason);
}

TEST(Tls, StopTellsEveryPeerGoodbyeAndClosesAll) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls, with_loops(2)), echo());
  std::vector<TlsClient> clients;
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server);
    ASSERT_TRUE(clients.back().handshake());
  }
  ASSERT_TRUE(server.wait_opens(20));
  server.stop();
  EXPECT_EQ(20u, server.closes().size());
  for (TlsClient& client : clients) {
    EXPECT_EQ("", client.receive_all());
    EXPECT_TRUE(client.was_told_goodbye());
  }
  for (const CloseRecord& close : server.closes()) {
    EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, close.info.reason);
  }
}

TEST(Tls, APeerThatDoesNotReadHoldsBackTheServerAndGetsAllInTheEnd) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls, with_small_buffers());
  options.high_watermark = 256 << 10;
  options.max_queued_bytes = 4u << 20;
  std::atomic<int> writable{0};
  TestServer server(options, {.on_writable = [&](tcpkit_conn*) { ++writable; }});
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  const std::string chunk = numbers(100'000);
  size_t sent = 0;
  tcpkit_status status = TCPKIT_OK;
  while (sent < (16u << 20)) {
    ASSERT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
      status = tcpkit_conn_send(self, chunk.data(), chunk.size());
    }));
    if (status < 0) break;
    sent += chunk.size();
  }
  EXPECT_EQ(TCPKIT_E_QUEUE_FULL, status);
  EXPECT_EQ(0, writable);
  EXPECT_LE(tcpkit_conn_queued_bytes(conn.get()), 4u << 20);
  const std::string received = client.receive(sent);
  ASSERT_EQ(sent, received.size());
  for (size_t i = 0; i < sent; i += chunk.size()) {
    ASSERT_TRUE(std::string_view(received).substr(i, chunk.size()) == chunk) << i;
  }
  EXPECT_TRUE(server.wait_until([&] { return writable == 1; }));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes == 0; }));
  EXPECT_EQ(sent, server.metrics().total_written);
}

TEST(Tls, AnAbortedConnectionCountsWhatDidNotLeave) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls, with_small_buffers()), {.on_open = [](tcpkit_conn* conn) {
                      send_text(conn, numbers(8u << 20));
                      tcpkit_conn_abort(conn);
                    }});
  TlsClient client(server.connect(kSmallBuffer), client_context().get());
  ASSERT_TRUE(client.handshake());
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_ABORTED, info.reason);
  EXPECT_GT(info.unsent_bytes, 0u);
  EXPECT_EQ(8u << 20, info.unsent_bytes + server.metrics().total_written);
  EXPECT_EQ(0u, server.metrics().buffered_bytes);
}

TEST(Tls, OnlyOptionsOfTlsAreEnough) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.tls = tls.get();
  TestServer server(options, echo());
  TlsClient client(server);
  EXPECT_TRUE(client.handshake());
}

TEST(Tls, ACloseHandlerThatComesLateIsToldTheSame) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  client.raw().half_close();
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().closed == 1; }));
  std::string detail;
  const auto note = [](tcpkit_conn*, const tcpkit_close_info* info, void* told) {
    EXPECT_EQ(TCPKIT_CLOSE_TLS_TRUNCATED, info->reason);
    *static_cast<std::string*>(told) = info->detail;
  };
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_add_close_handler(conn.get(), note, &detail, nullptr));
  EXPECT_EQ("the stream ended without close_notify", detail);
}

TEST(Tls, OrPlainWithoutCredentialsIsRefused) {
  tcpkit_server_options options = with_loops(1);
  options.tls_or_plain = TCPKIT_ON;
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options, nullptr, &server));
  EXPECT_NE(std::string::npos, TestServer::last_error().find("tls_or_plain"));
}

TEST(Tls, OfOneListenerCanBeOff) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls), echo());
  tcpkit_listen_options listen = TCPKIT_LISTEN_OPTIONS_INIT;
  listen.tls = TCPKIT_OFF;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_listen(server.get(), "tcp://127.0.0.1:0", &listen));
  RawClient plain(server.address(1));
  plain.send("plain");
  EXPECT_EQ("plain", plain.receive(5));
  TlsClient client(server);
  EXPECT_TRUE(client.handshake());
}

}  // namespace
