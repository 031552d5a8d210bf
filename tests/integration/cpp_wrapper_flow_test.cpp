// Flow control, timeouts and drain through tcpkit.hpp, against real sockets.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
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

}  // namespace
