// Listeners that change hands: to another server, another process, or from a service manager.
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "child_process.h"
#include "server_fixture.h"

using namespace testkit;

namespace {

// A copy of the listener for a server that goes on.
std::string handed_over(const TestServer& server) {
  const int listening = tcpkit_server_listener_fd(server.get(), 0);
  EXPECT_GE(listening, 0);
  return "fd://" + std::to_string(dup(listening));
}

// Connects and echoes again and again until told to stop; counts what went wrong.
class Visitors {
 public:
  Visitors(std::string address, size_t count) : address_(std::move(address)) {
    for (size_t i = 0; i < count; ++i) threads_.emplace_back([this] { visit(); });
  }
  ~Visitors() { leave(); }
  void leave() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }
  int served() const { return served_; }
  int turned_away() const { return turned_away_; }

 private:
  void visit() {
    while (!stop_) {
      RawClient client(address_);
      client.send("x\n");
      ++(client.receive(2) == "x\n" ? served_ : turned_away_);
    }
  }

  const std::string address_;
  std::atomic<bool> stop_{false};
  std::atomic<int> served_{0};
  std::atomic<int> turned_away_{0};
  std::vector<std::thread> threads_;
};

TEST(HandOver, ARestartUnderLoadTurnsNobodyAway) {
  auto old_server = std::make_unique<TestServer>(framed(tcpkit_framing_line()), echo());
  Visitors visitors(old_server->address(), 20);
  ASSERT_TRUE(old_server->wait_packets(100));
  Behaviour going_on = echo();
  going_on.addresses = {handed_over(*old_server)};
  const TestServer new_server(framed(tcpkit_framing_line()), going_on);
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(old_server->get(), 15'000, &report));
  EXPECT_EQ(0u, report.forced);
  const size_t before = new_server.packets().size();
  EXPECT_TRUE(new_server.wait_packets(before + 100));
  visitors.leave();
  EXPECT_GT(visitors.served(), 200);
  EXPECT_EQ(0, visitors.turned_away());
}

TEST(HandOver, LeavesTheUnixPathToTheNextServer) {
  const std::string path = "/tmp/tcpkit-hand-over-" + std::to_string(getpid()) + ".sock";
  Behaviour behaviour = echo();
  behaviour.addresses = {"unix://" + path};
  auto old_server = std::make_unique<TestServer>(with_loops(1), behaviour);
  behaviour.addresses = {handed_over(*old_server)};
  const TestServer new_server(with_loops(1), behaviour);
  old_server.reset();
  RawClient client("unix://" + path);
  client.send("still here");
  EXPECT_EQ("still here", client.receive(10));
  unlink(path.c_str());
}

TEST(HandOver, GivesNoDescriptorOfWhatIsNotThere) {
  TestServer server;
  EXPECT_EQ(-1, tcpkit_server_listener_fd(server.get(), 1));
  EXPECT_EQ(-1, tcpkit_server_listener_fd(nullptr, 0));
  server.stop();
  EXPECT_EQ(-1, tcpkit_server_listener_fd(server.get(), 0));
}

int listening_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(0, bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any));
  EXPECT_EQ(0, listen(fd, 8));
  return fd;
}

// As systemd would start a service: two listeners as descriptors 3 and 4.
void serve_what_the_manager_opened() {
  const int first = listening_socket();
  const int second = listening_socket();
  ASSERT_EQ(20, dup2(first, 20));
  ASSERT_EQ(21, dup2(second, 21));
  ASSERT_EQ(3, dup2(20, 3));
  ASSERT_EQ(4, dup2(21, 4));
  setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
  setenv("LISTEN_FDS", "2", 1);
  Behaviour behaviour = echo();
  behaviour.addresses = {};
  const TestServer server(with_loops(1), behaviour);
  size_t count = 0;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_listen_inherited(server.get(), &count));
  EXPECT_EQ(2u, count);
  for (size_t i = 0; i < 2; ++i) {
    RawClient client(server.address(i));
    client.send("hello");
    EXPECT_EQ("hello", client.receive(5));
  }
}

TEST(Inherited, EverySocketOfTheServiceManagerIsListenedOn) {
  EXPECT_EQ(0, run_in_child(serve_what_the_manager_opened));
}

TEST(Inherited, WhatIsMeantForAnotherProcessIsLeftAlone) {
  EXPECT_EQ(0, run_in_child([] {
              const TestServer server;
              size_t count = 7;
              EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen_inherited(server.get(), &count));
              EXPECT_EQ(0u, count);
              setenv("LISTEN_PID", "1", 1);
              setenv("LISTEN_FDS", "2", 1);
              EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen_inherited(server.get(), &count));
              EXPECT_EQ(0u, count);
            }));
}

TEST(Inherited, ABadNumberIsNamed) {
  EXPECT_EQ(0, run_in_child([] {
              const TestServer server;
              setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
              setenv("LISTEN_FDS", "two", 1);
              EXPECT_EQ(TCPKIT_E_BAD_VALUE, tcpkit_server_listen_inherited(server.get(), nullptr));
              EXPECT_NE(std::string::npos, TestServer::last_error().find("two"));
              EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT,
                        tcpkit_server_listen_inherited(nullptr, nullptr));
            }));
}

}  // namespace
