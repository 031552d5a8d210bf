// Five thousand connections, each with its coroutines: all echo at once, and a stop ends all of
// them.
#include <sys/resource.h>

#include <atomic>
#include <chrono>
#include <cstdlib>

#include "integration/child_process.h"
#include "integration/server_fixture.h"
#include "stress/pipe.h"
#include "tcpkit.hpp"

using namespace testkit;
using namespace std::chrono_literals;

namespace {

constexpr size_t kConnections = 5000;
constexpr size_t kFewConnections = 1000;  // where the environment asks to be spared
constexpr size_t kSpareDescriptors = 200;

size_t wanted_connections() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  const bool spared = std::getenv("TCPKIT_TEST_SLOW") != nullptr || kThreadSanitizer;
  const size_t allowed =
      limit.rlim_cur > kSpareDescriptors ? limit.rlim_cur - kSpareDescriptors : 1;
  return std::min(spared ? kFewConnections : kConnections, allowed);
}

// What has begun and ended, over all loops.
struct Tally {
  std::atomic<size_t> waiting{0};  // connections whose echo is done, and whose coroutines wait
  std::atomic<size_t> readers_ended{0};
  std::atomic<size_t> sleepers_ended{0};
  std::atomic<size_t> closed{0};
};

tcpkit::Task<> sleep_for_ever(tcpkit::CoConn conn, Tally& tally) {
  const tcpkit::Status slept = co_await conn.sleep_for(1h);
  if (slept == TCPKIT_E_CANCELLED) ++tally.sleepers_ended;
}

tcpkit::Task<> echo(tcpkit::CoConn conn, Tally& tally) {
  conn.spawn(sleep_for_ever(conn, tally));
  auto packet = co_await conn.read_packet();
  if (packet) co_await conn.write_packet(*packet);
  ++tally.waiting;
  packet = co_await conn.read_packet();
  if (packet.status() == TCPKIT_E_CLOSED) ++tally.readers_ended;
}

// Echoes a line through each connection, and waits for the end of all.
void connect_and_wait(const std::string& address, size_t count) {
  std::vector<RawClient> clients;
  clients.reserve(count);
  for (size_t i = 0; i < count; ++i) {
    clients.emplace_back(address);
    clients[i].send("message " + std::to_string(i) + "\n");
  }
  for (size_t i = 0; i < count; ++i) {
    const std::string expected = "message " + std::to_string(i) + "\n";
    ASSERT_EQ(expected, clients[i].receive(expected.size()));
  }
  for (RawClient& client : clients) ASSERT_NE(StreamEnd::kDeadline, client.wait_for_end());
}

pid_t start_child(size_t count, const Pipe& address) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(kChildSeconds);
  connect_and_wait(address.read_bytes(200), count);
  std::fflush(nullptr);
  _exit(::testing::Test::HasFailure() ? 1 : 0);
}

bool wait_until(const std::atomic<size_t>& number, size_t wanted) {
  return Monitor().wait([&] { return number >= wanted; });
}

// The child is forked before the server has threads, and is told its address later.
TEST(Coroutines, OfAllConnectionsEndWithTheirServer) {
  const size_t connections = wanted_connections();
  const Pipe address;
  const pid_t child = start_child(connections, address);
  Tally tally;
  tcpkit::ServerOptions options;
  options.loops = 2;
  options.framing = tcpkit::Framing::line();
  {
    tcpkit::Server server{options};
    server.on_connection([&](tcpkit::CoConn conn) { return echo(std::move(conn), tally); });
    server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo&) { ++tally.closed; });
    server.listen("tcp://127.0.0.1:0");
    server.start();
    address.write_bytes(server.listener_address());
    ASSERT_TRUE(wait_until(tally.waiting, connections));
    EXPECT_EQ(connections, server.metrics().connections);
    server.stop();
    EXPECT_EQ(connections, tally.closed);
    EXPECT_EQ(connections, tally.readers_ended);
    EXPECT_EQ(connections, tally.sleepers_ended);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
}

}  // namespace
