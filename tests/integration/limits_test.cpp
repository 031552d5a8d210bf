// Who may come in: connections per address and network, accepts per second, and what happens to
// those that come at a limit.
#include <atomic>
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr const char* kOne = "127.0.0.1";
constexpr const char* kTwo = "127.0.0.2";

// A client that chooses where it comes from, to an echoing server. A reset may already be there
// when connect returns.
class Visitor {
 public:
  explicit Visitor(const std::string& to, const char* from = nullptr) {
    const Target target(to);
    fd_ = socket(target.address()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval deadline{RawClient::kDeadlineSeconds, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    if (from != nullptr) {
      const Target source("tcp://" + std::string(from) + ":0");
      EXPECT_EQ(0, bind(fd_, source.address(), source.size())) << from;
    }
    const int failed = connect(fd_, target.address(), target.size());
    EXPECT_TRUE(failed == 0 || errno == ECONNRESET) << std::strerror(errno);
  }
  Visitor(Visitor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Visitor(const Visitor&) = delete;
  Visitor& operator=(const Visitor&) = delete;
  ~Visitor() { leave(); }

  void say(std::string_view text) const { (void)send(fd_, text.data(), text.size(), MSG_NOSIGNAL); }
  // Whether the server echoes, which it does only for those it let in.
  bool is_served() const {
    say("x");
    return hears_echo();
  }
  bool hears_echo() const {
    char byte = 0;
    return recv(fd_, &byte, 1, 0) == 1 && byte == 'x';
  }
  // Waits for the end of the stream; true if it is a reset.
  bool is_reset() const {
    char byte = 0;
    return recv(fd_, &byte, 1, 0) < 0 && (errno == ECONNRESET || errno == ENOTCONN);
  }
  bool is_silent() const {
    pollfd entry{fd_, POLLIN | POLLRDHUP, 0};
    return poll(&entry, 1, 0) == 0;
  }
  void leave() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }

 private:
  int fd_ = -1;
};

tcpkit_server_options per_address(uint64_t limit) {
  tcpkit_server_options options = with_loops(1);
  options.max_connections_per_address = limit;
  return options;
}

tcpkit_server_options per_prefix(uint64_t limit, uint32_t prefix_v4 = 0) {
  tcpkit_server_options options = with_loops(1);
  options.max_connections_per_prefix = limit;
  options.prefix_v4 = prefix_v4;
  return options;
}

tcpkit_server_options per_second(uint64_t limit, tcpkit_at_limit at_limit) {
  tcpkit_server_options options = with_loops(1);
  options.max_accepts_per_second = limit;
  options.at_limit = at_limit;
  return options;
}

tcpkit_server_options at_most(uint64_t limit, tcpkit_at_limit at_limit) {
  tcpkit_server_options options = with_loops(1);
  options.max_connections = limit;
  options.at_limit = at_limit;
  return options;
}

Behaviour echo_on_unix(const char* name) {
  Behaviour behaviour = echo();
  behaviour.addresses = {"unix://@tcpkit-" + std::string(name) + std::to_string(getpid())};
  return behaviour;
}

// Waits until the server has counted a close too.
void wait_closed(const TestServer& server, uint64_t count) {
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().closed >= count; }));
  ASSERT_TRUE(server.settle());
}

uint64_t refused_in_all(const tcpkit_metrics& metrics) {
  return metrics.refused_connections + metrics.refused_by_address + metrics.refused_by_prefix +
         metrics.refused_by_rate;
}

// ---- Per address ----

TEST(LimitPerAddress, MoreFromOneAddressAreResetAndCounted) {
  TestServer server(per_address(2), echo());
  const Visitor first(server.address(), kOne);
  const Visitor second(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(second.is_served());
  const Visitor third(server.address(), kOne);
  const Visitor fourth(server.address(), kOne);
  EXPECT_TRUE(third.is_reset());
  EXPECT_TRUE(fourth.is_reset());
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(2u, metrics.refused_by_address);
  EXPECT_EQ(2u, refused_in_all(metrics));
  EXPECT_EQ(2u, metrics.accepted);
  EXPECT_EQ(2u, server.open_count());
}

TEST(LimitPerAddress, AnotherAddressHasItsOwnCount) {
  TestServer server(per_address(1), echo());
  const Visitor first(server.address(), kOne);
  const Visitor second(server.address(), kTwo);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(second.is_served());
  const Visitor third(server.address(), kTwo);
  EXPECT_TRUE(third.is_reset());
  EXPECT_EQ(1u, server.metrics().refused_by_address);
}

TEST(LimitPerAddress, OneThatLeavesMakesRoomForTheNext) {
  TestServer server(per_address(1), echo());
  for (uint64_t round = 1; round <= 3; ++round) {
    Visitor visitor(server.address(), kOne);
    EXPECT_TRUE(visitor.is_served());
    visitor.leave();
    wait_closed(server, round);
  }
  EXPECT_EQ(0u, server.metrics().refused_by_address);
}

TEST(LimitPerAddress, ARefusedOneTakesNoRoom) {
  TestServer server(per_address(1), echo());
  Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Visitor(server.address(), kOne).is_reset());
  first.leave();
  wait_closed(server, 1);
  EXPECT_TRUE(Visitor(server.address(), kOne).is_served());
}

