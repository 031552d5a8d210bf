// Blocking calls over TLS, and behind a PROXY header.
#include <gtest/gtest.h>

#include <thread>

#include "blocking_support.h"
#include "tls_client.h"

namespace testkit {
namespace {

Behaviour with_handler(std::function<void(tcpkit_conn*)> handler) {
  return {.on_connection = std::move(handler)};
}

TEST(BlockingTls, EchoesWithEitherVersion) {
  const TlsOwner tls = simple_tls();
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TestServer server(with_tls(tls), with_handler(echo_bytes));
    TlsClient client(server, version);
    ASSERT_TRUE(client.handshake());
    client.send("hello");
    EXPECT_EQ(client.receive(5), "hello");
    client.say_goodbye();
    EXPECT_EQ(client.receive_all(), "");
    EXPECT_TRUE(client.was_told_goodbye());
    EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_PEER_FIN);
    EXPECT_EQ(server.metrics().total_read, 5u) << "bytes are those of the user";
    EXPECT_EQ(server.metrics().total_written, 5u);
  }
}

TEST(BlockingTls, LargeMessagesGoBothWays) {
  const TlsOwner tls = simple_tls();
  const std::string bytes = numbers(3 << 20);
  TestServer server(with_tls(tls), with_handler([&](tcpkit_conn* conn) {
                      const ReadResult read = read_exactly(conn, bytes.size());
                      EXPECT_EQ(read.bytes, bytes);
                      EXPECT_EQ(write_text(conn, read.bytes), TCPKIT_OK);
                    }));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send(bytes);
  EXPECT_EQ(client.receive(bytes.size()), bytes);
}

TEST(BlockingTls, BytesBehindTheHandshakeInTheSameReadAreTheFirst) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.framing = tcpkit_framing_line();
  TestServer server(options, with_handler(echo_packets));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send("one\ntwo\nthr");
  EXPECT_EQ(client.receive(8), "one\ntwo\n");
  client.send("ee\n");
  EXPECT_EQ(client.receive(6), "three\n");
}

TEST(BlockingTls, StreamWithoutGoodbyeIsTruncated) {
  const TlsOwner tls = simple_tls();
  Outcome outcome;
  TestServer server(with_tls(tls),
                    with_handler([&](tcpkit_conn* conn) { outcome.set(read_some(conn)); }));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.raw().half_close();
  EXPECT_EQ(outcome.status(), TCPKIT_E_TLS_TRUNCATED);
  client.raw().close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_TLS_TRUNCATED);
}

TEST(BlockingTls, GarbageInsteadOfARecordIsAnErrorOfTls) {
  const TlsOwner tls = simple_tls();
  Outcome outcome;
  TestServer server(with_tls(tls),
                    with_handler([&](tcpkit_conn* conn) { outcome.set(read_some(conn)); }));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.raw().send("this is no record of TLS at all");
  EXPECT_EQ(tcpkit_status_class_of(outcome.status()), TCPKIT_CLASS_TLS);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_TLS_ERROR);
}

TEST(BlockingTls, OthersSendWhileOneThreadReadsAndAnotherWrites) {
  constexpr int kLines = 100;
  const TlsOwner tls = simple_tls();
  const std::string written(20'000, 'w');
  const std::string sent(500, 's');
  Event done;
  TestServer server(with_tls(tls), with_handler([&](tcpkit_conn* conn) {
                      std::thread sender([&] {
                        for (int i = 0; i < kLines; ++i) send_text(conn, sent + "\n");
                      });
                      std::thread writer([&] {
                        for (int i = 0; i < kLines; ++i) (void)write_text(conn, written + "\n");
                      });
                      EXPECT_EQ(read_exactly(conn, 1'000'000).status, TCPKIT_OK);
                      sender.join();
                      writer.join();
                      done.set();
                    }));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  client.send(numbers(1'000'000));
  const std::string all = client.receive(kLines * (written.size() + sent.size() + 2));
  int lines = 0;
  for (size_t at = 0, end; (end = all.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string line = all.substr(at, end - at);
    if (line == written || line == sent) ++lines;
  }
  EXPECT_EQ(lines, 2 * kLines);
  EXPECT_TRUE(done.wait());
}

TEST(BlockingTls, DeadlineAndCancelEndReads) {
  const TlsOwner tls = simple_tls();
  Outcome timed_out;
  Outcome cancelled;
  TestServer server(with_tls(tls), with_handler([&](tcpkit_conn* conn) {
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, 20);
                      timed_out.set(read_some(conn));
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, TCPKIT_UNLIMITED);
                      cancelled.set(read_some(conn));
                    }));
  TlsClient client(server);
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  EXPECT_EQ(timed_out.status(), TCPKIT_E_TIMED_OUT);
  const KeptConn conn = server.kept(server.opened_id(0));
  EXPECT_EQ(tcpkit_conn_cancel(conn.get()), TCPKIT_OK);
  EXPECT_EQ(cancelled.status(), TCPKIT_E_CANCELLED);
}

TEST(BlockingProxy, HandlerReadsWhatIsBehindTheHeader) {
  tcpkit_server_options options = with_loops(1);
  options.proxy_protocol = TCPKIT_PROXY_REQUIRED;
  options.proxy_trusted = "127.0.0.0/8";
  Outcome outcome;
  std::string address;
  TestServer server(options, with_handler([&](tcpkit_conn* conn) {
                      char text[64] = "";
                      (void)tcpkit_conn_remote_address(conn, text, sizeof text);
                      address = text;
                      outcome.set(read_exactly(conn, 5));
                    }));
  RawClient client = server.connect();
  client.send("PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\nhel");
  client.send("lo");
  EXPECT_EQ(outcome.wait().bytes, "hello");
  EXPECT_EQ(address, "192.0.2.7:5000");
}

}  // namespace
}  // namespace testkit
