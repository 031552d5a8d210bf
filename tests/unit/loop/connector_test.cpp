// Happy Eyeballs by a manual clock: whose turn it is, and who wins.
#include "loop/connector.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <vector>

#include "loop_support.h"

namespace tcpkit::test {
namespace {

SocketAddress v4(const char* ip, uint16_t port) {
  SocketAddress address;
  EXPECT_EQ(TCPKIT_OK, parse_ip_endpoint("ip", (std::string(ip) + ":0").c_str(), address));
  address.v4.sin_port = htons(port);
  return address;
}

SocketAddress v6(const char* ip, uint16_t port) {
  SocketAddress address;
  EXPECT_EQ(TCPKIT_OK, parse_ip_endpoint("ip", ("[" + std::string(ip) + "]:0").c_str(), address));
  address.v6.sin6_port = htons(port);
  return address;
}

// Listens, is only bound (which refuses), or has a full backlog (which never answers).
class Peer {
 public:
  explicit Peer(int backlog, const char* ip = "127.0.0.1") : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    address = v4(ip, 0);
    EXPECT_EQ(0, bind(fd_.get(), &address.header, address.size));
    if (backlog >= 0) {
      EXPECT_EQ(0, listen(fd_.get(), backlog));
    }
    EXPECT_EQ(0, getsockname(fd_.get(), &address.header, &address.size));
  }
  void fill() {
    for (int i = 0; i < 4; ++i) {
      waiting_.push_back(
          std::make_unique<OwnedFd>(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)));
      (void)connect(waiting_.back()->get(), &address.header, address.size);
    }
  }
  SocketAddress address;

 private:
  OwnedFd fd_;
  std::vector<std::unique_ptr<OwnedFd>> waiting_;
};

class Race final : private ConnectSink, private TurnEnd {
 public:
  Race() {
    loop_.use_manual_clock(&now_ns_);
    EXPECT_EQ(TCPKIT_OK, loop_.open());
  }
  ~Race() {
    if (winner_fd >= 0) close(winner_fd);
  }
  void start(const Targets& targets) { connector.start(targets, settings); }
  void advance_ms(uint64_t ms) {
    now_ns_ += ms * 1'000'000;
    turns(3);
  }
  // False if that took too long.
  bool run_until_over() {
    const uint64_t give_up_ns = monotonic_ns() + 10'000'000'000u;
    while (!over && monotonic_ns() < give_up_ns) turns(1);
    return over;
  }
  void turns(int count) {
    turns_left_ = count;
    loop_.run(*this);
    EXPECT_EQ(TCPKIT_OK, loop_.open());
  }

  ConnectSettings settings;
  bool over = false;
  int winner_fd = -1;
  int error_number = 0;
  SocketAddress winner;

 private:
  void on_connected(int fd, const SocketAddress& peer) noexcept override {
    EXPECT_FALSE(over);
    over = true;
    winner_fd = fd;
    winner = peer;
  }
  void on_connect_failed(int error) noexcept override {
    EXPECT_FALSE(over);
    over = true;
    error_number = error;
  }
  bool finish_turn() noexcept override {
    if (--turns_left_ <= 0) loop_.finish();
    return true;
  }

  uint64_t now_ns_ = 1'000'000'000;
  int turns_left_ = 0;
  Loop loop_;

 public:
  Connector connector{loop_, *this};
};

TEST(Connector, TakesTheFirstAddressIfItAnswers) {
  const Peer first(8);
  const Peer second(8);
  Race race;
  race.start({first.address, second.address});
  ASSERT_TRUE(race.run_until_over());
  EXPECT_EQ(first.address.port(), race.winner.port());
}

TEST(Connector, AFailureLetsTheNextBeginAtOnce) {
  const Peer refusing(-1);
  const Peer second(8);
  Race race;
  race.start({refusing.address, second.address});
  ASSERT_TRUE(race.run_until_over()) << "the clock stands still, so no delay has passed";
  EXPECT_EQ(second.address.port(), race.winner.port());
}