TEST(LimitPerAddress, ARefusedOneTakesNoRoomOfMaxConnections) {
  tcpkit_server_options options = per_address(1);
  options.max_connections = 2;
  TestServer server(options, echo());
  const Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(Visitor(server.address(), kOne).is_reset());
  const Visitor second(server.address(), kTwo);
  EXPECT_TRUE(second.is_served());
  EXPECT_EQ(0u, server.metrics().refused_connections);
}

TEST(LimitPerAddress, HoldsOverAllLoops) {
  tcpkit_server_options options = per_address(10);
  options.loops = 2;
  TestServer server(options, echo());
  std::vector<Visitor> visitors;
  for (int i = 0; i < 30; ++i) visitors.emplace_back(server.address(), kOne);
  size_t served = 0;
  for (const Visitor& visitor : visitors) served += visitor.is_served() ? 1 : 0;
  EXPECT_EQ(10u, served);
  EXPECT_EQ(20u, server.metrics().refused_by_address);
}

TEST(LimitPerAddress, HoldsAlsoWhileOthersWouldWait) {
  tcpkit_server_options options = per_address(1);
  options.at_limit = TCPKIT_AT_LIMIT_WAIT;
  TestServer server(options, echo());
  const Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(Visitor(server.address(), kOne).is_reset());
  EXPECT_EQ(0u, server.metrics().accept_waits);
}

TEST(LimitPerAddress, CountsIpv6Too) {
  Behaviour behaviour = echo();
  behaviour.addresses = {"tcp6://[::1]:0"};
  TestServer server(per_address(1), behaviour);
  const Visitor first(server.address());
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(Visitor(server.address()).is_reset());
}

TEST(LimitPerAddress, DoesNotCountUnixPeers) {
  tcpkit_server_options options = per_address(1);
  options.max_connections_per_prefix = 1;
  TestServer server(options, echo_on_unix("limit-address-"));
  std::vector<Visitor> visitors;
  for (int i = 0; i < 5; ++i) visitors.emplace_back(server.address());
  for (const Visitor& visitor : visitors) EXPECT_TRUE(visitor.is_served());
  EXPECT_EQ(0u, refused_in_all(server.metrics()));
}

tcpkit_server_options behind_proxy(tcpkit_server_options options) {
  options.proxy_protocol = TCPKIT_PROXY_OPTIONAL;
  options.proxy_trusted = kOne;
  return options;
}

std::string header_from(const char* address) {
  return "PROXY TCP4 " + std::string(address) + " 198.51.100.1 5000 443\r\n";
}

TEST(LimitPerAddress, CountsTheAddressInAProxyHeaderAndNotTheProxy) {
  TestServer server(behind_proxy(per_address(2)), echo());
  std::vector<Visitor> proxied;
  for (const char* address : {"192.0.2.7", "192.0.2.7", "192.0.2.8"}) {
    proxied.emplace_back(server.address(), kOne);
    proxied.back().say(header_from(address));
    EXPECT_TRUE(proxied.back().is_served()) << address;
  }
  const Visitor third(server.address(), kOne);
  third.say(header_from("192.0.2.7"));
  EXPECT_TRUE(third.is_reset());
  EXPECT_EQ(1u, server.metrics().refused_by_address);
  proxied.front().leave();
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().connections == 2; }));
  const Visitor again(server.address(), kOne);
  again.say(header_from("192.0.2.7"));
  EXPECT_TRUE(again.is_served());
}

TEST(LimitPerPrefix, CountsTheNetworkOfTheAddressInAProxyHeader) {
  TestServer server(behind_proxy(per_prefix(1)), echo());
  const Visitor first(server.address(), kOne);
  first.say(header_from("192.0.2.7"));
  EXPECT_TRUE(first.is_served());
  const Visitor second(server.address(), kOne);
  second.say(header_from("192.0.2.8"));
  EXPECT_TRUE(second.is_reset());
  EXPECT_EQ(1u, server.metrics().refused_by_prefix);
  server.stop();
  EXPECT_EQ(0u, server.metrics().connections);
}

