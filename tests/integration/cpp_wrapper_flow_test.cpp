// Flow control, timeouts, drain, limits and PROXY headers through tcpkit.hpp, against real sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <future>
#include <optional>
#include <string>
#include <system_error>

#include "integration/cpp_support.h"

namespace {

using cpp_support::Client;
using cpp_support::Closed;
using cpp_support::line_options;
using cpp_support::Mailbox;
using cpp_support::start_on_free_port;
using namespace std::chrono_literals;

constexpr std::size_t kPiece = 64 << 10;
constexpr std::size_t kHigh = 256 << 10;

struct Outcome {
  std::size_t sent;
  tcpkit::Status status;
};

// Sends pieces until a status is not plain TCPKIT_OK; the kernel takes the first ones.
template <class Stop>
Outcome send_until(tcpkit::ConnRef conn, Stop stop) {
  const std::string piece(kPiece, 'x');
  Outcome outcome{0, TCPKIT_OK};
  while (outcome.sent < 1000 * kPiece) {
    outcome.status = conn.send(piece);
    if (outcome.status.ok()) outcome.sent += kPiece;
    if (stop(outcome.status)) break;
  }
  return outcome;
}

tcpkit::ServerOptions flow_options() {
  tcpkit::ServerOptions options = line_options();
  options.high_watermark = kHigh;
  options.max_queued_bytes = 4 * kHigh;
  options.send_buffer_size = kPiece;
  return options;
}

TEST(CppFlow, TellsThatMuchIsQueuedAndWhenSendingMayGoOn) {
  Mailbox<Outcome> above;
  Mailbox<std::uint64_t> queued;
  tcpkit::Server server{flow_options()};
  server.on_packet([&](tcpkit::ConnRef conn, tcpkit::Bytes) {
    above.put(send_until(conn, [](tcpkit::Status status) { return status != TCPKIT_OK; }));
  });
  server.on_writable([&](tcpkit::ConnRef conn) { queued.put(conn.queued_bytes()); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("go\n"));
  const auto outcomes = above.wait_for(1);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(outcomes[0].status.above_high());
  EXPECT_TRUE(outcomes[0].status.ok());
  EXPECT_EQ(client.receive(outcomes[0].sent).size(), outcomes[0].sent);
  const auto writable = queued.wait_for(1);
  ASSERT_EQ(writable.size(), 1u);
  EXPECT_LE(writable[0], kHigh / 4);
}

TEST(CppFlow, RefusesWhatWouldPassTheQueueLimit) {
  Mailbox<Outcome> refused;
  tcpkit::Server server{flow_options()};
  server.on_packet([&](tcpkit::ConnRef conn, tcpkit::Bytes) {
    refused.put(send_until(conn, [](tcpkit::Status status) { return !status.ok(); }));
  });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("go\n"));
  const auto outcomes = refused.wait_for(1);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_EQ(outcomes[0].status, TCPKIT_E_QUEUE_FULL);
  EXPECT_EQ(tcpkit::make_error_code(outcomes[0].status), std::errc::no_buffer_space);
  EXPECT_EQ(server.metrics().refused_sends, 1u);
  EXPECT_EQ(client.receive(outcomes[0].sent).size(), outcomes[0].sent);
}

TEST(CppTimeouts, AreSetForOneConnection) {
  Mailbox<Closed> closed;
  tcpkit::Server server{line_options()};
  server.on_open([](tcpkit::ConnRef conn) {
    conn.set_timeout(TCPKIT_TIMEOUT_WRITE, std::chrono::milliseconds::max()).or_throw();
    conn.set_timeout(TCPKIT_TIMEOUT_READ, 30ms).or_throw();
  });
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    closed.put({info.reason, info.status});
  });
  const Client client(start_on_free_port(server));
  EXPECT_TRUE(client.sees_end());
  const auto all = closed.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].reason, TCPKIT_CLOSE_READ_TIMEOUT);
  EXPECT_EQ(server.metrics().read_timeouts, 1u);
}

TEST(CppTimeouts, HaveAReceiveRateForOneConnection) {
  Mailbox<Closed> closed;
  tcpkit::Server server{line_options()};
  server.on_open([](tcpkit::ConnRef conn) { conn.set_min_receive_rate(10'000, 30ms).or_throw(); });
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    closed.put({info.reason, info.status});
  });
  const Client client(start_on_free_port(server));
  client.send("no end of a line");
  EXPECT_TRUE(client.sees_end());
  const auto all = closed.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].reason, TCPKIT_CLOSE_RATE_TIMEOUT);
}

TEST(CppTimeouts, AreRefusedOnOtherThreads) {
  Mailbox<tcpkit::Conn> opened;
  tcpkit::Server server{line_options()};
  server.on_open([&](tcpkit::ConnRef conn) { opened.put(conn.retain()); });
  const Client client(start_on_free_port(server));
  const auto conns = opened.wait_for(1);
  ASSERT_EQ(conns.size(), 1u);
  EXPECT_EQ(conns[0].set_timeout(TCPKIT_TIMEOUT_IDLE, 1s), TCPKIT_E_WRONG_THREAD);
}

TEST(CppDrain, LetsConnectionsSayGoodbyeAndReports) {
  Mailbox<int> opened;
  tcpkit::Server server{line_options()};
  server.on_open([&](tcpkit::ConnRef) { opened.put(0); });
  server.on_drain([](tcpkit::ConnRef conn) { conn.send_packet("bye"); });
  std::future<tcpkit::DrainReport> report;
  {
    const Client client(start_on_free_port(server));
    ASSERT_EQ(opened.wait_for(1).size(), 1u);
    report = std::async(std::launch::async, [&] { return server.drain(10s); });
    EXPECT_EQ(client.receive(4), "bye\n");
    EXPECT_TRUE(client.sees_end());
  }
  const tcpkit::DrainReport counted = report.get();
  EXPECT_EQ(counted.graceful, 1u);
  EXPECT_EQ(counted.forced, 0u);
  EXPECT_FALSE(server.is_running());
}