TEST(Connector, TheNextBeginsBesidesOneThatDoesNotAnswerAfterTheDelay) {
  Peer silent(0);
  silent.fill();
  const Peer second(8);
  Race race;
  race.settings.attempt_delay_ms = 250;
  race.start({silent.address, second.address});
  race.advance_ms(249);
  EXPECT_FALSE(race.over);
  EXPECT_EQ(std::string::npos,
            race.connector.account().find(":" + std::to_string(second.address.port())));
  race.advance_ms(2);
  ASSERT_TRUE(race.run_until_over());
  EXPECT_EQ(second.address.port(), race.winner.port());
}

TEST(Connector, FailsWhenAllHaveFailedAndTellsOfEach) {
  const Peer first(-1);
  const Peer second(-1, "127.0.0.2");
  Race race;
  race.start({first.address, second.address});
  ASSERT_TRUE(race.run_until_over());
  EXPECT_EQ(ECONNREFUSED, race.error_number);
  EXPECT_EQ("127.0.0.1:" + std::to_string(first.address.port()) +
                ": Connection refused, 127.0.0.2:" + std::to_string(second.address.port()) +
                ": Connection refused",
            race.connector.account());
}

TEST(Connector, WhatAHostSaysTellsMoreThanThatThereIsNoWay) {
  const Peer refusing(-1);
  Race race;
  race.settings.local = v4("127.0.0.1", 0);
  race.start({refusing.address, v6("::1", 9)});
  ASSERT_TRUE(race.run_until_over());
  EXPECT_EQ(ECONNREFUSED, race.error_number);
  EXPECT_NE(std::string::npos, race.connector.account().find("[::1]:9: Cannot assign"));
}

TEST(Connector, AFailureWhileAnotherIsUnderWayIsNotTheEnd) {
  Peer silent(0);
  silent.fill();
  const Peer refusing(-1);
  Race race;
  race.start({silent.address, refusing.address});
  race.advance_ms(251);
  race.turns(10);
  EXPECT_FALSE(race.over);
  EXPECT_NE(std::string::npos, race.connector.account().find("no answer"));
  race.connector.stop();
  race.advance_ms(10'000);
  EXPECT_FALSE(race.over) << "a stopped race tells nothing";
}

TEST(Connector, IsStoppedAndStartedAgain) {
  Peer silent(0);
  silent.fill();
  const Peer answering(8);
  Race race;
  race.start({silent.address});
  race.turns(2);
  race.start({answering.address});
  ASSERT_TRUE(race.run_until_over());
  EXPECT_EQ(answering.address.port(), race.winner.port());
}

TEST(Targets, FamiliesTakeTurnsAndIpv6Begins) {
  Targets targets = {v4("192.0.2.1", 1), v4("192.0.2.2", 1), v6("2001:db8::1", 1),
                     v4("192.0.2.3", 1), v6("2001:db8::2", 1)};
  order_targets(targets);
  std::string order;
  for (const SocketAddress& target : targets) order += socket_address_text(target) + " ";
  EXPECT_EQ("[2001:db8::1]:1 192.0.2.1:1 [2001:db8::2]:1 192.0.2.2:1 192.0.2.3:1 ", order);
}

TEST(Targets, LiteralsAreNotAskedFor) {
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  for (const char* text : {"tcp://127.0.0.1:1", "tcp6://[::1]:1", "unix:///x", "tcp4://:9"}) {
    ASSERT_EQ(TCPKIT_OK, parse_target(text, address));
    EXPECT_EQ(1u, literal_targets(address).size()) << text;
  }
  ASSERT_EQ(TCPKIT_OK, parse_target("tcp://localhost:1", address));
  EXPECT_TRUE(literal_targets(address).empty());
}

TEST(Targets, EndpointsAreAnIpAddressAndAPort) {
  SocketAddress parsed;
  for (const char* text : {"", ":", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:x", "::1:0",
                           "[1.2.3.4]:0", "host:0", "[::1:0", "1.2.3.4:0 "}) {
    EXPECT_EQ(TCPKIT_E_BAD_ADDRESS, parse_ip_endpoint("what", text, parsed)) << text;
  }
  EXPECT_EQ(TCPKIT_OK, parse_ip_endpoint("what", "[2001:db8::1]:65535", parsed));
  EXPECT_EQ("[2001:db8::1]:65535", socket_address_text(parsed));
}

}  // namespace
}  // namespace tcpkit::test
