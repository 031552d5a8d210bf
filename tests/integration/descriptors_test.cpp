// What happens when the process runs out of descriptors.
#include <fcntl.h>
#include <sys/resource.h>

#include "child_process.h"
#include "server_fixture.h"

using namespace testkit;

namespace {

int64_t cpu_time_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto in_us = [](const timeval& time) {
    return static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_usec;
  };
  return in_us(usage.ru_utime) + in_us(usage.ru_stime);
}

// Takes descriptors until there are none left.
std::vector<int> take_all_descriptors() {
  std::vector<int> taken;
  for (int fd = 0; (fd = open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) taken.push_back(fd);
  return taken;
}

void limit_descriptors(rlim_t most) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = std::min(most, limit.rlim_max);
  setrlimit(RLIMIT_NOFILE, &limit);
}

void close_all(std::vector<int>& descriptors) {
  for (const int fd : descriptors) close(fd);
  descriptors.clear();
}

void wait_for_descriptors() {
  limit_descriptors(100);
  tcpkit_server_options options = with_loops(1);
  options.at_limit = TCPKIT_AT_LIMIT_WAIT;
  TestServer server(options, echo());
  RawClient early = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  // The client's end of the connection that has to wait takes the last descriptor.
  std::vector<int> taken = take_all_descriptors();
  close(taken.back());
  taken.pop_back();
  RawClient late = server.connect();
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().accept_out_of_files > 0; }));
  const int64_t cpu_before_us = cpu_time_us();
  const auto begin = std::chrono::steady_clock::now();
  const uint64_t pauses = server.metrics().accept_out_of_files;
  ASSERT_TRUE(
      server.wait_until([&] { return server.metrics().accept_out_of_files >= pauses + 4; }));
  const auto waited_us = std::chrono::duration_cast<std::chrono::microseconds>(
                             std::chrono::steady_clock::now() - begin)
                             .count();
  EXPECT_LT(cpu_time_us() - cpu_before_us, waited_us / 4);
  early.send("served");
  EXPECT_EQ("served", early.receive(6));
  close_all(taken);
  late.send("accepted");
  EXPECT_EQ("accepted", late.receive(8));
  EXPECT_EQ(0u, server.metrics().accept_errors);
  EXPECT_EQ(2u, server.metrics().accepted);
}

// Clients without a descriptor of this process: those of another one.
void connect_and_expect_refusal(const std::string& address, int count) {
  for (int i = 0; i < count; ++i) {
    RawClient client(address);
    EXPECT_EQ("", client.receive_all());
  }
}

void refuse_without_descriptors() {
  limit_descriptors(100);
  TestServer server(with_loops(1), echo());
  RawClient early = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  const std::string address = server.address();
  std::vector<int> taken = take_all_descriptors();
  const int64_t cpu_before_us = cpu_time_us();
  EXPECT_EQ(0, run_in_child([&] {
              close_all(taken);
              connect_and_expect_refusal(address, 20);
            }));
  EXPECT_GE(server.metrics().refused_by_files, 20u);
  EXPECT_LT(cpu_time_us() - cpu_before_us, 1'000'000);
  early.send("served");
  EXPECT_EQ("served", early.receive(6));
  close_all(taken);
  RawClient late = server.connect();
  late.send("accepted");
  EXPECT_EQ("accepted", late.receive(8));
  EXPECT_EQ(0u, server.metrics().accept_errors);
  EXPECT_EQ(0u, server.metrics().accept_out_of_files);
  EXPECT_EQ(2u, server.metrics().accepted);
}

TEST(Descriptors, WithoutAnyWaitingClientsStayInTheBacklogWithoutASpinAndAreAcceptedLater) {
  EXPECT_EQ(0, run_in_child(wait_for_descriptors));
}

TEST(Descriptors, WithoutAnyNewClientsAreToldAndTheOpenOnesServed) {
  EXPECT_EQ(0, run_in_child(refuse_without_descriptors));
}

TEST(Descriptors, WithoutAnyAStartFailsAndCanBeRepeated) {
  EXPECT_EQ(0, run_in_child([] {
              limit_descriptors(100);
              tcpkit_server_options options = with_loops(2);
              options.listen = "tcp://127.0.0.1:0";
              tcpkit_server* created = nullptr;
              ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, nullptr, &created));
              const ServerOwner server(created);
              std::vector<int> taken = take_all_descriptors();
              for (int spare = 0; spare < 6; ++spare) {
                const tcpkit_status status = tcpkit_server_start(created);
                if (status == TCPKIT_OK) break;
                EXPECT_EQ(TCPKIT_E_TOO_MANY_FILES, status) << TestServer::last_error();
                close(taken.back());
                taken.pop_back();
              }
              EXPECT_EQ(1, tcpkit_server_is_running(created));
              close_all(taken);
              const RawClient client(listener_address(created));
            }));
}

TEST(Descriptors, AreAllGivenBackByStopAndFree) {
  const auto count_open = [] {
    int count = 0;
    for (int fd = 0; fd < 1000; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
    return count;
  };
  const int before = count_open();
  for (int i = 0; i < 3; ++i) {
    TestServer server(with_loops(2), echo());
    std::vector<RawClient> clients(10);
    for (RawClient& client : clients) (void)server.accepted(client);
    server.stop();
    ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server.get()));
  }
  EXPECT_EQ(before, count_open());
}

TEST(Descriptors, OfTheServerAreCloseOnExec) {
  TestServer server(with_loops(2), echo());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const auto count_inherited = [] {
    int count = 0;
    for (int fd = 3; fd < 1000; ++fd) {
      const int flags = fcntl(fd, F_GETFD);
      count += flags >= 0 && (flags & FD_CLOEXEC) == 0 ? 1 : 0;
    }
    return count;
  };
  const int with_server = count_inherited();
  server.stop();
  EXPECT_EQ(count_inherited(), with_server);
}

}  // namespace