TEST(LimitPerAddress, DoesNotCountTrustedProxiesWithoutAHeader) {
  TestServer server(behind_proxy(per_address(1)), echo());
  std::vector<Visitor> proxies;
  for (int i = 0; i < 5; ++i) proxies.emplace_back(server.address(), kOne);
  for (const Visitor& proxy : proxies) EXPECT_TRUE(proxy.is_served());
  const Visitor other(server.address(), kTwo);
  EXPECT_TRUE(other.is_served());
  EXPECT_TRUE(Visitor(server.address(), kTwo).is_reset());
  EXPECT_EQ(1u, refused_in_all(server.metrics()));
}

// ---- Per network ----

TEST(LimitPerPrefix, AddressesOfOneNetworkCountTogether) {
  TestServer server(per_prefix(2), echo());
  const Visitor first(server.address(), kOne);
  const Visitor second(server.address(), kTwo);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(second.is_served());
  EXPECT_TRUE(Visitor(server.address(), "127.0.0.3").is_reset());
  const Visitor other(server.address(), "127.0.1.1");
  EXPECT_TRUE(other.is_served());
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(1u, metrics.refused_by_prefix);
  EXPECT_EQ(1u, refused_in_all(metrics));
}

TEST(LimitPerPrefix, AShorterPrefixIsALargerNetwork) {
  TestServer server(per_prefix(1, 16), echo());
  const Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(Visitor(server.address(), "127.0.1.1").is_reset());
  const Visitor other(server.address(), "127.1.0.1");
  EXPECT_TRUE(other.is_served());
}

TEST(LimitPerPrefix, APrefixMayEndInsideAByte) {
  TestServer server(per_prefix(1, 30), echo());
  const Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(Visitor(server.address(), "127.0.0.3").is_reset());
  const Visitor other(server.address(), "127.0.0.4");
  EXPECT_TRUE(other.is_served());
}

TEST(LimitPerPrefix, OneThatLeavesMakesRoomForAnotherOfItsNetwork) {
  TestServer server(per_prefix(1), echo());
  Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  first.leave();
  wait_closed(server, 1);
  EXPECT_TRUE(Visitor(server.address(), kTwo).is_served());
}

TEST(LimitPerPrefix, BesideALimitPerAddressEachCountsItsOwn) {
  tcpkit_server_options options = per_prefix(2);
  options.max_connections_per_address = 1;
  TestServer server(options, echo());
  const Visitor first(server.address(), kOne);
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(Visitor(server.address(), kOne).is_reset());
  const Visitor second(server.address(), kTwo);
  EXPECT_TRUE(second.is_served());
  EXPECT_TRUE(Visitor(server.address(), "127.0.0.3").is_reset());
  EXPECT_EQ(1u, server.metrics().refused_by_address);
  EXPECT_EQ(1u, server.metrics().refused_by_prefix);
}

// ---- Rate ----

// Many come at once. Those let in are the burst and what the time since then allows.
void expect_rate_with_reset(const TestServer& server, uint64_t rate) {
  constexpr uint64_t kVisitors = 60;
  const auto start = Clock::now();
  std::vector<Visitor> visitors;
  for (uint64_t i = 0; i < kVisitors; ++i) visitors.emplace_back(server.address());
  uint64_t served = 0;
  for (const Visitor& visitor : visitors) served += visitor.is_served() ? 1 : 0;
  const std::chrono::duration<double> elapsed = Clock::now() - start;
  EXPECT_GE(served, rate);
  EXPECT_LE(static_cast<double>(served), static_cast<double>(rate) * (1 + elapsed.count()) + 1);
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(kVisitors - served, metrics.refused_by_rate);
  EXPECT_EQ(metrics.refused_by_rate, refused_in_all(metrics));
  EXPECT_EQ(served, metrics.accepted);
  EXPECT_EQ(0u, metrics.accept_waits);
}

TEST(LimitOfRate, WithResetThoseBeyondTheBurstAreRefusedAndCounted) {
  const TestServer server(per_second(10, TCPKIT_AT_LIMIT_RESET), echo());
  expect_rate_with_reset(server, 10);
}

TEST(LimitOfRate, CountsUnixPeersToo) {
  const TestServer server(per_second(10, TCPKIT_AT_LIMIT_DEFAULT), echo_on_unix("limit-rate-"));
  expect_rate_with_reset(server, 10);
}

