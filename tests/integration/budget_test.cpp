// max_buffered_bytes: never passed, and those who take what they are sent do not pay for the
// others.
#include <poll.h>

#include <atomic>
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

using std::chrono::milliseconds;

// Until the server has taken no more for a while.
void push_until_stalled(const RawClient& client, std::string_view bytes) {
  constexpr int kStallMs = 200;
  size_t sent = 0;
  while (sent < bytes.size()) {
    const ssize_t taken =
        ::send(client.fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (taken > 0) {
      sent += static_cast<size_t>(taken);
      continue;
    }
    if (taken < 0 && errno != EAGAIN) return;
    pollfd entry{client.fd(), POLLOUT, 0};
    if (poll(&entry, 1, kStallMs) <= 0) return;
  }
}

TEST(Budget, IsNotPassedByWhatTheKernelDoesNotTakeAtTheEndOfAnEvent) {
  constexpr size_t kBudget = 128u << 10;
  tcpkit_server_options options = with_small_buffers();
  options.framing = tcpkit_framing_line();
  options.pause_above_high = TCPKIT_OFF;
  options.max_buffered_bytes = kBudget;
  TestServer server(options, echo());
  std::vector<RawClient> clients;
  for (int i = 0; i < 20; ++i) {
    // With a small buffer of its own a client that does not read drops the acknowledgements too.
    clients.push_back(server.connect());
    push_until_stalled(clients.back(), numbers(1u << 20));
  }
  EXPECT_LE(server.metrics().max_buffered_bytes, kBudget);
  EXPECT_GT(server.metrics().max_buffered_bytes, kBudget / 2);
}

TEST(Budget, EndsTheConnectionThatDoesNotTakeItsOutputAndServesTheOthers) {
  tcpkit_server_options options = with_small_buffers();
  options.framing = tcpkit_framing_line();
  options.pause_above_high = TCPKIT_OFF;
  options.max_buffered_bytes = 1000;
  TestServer server(options, echo());
  RawClient good = server.connect();
  RawClient bad = server.connect();
  for (int i = 0; i < 50 && server.closes().empty(); ++i) {
    push_until_stalled(bad, numbers(1u << 20));
  }
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(TCPKIT_CLOSE_LIMIT, server.close_info().reason);
  EXPECT_EQ(TCPKIT_E_LIMIT, server.close_info().status);
  EXPECT_GT(server.close_info().unsent_bytes, 0u);
  good.send("served\n");
  EXPECT_EQ("served\n", good.receive(7));
}

TEST(Budget, WhenItIsUsedUpAClientWhoseQuantumEndsKeepsItsConnection) {
  tcpkit_server_options options = with_small_buffers();
  options.receive_buffer_size = 0;
  options.framing = tcpkit_framing_line();
  options.read_quantum_ms = 1;
  options.max_buffered_bytes = 1u << 20;
  std::atomic<bool> slow{false};
  TestServer server(options, {.on_packet = [&](tcpkit_conn*, std::string_view) {
                      if (slow) std::this_thread::sleep_for(milliseconds(2));
                    }});
  RawClient hostile;
  const KeptConn conn = server.accepted(hostile, kSmallBuffer);
  for (const size_t size : {500'000u, 10'000u}) {
    const std::string bytes(size, 'm');
    while (tcpkit_conn_send(conn.get(), bytes.data(), bytes.size()) >= 0) {
    }
  }
  slow = true;
  RawClient harmless = server.connect();
  std::string lines;
  for (int i = 0; i < 50; ++i) lines += std::string(999, 'h') + "\n";
  harmless.send(lines);
  EXPECT_TRUE(server.wait_packets(50));
  EXPECT_TRUE(server.closes().empty());
}

}  // namespace
