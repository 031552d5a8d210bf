// Fifteen thousand open connections in one server process, each echoing. The clients' ends live in
// child processes, since a process may not have descriptors enough for both.
#include <sys/resource.h>

#include <array>
#include <cstdlib>

#include "integration/child_process.h"
#include "integration/server_fixture.h"
#include "stress/pipe.h"

using namespace testkit;

namespace {

constexpr size_t kConnections = 15'000;
constexpr size_t kFewConnections = 2000;  // where the environment asks to be spared
constexpr size_t kChildren = 3;
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

// Connects, says so, and once told to, echoes a message of its own through each connection.
void connect_and_echo(const std::string& address, size_t count, const Pipe& go) {
  std::vector<RawClient> clients;
  clients.reserve(count);
  for (size_t i = 0; i < count; ++i) clients.emplace_back(address);
  EXPECT_EQ("g", go.read_bytes(1));
  for (size_t i = 0; i < count; ++i) clients[i].send("message " + std::to_string(i) + "\n");
  for (size_t i = 0; i < count; ++i) {
    const std::string expected = "message " + std::to_string(i) + "\n";
    ASSERT_EQ(expected, clients[i].receive(expected.size()));
  }
}

pid_t start_child(size_t count, const Pipe& address, const Pipe& go) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child != 0) return child;
  alarm(kChildSeconds);
  connect_and_echo(address.read_bytes(200), count, go);
  std::fflush(nullptr);
  _exit(::testing::Test::HasFailure() ? 1 : 0);
}

// The children are forked before the server has threads, and are told its address later.
TEST(ManyConnections, AreAllOpenAtOnceInOneProcessAndEachEchoes) {
  const size_t per_child = wanted_connections() / kChildren;
  const size_t connections = per_child * kChildren;
  std::array<Pipe, kChildren> addresses;
  std::array<Pipe, kChildren> starts;
  std::array<pid_t, kChildren> children{};
  for (size_t i = 0; i < kChildren; ++i) {
    children[i] = start_child(per_child, addresses[i], starts[i]);
  }
  tcpkit_server_options options = framed(tcpkit_framing_line());
  options.loops = 2;
  TestServer server(options, echo());
  for (const Pipe& address : addresses) address.write_bytes(server.address());
  ASSERT_TRUE(server.wait_opens(connections));
  EXPECT_EQ(connections, server.metrics().connections);
  for (const Pipe& start : starts) start.write_bytes("g");
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(child, waitpid(child, &status, 0));
    EXPECT_EQ(0, status);
  }
  ASSERT_TRUE(server.wait_closes(connections));
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(connections, metrics.packets_read);
  EXPECT_EQ(connections, metrics.packets_written);
  EXPECT_EQ(connections, metrics.max_connections);
  EXPECT_EQ(metrics.total_read, metrics.total_written);
}

}  // namespace