TEST(CppDrain, ResetsWhatIsNotDoneAtTheDeadline) {
  Mailbox<int> packets;
  tcpkit::Server server{line_options()};
  server.on_packet([&](tcpkit::ConnRef, tcpkit::Bytes) { packets.put(0); });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("whole\nbegun"));
  ASSERT_EQ(packets.wait_for(1).size(), 1u);
  const tcpkit::DrainReport counted = server.drain(50ms);
  EXPECT_EQ(counted.graceful, 0u);
  EXPECT_EQ(counted.forced, 1u);
  EXPECT_GE(counted.elapsed_ms, 50u);
  EXPECT_TRUE(client.sees_end());
}

constexpr std::uint8_t kAuthority = 0x02;  // PP2_TYPE_AUTHORITY, a host name
constexpr std::uint8_t kUniqueId = 0x05;

struct Told {
  std::string remote;
  std::string proxy;
  std::string authority;
  bool has_unique_id;
};

tcpkit::ServerOptions proxy_options() {
  tcpkit::ServerOptions options = line_options();
  options.proxy_protocol = TCPKIT_PROXY_REQUIRED;
  options.proxy_trusted = "10.0.0.0/8,127.0.0.0/8";
  options.proxy_timeout_ms = 5000;
  return options;
}

// Version 2, from 192.0.2.7:5000 to 192.0.2.1:80, with one TLV.
std::string header_with_authority(const std::string& host) {
  std::string header("\r\n\r\n\0\r\nQUIT\n\x21\x11\0", 15);
  header += static_cast<char>(12 + 3 + host.size());
  header += std::string("\xc0\0\x02\x07\xc0\0\x02\x01\x13\x88\0\x50\x02\0", 14);
  return header + static_cast<char>(host.size()) + host;
}

TEST(CppProxy, TellsWhoConnectedAndTheTlvs) {
  Mailbox<Told> told;
  tcpkit::Server server{proxy_options()};
  server.on_packet([&](tcpkit::ConnRef conn, tcpkit::Bytes) {
    const std::optional<tcpkit::Bytes> authority = conn.proxy_tlv(kAuthority);
    told.put({conn.remote_address(), conn.proxy_address(),
              authority ? std::string(authority->text()) : "",
              conn.proxy_tlv(kUniqueId) != std::nullopt});
  });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send(header_with_authority("a.example") + "who?\n"));
  const auto all = told.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].remote, "192.0.2.7:5000");
  EXPECT_EQ(all[0].proxy.rfind("127.0.0.1:", 0), 0u) << all[0].proxy;
  EXPECT_EQ(all[0].authority, "a.example");
  EXPECT_FALSE(all[0].has_unique_id);
  EXPECT_EQ(server.metrics().proxy_headers, 1u);
}

TEST(CppProxy, ReportsAMissingHeaderInOnCloseOnly) {
  Mailbox<int> opened;
  Mailbox<Closed> closed;
  tcpkit::Server server{proxy_options()};
  server.on_open([&](tcpkit::ConnRef) { opened.put(0); });
  server.on_close([&](tcpkit::ConnRef conn, const tcpkit::CloseInfo& info) {
    EXPECT_EQ(conn.proxy_address(), "");
    closed.put({info.reason, info.status});
  });
  const Client client(start_on_free_port(server));
  ASSERT_TRUE(client.send("who?\n"));
  EXPECT_TRUE(client.sees_end());
  const auto all = closed.wait_for(1);
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].reason, TCPKIT_CLOSE_PROXY_ERROR);
  EXPECT_EQ(all[0].status, TCPKIT_E_BAD_PROXY_HEADER);
  EXPECT_TRUE(opened.wait_for(0).empty());
}

TEST(CppLimits, AreOptions) {
  Mailbox<int> opened;
  tcpkit::ServerOptions options = line_options();
  options.max_connections_per_address = 1;
  options.max_connections_per_prefix = 10;
  options.max_accepts_per_second = 1000;
  options.prefix_v4 = 8;
  options.prefix_v6 = 48;
  options.set("at_limit", "wait");
  options.set("proxy_trusted", "10.0.0.0/8");
  EXPECT_EQ(options.at_limit, TCPKIT_AT_LIMIT_WAIT);
  EXPECT_EQ(options.prefix_v4, 8u);
  EXPECT_EQ(options.proxy_trusted, "10.0.0.0/8");
  tcpkit::Server server{options};
  server.on_open([&](tcpkit::ConnRef) { opened.put(0); });
  const std::string address = start_on_free_port(server);
  const Client first(address);
  ASSERT_EQ(opened.wait_for(1).size(), 1u);
  const Client second(address);
  EXPECT_TRUE(second.sees_end());
  EXPECT_EQ(server.metrics().refused_by_address, 1u);
}

TEST(CppHandOver, GivesAListenerAwayAndFindsNoInheritedOnes) {
  tcpkit::Server server{line_options()};
  EXPECT_EQ(server.listener_fd(), -1);
  (void)start_on_free_port(server);
  EXPECT_GE(server.listener_fd(), 0);
  EXPECT_EQ(server.listen_inherited(), 0u);
}

}  // namespace
