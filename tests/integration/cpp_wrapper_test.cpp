// tcpkit::Server as users have it: tcpkit.hpp and the shared library against real sockets.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "integration/cpp_support.h"

namespace {

using cpp_support::Client;
using cpp_support::Closed;
using cpp_support::kLoopback;
using cpp_support::line_options;
using cpp_support::Mailbox;
using cpp_support::start_on_free_port;

TEST(CppServer, EchoesPacketsThroughTheEncoderOfItsFraming) {
  tcpkit::Server server{line_options()};
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.connected());
  ASSERT_TRUE(client.send("one\ntwo\n"));
  EXPECT_EQ(client.receive(8), "one\ntwo\n");
}

TEST(CppServer, RunServesOnTheCallersThreadUntilStop) {
  tcpkit::ServerOptions options = line_options();
  options.handle_signals = TCPKIT_OFF;
  tcpkit::Server server{options};
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
  server.listen(kLoopback);
  std::thread runner([&] { server.run(); });
  {
    const Client client(server.listener_address());
    ASSERT_TRUE(client.send("x\n"));
    EXPECT_EQ(client.receive(2), "x\n");
    EXPECT_TRUE(server.is_running());
  }
  server.stop();
  runner.join();
  EXPECT_FALSE(server.is_running());
}

TEST(CppServer, DeliversBytesAsTheyComeWithoutFraming) {
  tcpkit::Server server;
  server.on_data([](tcpkit::ConnRef conn, tcpkit::Bytes data) { conn.send(data); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("no lines here"));
  EXPECT_EQ(client.receive(13), "no lines here");
}

TEST(CppServer, ListensOnTheAddressesOfItsOptions) {
  tcpkit::ServerOptions options = line_options();
  options.listen = "tcp://127.0.0.1:0,tcp://127.0.0.1:0";
  tcpkit::Server server{options};
  server.start();
  EXPECT_EQ(server.listener_count(), 2u);
  EXPECT_TRUE(Client(server.listener_address(1)).connected());
  EXPECT_EQ(server.listener_address(2), "");
}

TEST(CppServer, ClosesAfterThePeersEndIfOnEndIsNotSet) {
  Mailbox<Closed> closed;
  tcpkit::Server server{line_options()};
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    closed.put({info.reason, info.status});
  });
  const Client client(start_on_free_port(server));
  client.end_stream();
  EXPECT_TRUE(client.sees_end());
  const auto all = closed.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_STREQ(tcpkit::close_reason_name(all[0].reason), "PEER_FIN");
  EXPECT_EQ(all[0].status, TCPKIT_OK);
}

TEST(CppServer, StaysOpenForSendingAfterThePeersEndIfOnEndIsSet) {
  tcpkit::Server server{line_options()};
  server.on_end([](tcpkit::ConnRef conn) {
    conn.send("bye");
    conn.close();
  });
  const Client client(start_on_free_port(server));
  client.end_stream();
  EXPECT_EQ(client.receive(3), "bye");
  EXPECT_TRUE(client.sees_end());
}

TEST(CppServer, ClosesAConnectionWhoseHandlerThrowsAndServesTheOthers) {
  Mailbox<Closed> closed;
  tcpkit::Server server{line_options()};
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) {
    if (packet.text() == "throw") throw std::runtime_error("as asked");
    conn.send_packet(packet);
  });
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    closed.put({info.reason, info.status});
  });
  const std::string address = start_on_free_port(server);
  const Client other(address);
  {
    const Client thrower(address);
    ASSERT_TRUE(thrower.send("throw\n"));
    EXPECT_TRUE(thrower.sees_end());
  }
  const auto all = closed.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].reason, TCPKIT_CLOSE_CALLBACK);
  EXPECT_EQ(all[0].status, TCPKIT_E_CALLBACK);
  ASSERT_TRUE(other.send("still here\n"));
  EXPECT_EQ(other.receive(11), "still here\n");
  EXPECT_EQ(server.metrics().callback_errors, 1u);
}

TEST(CppServer, TakesHandlersThatCannotBeCopied) {
  tcpkit::Server server{line_options()};
  auto greeting = std::make_unique<std::string>("hello");
  server.on_open([held = std::move(greeting)](tcpkit::ConnRef conn) { conn.send_packet(*held); });
  const Client client(start_on_free_port(server));
  EXPECT_EQ(client.receive(6), "hello\n");
}

