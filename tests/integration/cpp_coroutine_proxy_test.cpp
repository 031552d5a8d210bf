// What coroutines that dial are for: a proxy, TLS upstream, many dials, and clients that reconnect.
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "integration/cpp_coroutine_support.h"
#include "integration/cpp_tls_client.h"

namespace {

using namespace cpp_support;
using tcpkit::CoConn;
using tcpkit::Task;

Task<> echo(CoConn conn) {
  std::array<char, 4096> buffer;
  while (const auto data = co_await conn.read(buffer)) co_await conn.write(*data);
}

// As in examples/coroutine_proxy.cpp.
Task<> pump(CoConn from, CoConn to) {
  std::array<char, 4096> buffer;
  for (;;) {
    const auto data = co_await from.read(buffer);
    if (data.status() == TCPKIT_E_END) {
      to.shutdown();
      co_return;
    }
    if (!data) to.abort();
    if (!data || !(co_await to.write(*data)).ok()) co_return;
  }
}

CoServer::Body proxy_to(const std::string& address, const tcpkit::ClientOptions& options = {}) {
  return [address, options](CoConn conn) -> Task<> {
    const auto upstream = co_await tcpkit::dial(conn, address, options);
    if (!upstream) co_return;
    conn.spawn([upstream = *upstream](CoConn same) -> Task<> {
      co_await pump(same, upstream);
      same.notify();
    });
    co_await pump(*upstream, conn);
    (void)co_await conn.notified();
  };
}

// Bytes of which no two pieces of the same length are alike soon.
std::string pattern(std::size_t size) {
  std::string text(size, '\0');
  for (std::size_t at = 0; at < size; ++at) text[at] = static_cast<char>(at * 131 + at / 251);
  return text;
}

TEST(CppCoroutineProxy, CarriesAMebibyteBothWays) {
  CoServer upstream(byte_options(), echo);
  tcpkit::ServerOptions options = byte_options();
  options.high_watermark = 16 * 1024;
  CoServer server(options, proxy_to(upstream.address(), {.high_watermark = 16 * 1024}));
  const Client client(server.address());
  const std::string sent = pattern(1u << 20);
  std::thread sender([&] {
    EXPECT_TRUE(client.send(sent));
    client.end_stream();
  });
  EXPECT_TRUE(sent == client.receive(sent.size()));
  EXPECT_TRUE(client.sees_end());
  sender.join();
  EXPECT_EQ(1u, upstream.closed_count(1));
  EXPECT_EQ(TCPKIT_OK, server.closed().status);
}

TEST(CppCoroutineProxy, AnUpstreamThatEndsFirstStillHearsTheClient) {
  Mailbox<std::string> heard;
  CoServer upstream(byte_options(), [&](CoConn conn) -> Task<> {
    co_await conn.write("bye");
    conn.shutdown();
    std::array<char, 5> late;
    const auto data = co_await conn.read_exactly(late);
    heard.put(data ? text_of(*data) : "nothing");
  });
  CoServer server(byte_options(), proxy_to(upstream.address()));
  const Client client(server.address());
  ASSERT_EQ("bye", client.receive(3));
  ASSERT_TRUE(client.sees_end());
  EXPECT_TRUE(client.send("later"));
  EXPECT_EQ(std::vector<std::string>{"later"}, heard.wait_for(1));
}

TEST(CppCoroutineProxy, AnUpstreamThatResetsEndsTheClientToo) {
  CoServer upstream(byte_options(), [](CoConn conn) -> Task<> {
    std::array<char, 1> byte;
    (void)co_await conn.read(byte);
    conn.abort();
  });
  CoServer server(byte_options(), proxy_to(upstream.address()));
  const Client client(server.address());
  EXPECT_TRUE(client.send("x"));
  EXPECT_TRUE(client.sees_end());
}

TEST(CppCoroutineProxy, AStopWhileBytesFlowEndsBothSides) {
  CoServer upstream(byte_options(), echo);
  CoServer server(byte_options(), proxy_to(upstream.address()));
  const Client client(server.address());
  EXPECT_TRUE(client.send("x"));
  ASSERT_EQ("x", client.receive(1));
  server.get().stop();
  EXPECT_EQ(1u, server.closed_count(1));
  EXPECT_EQ(1u, upstream.closed_count(1));
}

tcpkit::ClientOptions trusting_anybody() {
  tcpkit::TlsOptions options;
  options.insecure_accept_any_certificate = TCPKIT_ON;
  tcpkit::ClientOptions client;
  client.tls = std::make_shared<tcpkit::Tls>(options);
  return client;
}

tcpkit::ServerOptions with_tls() {
  tcpkit::TlsOptions options;
  options.self_signed = "localhost";
  tcpkit::ServerOptions server = byte_options();
  server.tls = std::make_shared<tcpkit::Tls>(options);
  return server;
}

TEST(CppCoroutineProxy, TheUpstreamMaySpeakTls) {
  CoServer upstream(with_tls(), echo);
  CoServer server(byte_options(), proxy_to(upstream.address(), trusting_anybody()));
  const Client client(server.address());
  EXPECT_TRUE(client.send("in clear here"));
  EXPECT_EQ("in clear here", client.receive(13));
  EXPECT_EQ(1u, upstream.get().metrics().tls_handshakes);
}

TEST(CppCoroutineProxy, TheClientMaySpeakTls) {
  CoServer upstream(byte_options(), echo);
  CoServer server(with_tls(), proxy_to(upstream.address()));
  const Client client(server.address());
  TlsClient tls(client);
  ASSERT_TRUE(tls.handshake());
  EXPECT_TRUE(tls.send("in clear there"));
  EXPECT_EQ("in clear there", tls.receive(14));
}

TEST(CppCoroutineProxy, AHandshakeThatFailsIsTheStatusOfTheDial) {
  CoServer upstream(with_tls(), echo);
  Mailbox<tcpkit::Status> told;
  tcpkit::ClientOptions options;
  options.tls = std::make_shared<tcpkit::Tls>(tcpkit::TlsOptions());
  options.server_name = "localhost";
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    told.put((co_await tcpkit::dial(conn, upstream.address(), options)).status());
  });
  const Client client(server.address());
  const auto all = told.wait_for(1);
  ASSERT_EQ(1u, all.size());
  EXPECT_EQ(TCPKIT_CLASS_TLS, all[0].status_class()) << all[0].name();
}