// With reuse_port each loop accepts for itself.
void expect_rate_with_wait(uint32_t loops, tcpkit_switch reuse_port) {
  constexpr uint64_t kRate = 20;
  constexpr uint64_t kBeyond = 10;
  tcpkit_server_options options = per_second(kRate, TCPKIT_AT_LIMIT_WAIT);
  options.loops = loops;
  options.reuse_port = reuse_port;
  TestServer server(options, echo());
  const auto start = Clock::now();
  std::vector<Visitor> visitors;
  for (uint64_t i = 0; i < kRate + kBeyond; ++i) visitors.emplace_back(server.address());
  for (const Visitor& visitor : visitors) EXPECT_TRUE(visitor.is_served());
  // The clock of the rate counts whole milliseconds.
  EXPECT_GE(Clock::now() - start, milliseconds(1000 * kBeyond / kRate - 2));
  EXPECT_EQ(0u, refused_in_all(server.metrics()));
  EXPECT_GE(server.metrics().accept_waits, 1u);
}

TEST(LimitOfRate, WithWaitThoseBeyondTheBurstAreServedWhenTheirTimeHasCome) {
  expect_rate_with_wait(1, TCPKIT_OFF);
}

TEST(LimitOfRate, WithWaitOnTwoAcceptingLoopsNobodyIsRefused) {
  expect_rate_with_wait(2, TCPKIT_ON);
}

TEST(LimitOfRate, AServerWhoseAcceptWaitsStopsAtOnce) {
  TestServer server(per_second(1, TCPKIT_AT_LIMIT_WAIT), echo());
  std::vector<Visitor> visitors;
  for (int i = 0; i < 10; ++i) visitors.emplace_back(server.address());
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().accept_waits > 0; }));
  const auto start = Clock::now();
  server.stop();
  EXPECT_LT(Clock::now() - start, milliseconds(5000));
}

// ---- max_connections ----

TEST(LimitOfConnections, WithResetMoreAreResetAndCounted) {
  TestServer server(at_most(1, TCPKIT_AT_LIMIT_RESET), echo());
  const Visitor first(server.address());
  EXPECT_TRUE(first.is_served());
  EXPECT_TRUE(Visitor(server.address()).is_reset());
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(1u, metrics.refused_connections);
  EXPECT_EQ(1u, refused_in_all(metrics));
  EXPECT_EQ(0u, metrics.accept_waits);
}

TEST(LimitOfConnections, WithWaitTheNextIsServedWhenAnotherHasClosed) {
  TestServer server(at_most(1, TCPKIT_AT_LIMIT_WAIT), echo());
  Visitor first(server.address());
  EXPECT_TRUE(first.is_served());
  const Visitor second(server.address());
  second.say("x");
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().accept_waits >= 3; }));
  EXPECT_TRUE(second.is_silent());
  EXPECT_EQ(1u, server.open_count());
  first.leave();
  EXPECT_TRUE(second.hears_echo());
  EXPECT_EQ(2u, server.open_count());
  EXPECT_EQ(0u, refused_in_all(server.metrics()));
}

TEST(LimitOfConnections, WithWaitThoseInsideAreServedOn) {
  TestServer server(at_most(1, TCPKIT_AT_LIMIT_WAIT), echo());
  const Visitor first(server.address());
  EXPECT_TRUE(first.is_served());
  const Visitor second(server.address());
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().accept_waits >= 1; }));
  EXPECT_TRUE(first.is_served());
}

TEST(LimitOfConnections, BelowTheLimitNobodyWaits) {
  TestServer server(at_most(10, TCPKIT_AT_LIMIT_WAIT), echo());
  std::vector<Visitor> visitors;
  for (int i = 0; i < 9; ++i) visitors.emplace_back(server.address());
  for (const Visitor& visitor : visitors) EXPECT_TRUE(visitor.is_served());
  EXPECT_EQ(0u, server.metrics().accept_waits);
}

// Several loops may see room for one at the same time.
TEST(LimitOfConnections, WithWaitOnSeveralAcceptingLoopsNobodyIsRefused) {
  tcpkit_server_options options = at_most(3, TCPKIT_AT_LIMIT_WAIT);
  options.loops = 4;
  options.reuse_port = TCPKIT_ON;
  TestServer server(options, echo());
  std::atomic<int> served{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 10; ++i) served += Visitor(server.address()).is_served() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(80, served);
  EXPECT_EQ(0u, refused_in_all(server.metrics()));
}

TEST(LimitOfConnections, AServerWhoseAcceptWaitsDrains) {
  TestServer server(at_most(1, TCPKIT_AT_LIMIT_WAIT), echo());
  Visitor first(server.address());
  EXPECT_TRUE(first.is_served());
  const Visitor second(server.address());
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().accept_waits >= 1; }));
  std::thread leaver([&] {
    EXPECT_FALSE(first.hears_echo());  // the end
    first.leave();
  });
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), 15'000, &report));
  leaver.join();
  EXPECT_EQ(0u, report.forced);
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
}

}  // namespace