TEST(CppServer, DestroysItsHandlersExactlyOnce) {
  const auto token = std::make_shared<int>(0);
  {
    tcpkit::Server server{line_options()};
    server.on_open([token](tcpkit::ConnRef) {});
    server.on_open([token](tcpkit::ConnRef) {});
    EXPECT_EQ(token.use_count(), 2);
    start_on_free_port(server);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(CppServer, DestroysTheHandlersOfAServerThatWasNeverUsed) {
  const auto token = std::make_shared<int>(0);
  {
    tcpkit::Server server{line_options()};
    server.on_log([token](tcpkit_log_level, std::string_view) {});
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(CppServer, RefusesHandlersAfterItsFirstOtherCall) {
  tcpkit::Server server{line_options()};
  server.listen(kLoopback);
  EXPECT_THROW(server.on_open([](tcpkit::ConnRef) {}), tcpkit::Error);
}

TEST(CppServer, FailsTheSameWayAgainWhenItsOptionsAreWrong) {
  const auto token = std::make_shared<int>(0);
  tcpkit::ServerOptions options;
  options.framing = tcpkit::Framing::fixed(0);
  tcpkit::Server server{options};
  server.on_open([token](tcpkit::ConnRef) {});
  for (int attempt = 0; attempt < 2; ++attempt) {
    try {
      server.start();
      FAIL() << "a packet of no bytes was accepted";
    } catch (const tcpkit::Error& error) {
      EXPECT_EQ(error.status(), TCPKIT_E_INVALID_ARGUMENT);
      EXPECT_STRNE(error.what(), "");
    }
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(CppServer, ThrowsWhatIsWrongWithAnAddressThatIsTaken) {
  tcpkit::Server first;
  first.listen(kLoopback);
  const std::string address = first.listener_address();
  tcpkit::Server second;
  try {
    second.listen(address);
    FAIL() << address << " was bound twice";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code(), std::errc::address_in_use);
    EXPECT_EQ(error.code().category(), tcpkit::category());
    const std::string port = address.substr(address.rfind(':'));
    EXPECT_NE(std::string(error.what()).find(port), std::string::npos) << error.what();
  }
}

TEST(CppServer, FindsVisitsAndListsItsConnections) {
  Mailbox<std::uint64_t> opened;
  tcpkit::Server server;
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.id()); });
  const std::string address = start_on_free_port(server);
  const Client first(address);
  const Client second(address);
  const auto ids = opened.wait_for(2);
  ASSERT_EQ(ids.size(), 2u);

  std::vector<std::uint64_t> visited;
  server.visit([&](tcpkit::ConnRef conn) { visited.push_back(conn.id()); });
  EXPECT_EQ(visited.size(), 2u);
  EXPECT_EQ(server.list().size(), 2u);
  EXPECT_EQ(server.find(ids[1]).id(), ids[1]);
  EXPECT_FALSE(server.find(987654321));
}

TEST(CppServer, ThrowsWhatAVisitorThrows) {
  Mailbox<std::uint64_t> opened;
  tcpkit::Server server;
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.id()); });
  const Client client(start_on_free_port(server));
  ASSERT_EQ(opened.wait_for(1).size(), 1u);
  EXPECT_THROW(server.visit([](tcpkit::ConnRef) { throw std::runtime_error("enough"); }),
               std::runtime_error);
}

TEST(CppServer, GivesMetricsEachTickAndOnRequest) {
  Mailbox<std::uint64_t> connections;
  tcpkit::ServerOptions options = line_options();
  options.tick_interval_ms = 10;
  tcpkit::Server server{options};
  server.on_metrics([&](tcpkit::ServerRef from, const tcpkit::Metrics& metrics) {
    if (from && metrics.connections > 0) connections.put(metrics.connections);
  });
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("12345\n"));
  ASSERT_EQ(client.receive(6), "12345\n");
  ASSERT_GE(connections.wait_for(1).size(), 1u);
  EXPECT_EQ(server.metrics().total_read, 6u);
  EXPECT_EQ(server.metrics().packets_read, 1u);
}

class CountingStrategy : public tcpkit::Strategy {
 public:
  void on_start(tcpkit::ServerRef) override { ++starts; }
  void on_accept(tcpkit::ConnRef conn) override { accepted.put(conn.id()); }
  void on_stop(tcpkit::ServerRef) override { ++stops; }

  std::atomic<int> starts{0};
  std::atomic<int> stops{0};
  Mailbox<std::uint64_t> accepted;
};

TEST(CppServer, CallsTheHooksOfItsStrategy) {
  const auto strategy = std::make_shared<CountingStrategy>();
  tcpkit::ServerOptions options = line_options();
  options.strategy = strategy;
  tcpkit::Server server{options};
  const Client client(start_on_free_port(server));
  EXPECT_EQ(strategy->accepted.wait_for(1).size(), 1u);
  server.stop();
  EXPECT_EQ(strategy->starts, 1);
  EXPECT_EQ(strategy->stops, 1);
}

TEST(CppServer, KeepsTheBytesOfALongSeparator) {
  tcpkit::ServerOptions options = line_options();
  auto separator = std::make_unique<std::string>(100, '=');
  options.framing = tcpkit::Framing::separator(*separator);
  tcpkit::Server server{options};
  separator.reset();
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send(packet); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("packet" + std::string(100, '=')));
  EXPECT_EQ(client.receive(6), "packet");
}

#if __cplusplus >= 202002L
TEST(CppFeel, TakesDesignatedOptionsAndSpans) {
  tcpkit::Server server{{.framing = tcpkit::Framing::line()}};
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("x\n"));
  EXPECT_EQ(client.receive(2), "x\n");
  const std::span<const std::byte> bytes = tcpkit::Bytes("span");
  EXPECT_EQ(bytes.size(), 4u);
}
#endif

}  // namespace