TEST(CppCoroutineProxy, TwoHundredConnectionsDialAndAllEnds) {
  constexpr std::size_t kConnections = 200;
  CoServer upstream(byte_options(), echo);
  tcpkit::ServerOptions options;
  options.loops = 2;
  CoServer server(options, proxy_to(upstream.address()));
  std::vector<std::unique_ptr<Client>> clients;
  for (std::size_t i = 0; i < kConnections; ++i) {
    clients.push_back(std::make_unique<Client>(server.address()));
    ASSERT_TRUE(clients.back()->send("ping " + std::to_string(1000 + i)));
  }
  for (std::size_t i = 0; i < kConnections; ++i) {
    EXPECT_EQ("ping " + std::to_string(1000 + i), clients[i]->receive(9));
  }
  clients.clear();
  EXPECT_EQ(kConnections, server.closed_count(kConnections));
  EXPECT_EQ(kConnections, upstream.closed_count(kConnections));
}

TEST(CppCoroutineProxy, OneConnectionDialsManyTimes) {
  constexpr int kDials = 200;
  CoServer upstream(byte_options(), echo);
  Mailbox<int> answered;
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    int good = 0;
    for (int i = 0; i < kDials; ++i) {
      const auto dialled = co_await tcpkit::dial(conn, upstream.address());
      std::array<char, 1> byte;
      if (dialled && (co_await dialled->write("x")).ok())
        good += (co_await dialled->read(byte)).ok();
    }
    answered.put(good);
  });
  const Client client(server.address());
  EXPECT_EQ(std::vector<int>{kDials}, answered.wait_for(1));
  EXPECT_EQ(static_cast<std::size_t>(kDials), upstream.closed_count(kDials));
}

TEST(CppCoroutineProxy, AClientRunsACoroutineForEachOfItsConnections) {
  CoServer upstream(byte_options(), echo);
  Mailbox<std::string> answers;
  tcpkit::ClientOptions options;
  options.reconnect = TCPKIT_ON;
  options.reconnect_min_ms = 1;
  tcpkit::Client client(options);
  client.on_connection([&](CoConn conn) -> Task<> {
    std::array<char, 5> answer;
    co_await conn.write("hello");
    const auto data = co_await conn.read_exactly(answer);
    answers.put(data ? text_of(*data) : data.status().name());
  });
  client.connect(upstream.address());
  for (const std::string& answer : answers.wait_for(3)) EXPECT_EQ("hello", answer);
  EXPECT_GE(client.metrics().reconnects, 2u);
}

TEST(CppCoroutineProxy, ACoroutineOfAClientReadsPackets) {
  CoServer upstream(line_options(), [](CoConn conn) -> Task<> {
    co_await conn.write_packet("welcome");
    (void)co_await conn.read_packet();
  });
  Mailbox<std::string> packets;
  tcpkit::ClientOptions options;
  options.framing = tcpkit::Framing::line();
  tcpkit::Client client(options);
  client.on_connection([&](CoConn conn) -> Task<> {
    while (const auto packet = co_await conn.read_packet()) packets.put(text_of(*packet));
  });
  client.connect(upstream.address());
  EXPECT_EQ(std::vector<std::string>{"welcome"}, packets.wait_for(1));
}

TEST(CppCoroutineProxy, ACoroutineOfAClientDialsOnItsLoop) {
  CoServer upstream(byte_options(), echo);
  Mailbox<bool> same_loop;
  tcpkit::Client client;
  client.on_connection([&](CoConn conn) -> Task<> {
    const auto dialled = co_await tcpkit::dial(conn, upstream.address());
    same_loop.put(dialled && dialled->loop() == conn.loop());
  });
  client.connect(upstream.address());
  EXPECT_EQ(std::vector<bool>{true}, same_loop.wait_for(1));
}

TEST(CppCoroutineProxy, AClientTakesEitherACoroutineOrHandlers) {
  tcpkit::Client client;
  client.on_connection(echo);
  client.on_data([](tcpkit::ConnRef, tcpkit::Bytes) {});
  EXPECT_THROW(client.connect("tcp://127.0.0.1:1"), tcpkit::Error);
}

}  // namespace
