// Listeners: every kind of address, what they are called, and why they fail.
#include <fcntl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <thread>

#include "child_process.h"
#include "server_fixture.h"

using namespace testkit;

namespace {

// A folder that is removed with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    if (mkdtemp(path_) == nullptr) ADD_FAILURE() << "no temporary folder";
  }
  ~TemporaryFolder() {
    unlink(socket_path().c_str());
    rmdir(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string path() const { return path_; }
  std::string socket_path() const { return path() + "/s.sock"; }
  std::string address() const { return "unix://" + socket_path(); }

 private:
  char path_[32] = "/tmp/tcpkit-test-XXXXXX";
};

tcpkit_status listen_status(TestServer& server, const std::string& address) {
  return tcpkit_server_listen(server.get(), address.c_str(), nullptr);
}

void expect_echo(const std::string& address) {
  RawClient client(address);
  client.send("hi");
  EXPECT_EQ("hi", client.receive(2)) << address;
}

Behaviour echo_on(std::vector<std::string> addresses) {
  Behaviour behaviour = echo();
  behaviour.addresses = std::move(addresses);
  return behaviour;
}

std::string remote_address(tcpkit_conn* conn) {
  char text[300] = "";
  EXPECT_EQ(tcpkit_conn_remote_address(conn, nullptr, 0),
            tcpkit_conn_remote_address(conn, text, sizeof text));
  return text;
}

std::string local_address(tcpkit_conn* conn) {
  char text[300] = "";
  tcpkit_conn_local_address(conn, text, sizeof text);
  return text;
}

uint16_t own_port(const RawClient& client) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  getsockname(client.fd(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

std::string with_host(const std::string& address, const std::string& host) {
  return "tcp://" + host + address.substr(address.rfind(':'));
}

TEST(Listening, OnSeveralAddressesOfDifferentKindsAtOnce) {
  const TemporaryFolder folder;
  TestServer server(with_loops(2), echo_on({"tcp4://127.0.0.1:0", "tcp6://[::1]:0",
                                            "tcp://localhost:0", folder.address()}));
  ASSERT_EQ(4u, tcpkit_server_listener_count(server.get()));
  EXPECT_EQ(0u, server.address(0).find("tcp4://127.0.0.1:"));
  EXPECT_EQ(0u, server.address(1).find("tcp6://[::1]:"));
  EXPECT_EQ(folder.address(), server.address(3));
  EXPECT_EQ("", server.address(4));
  for (size_t i = 0; i < 4; ++i) expect_echo(server.address(i));
}

TEST(Listening, OnARunningServer) {
  const TemporaryFolder folder;
  TestServer server(with_loops(2), echo());
  ASSERT_EQ(TCPKIT_OK, listen_status(server, "tcp://127.0.0.1:0"));
  ASSERT_EQ(TCPKIT_OK, listen_status(server, folder.address()));
  for (size_t i = 0; i < 3; ++i) expect_echo(server.address(i));
}

TEST(Listening, OnTheAbstractNamespace) {
  const std::string address = "unix://@tcpkit-test-" + std::to_string(getpid());
  TestServer server(with_loops(1), echo_on({address}));
  EXPECT_EQ(address, server.address());
  expect_echo(address);
}

TEST(Listening, ADualStackWildcardTakesBothFamilies) {
  TestServer server(with_loops(1), echo_on({"tcp://:0"}));
  expect_echo(with_host(server.address(), "127.0.0.1"));
  expect_echo(with_host(server.address(), "[::1]"));
}

TEST(Listening, AWildcardWithoutDualStackTakesOnlyIpv6) {
  tcpkit_server_options options = with_loops(1);
  options.dual_stack = TCPKIT_OFF;
  TestServer server(options, echo_on({"tcp://[::]:0"}));
  expect_echo(with_host(server.address(), "[::1]"));
  EXPECT_EQ(ECONNREFUSED, RawClient::try_connect(with_host(server.address(), "127.0.0.1")));
}

TEST(Listening, Tcp6NeverTakesIpv4AndTcp4NeverIpv6) {
  TestServer server(with_loops(1), echo_on({"tcp6://:0", "tcp4://:0"}));
  EXPECT_EQ(ECONNREFUSED, RawClient::try_connect(with_host(server.address(0), "127.0.0.1")));
  EXPECT_EQ(ECONNREFUSED, RawClient::try_connect(with_host(server.address(1), "[::1]")));
  expect_echo(with_host(server.address(0), "[::1]"));
  expect_echo(with_host(server.address(1), "127.0.0.1"));
}

TEST(Listening, WithReusePortEveryLoopServes) {
  tcpkit_server_options options = with_loops(2);
  options.reuse_port = TCPKIT_ON;
  TestServer server(options, echo());
  EXPECT_EQ(1u, tcpkit_server_listener_count(server.get()));
  std::vector<RawClient> clients(64);
  std::vector<KeptConn> conns;
  for (RawClient& client : clients) conns.push_back(server.accepted(client));
  int on_first = 0;
  for (const KeptConn& conn : conns) {
    on_first += tcpkit_conn_loop(conn.get()) == tcpkit_server_loop(server.get(), 0) ? 1 : 0;
  }
  EXPECT_GT(on_first, 0);
  EXPECT_LT(on_first, 64);
  expect_echo(server.address());
}

// ---- Inherited descriptors ----

int listening_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(0, bind(fd, reinterpret_cast<sockaddr*>(&any), sizeof any));
  EXPECT_EQ(0, listen(fd, 16));
  return fd;
}

TEST(Listening, OnAnInheritedDescriptorThatIsClosedAtStop) {
  const int fd = listening_socket();
  TestServer server(with_loops(1), echo_on({"fd://" + std::to_string(fd)}));
  EXPECT_NE(std::string::npos, server.address().find("127.0.0.1:"));
  expect_echo(server.address());
  server.stop();
  EXPECT_EQ(-1, fcntl(fd, F_GETFD));
}

TEST(Listening, RefusesADescriptorThatDoesNotListenAndLeavesItOpen) {
  TestServer server;
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, listen_status(server, "fd://" + std::to_string(fd)));
  EXPECT_NE(std::string::npos, TestServer::last_error().find("does not listen"));
  EXPECT_GE(fcntl(fd, F_GETFD), 0);
  close(fd);
  EXPECT_LT(listen_status(server, "fd://" + std::to_string(fd)), 0);
  EXPECT_EQ(1u, tcpkit_server_listener_count(server.get()));
}

// ---- Unix paths ----

TEST(UnixPath, OfASocketNobodyListensOnIsReplacedAndRemovedAtStop) {
  const TemporaryFolder folder;
  const Target target(folder.address());
  const int stale = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(0, bind(stale, target.address(), target.size()));
  close(stale);
  ASSERT_EQ(0, access(folder.socket_path().c_str(), F_OK));
  TestServer server(with_loops(1), echo_on({folder.address()}));
  expect_echo(folder.address());
  server.stop();
  EXPECT_NE(0, access(folder.socket_path().c_str(), F_OK));
}

TEST(UnixPath, OfALiveListenerIsRefusedAndLeftInPlace) {
  const TemporaryFolder folder;
  TestServer live(with_loops(1), echo_on({folder.address()}));
  TestServer other;
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, listen_status(other, folder.address()));
  EXPECT_NE(std::string::npos, TestServer::last_error().find(folder.socket_path()));
  expect_echo(folder.address());
}

TEST(UnixPath, OfAFileThatIsNoSocketIsLeftAlone) {
  const TemporaryFolder folder;
  close(open(folder.socket_path().c_str(), O_CREAT | O_WRONLY, 0600));
  TestServer server;
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, listen_status(server, folder.address()));
  struct stat status {};
  ASSERT_EQ(0, lstat(folder.socket_path().c_str(), &status));
  EXPECT_TRUE(S_ISREG(status.st_mode));
}

TEST(UnixPath, InAMissingFolderIsRefused) {
  TestServer server;
  EXPECT_EQ(TCPKIT_E_NO_SUCH_FILE, listen_status(server, "unix:///nonexistent-folder/s.sock"));
  EXPECT_EQ(ENOENT, tcpkit_last_error_errno());
  EXPECT_NE(std::string::npos, TestServer::last_error().find("/nonexistent-folder/s.sock"));
}

TEST(UnixPath, InAFolderWithoutPermissionIsRefused) {
  const TemporaryFolder folder;
  ASSERT_EQ(0, chmod(folder.path().c_str(), 0500));
  EXPECT_EQ(0, run_in_child([&] {
              constexpr uid_t kNobody = 65534;
              if (geteuid() == 0 && seteuid(kNobody) != 0) return;
              TestServer server;
              EXPECT_EQ(TCPKIT_E_PERMISSION, listen_status(server, folder.address()));
            }));
}

TEST(UnixPath, ConnectionsHaveItAsTheirAddress) {
  const TemporaryFolder folder;
  TestServer server(with_loops(1), echo_on({folder.address()}));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ("unix", remote_address(conn.get()));
  EXPECT_EQ(folder.socket_path(), local_address(conn.get()));
  client.send("12");
  EXPECT_EQ("12", client.receive(2));
  client.half_close();
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

// ---- Texts ----

TEST(Addresses, OfIpv4ConnectionsHaveThePort) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ("127.0.0.1:" + std::to_string(own_port(client)), remote_address(conn.get()));
  EXPECT_EQ(server.address(), "tcp://" + local_address(conn.get()));
}

TEST(Addresses, OfIpv6ConnectionsHaveBrackets) {
  TestServer server(with_loops(1), echo_on({"tcp://[::1]:0"}));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ("[::1]:" + std::to_string(own_port(client)), remote_address(conn.get()));
  EXPECT_EQ(server.address(), "tcp://" + local_address(conn.get()));
}

TEST(Addresses, AreCutToTheBuffer) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  char text[5] = "####";
  EXPECT_GT(tcpkit_conn_remote_address(conn.get(), text, sizeof text), sizeof text);
  EXPECT_STREQ("127.", text);
}

struct BadAddress {
  const char* name;
  const char* text;
  const char* mentions;
  tcpkit_status status;
};
constexpr BadAddress kBadAddresses[] = {
    {"Empty", "", "does not begin", TCPKIT_E_BAD_ADDRESS},
    {"NoScheme", "127.0.0.1:80", "127.0.0.1:80", TCPKIT_E_BAD_ADDRESS},
    {"UnknownScheme", "udp://127.0.0.1:80", "udp://", TCPKIT_E_BAD_ADDRESS},
    {"NoPort", "tcp://127.0.0.1", "no port", TCPKIT_E_BAD_ADDRESS},
    {"PortTooLarge", "tcp://127.0.0.1:65536", "65536", TCPKIT_E_BAD_ADDRESS},
    {"PortNegative", "tcp://127.0.0.1:-1", "-1", TCPKIT_E_BAD_ADDRESS},
    {"PortIsNoNumber", "tcp://127.0.0.1:http", "http", TCPKIT_E_BAD_ADDRESS},
    {"Ipv6WithoutBrackets", "tcp://::1:80", "brackets", TCPKIT_E_BAD_ADDRESS},
    {"UnmatchedBracket", "tcp://[::1:80", "brackets", TCPKIT_E_BAD_ADDRESS},
    {"NoPath", "unix://", "no path", TCPKIT_E_BAD_ADDRESS},
    {"NoDescriptor", "fd://x", "descriptor", TCPKIT_E_BAD_ADDRESS},
    {"Ipv6ForTcp4", "tcp4://[::1]:0", "::1", TCPKIT_E_RESOLVE},
    {"Ipv4ForTcp6", "tcp6://127.0.0.1:0", "127.0.0.1", TCPKIT_E_RESOLVE},
    {"NotOfThisMachine", "tcp://192.0.2.1:0", "192.0.2.1", TCPKIT_E_ADDRESS_NOT_AVAILABLE},
};

class BadAddresses : public ::testing::TestWithParam<BadAddress> {};

TEST_P(BadAddresses, AreRefusedWithAMessageThatNamesThem) {
  TestServer server;
  EXPECT_EQ(GetParam().status, listen_status(server, GetParam().text));
  EXPECT_NE(std::string::npos, TestServer::last_error().find(GetParam().mentions))
      << TestServer::last_error();
  EXPECT_EQ(1u, tcpkit_server_listener_count(server.get()));
}

INSTANTIATE_TEST_SUITE_P(Listening, BadAddresses, ::testing::ValuesIn(kBadAddresses),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Listening, APortThatIsTakenIsRefusedAndNamed) {
  TestServer taken;
  TestServer other;
  EXPECT_EQ(TCPKIT_E_ADDRESS_IN_USE, listen_status(other, taken.address()));
  EXPECT_NE(std::string::npos, TestServer::last_error().find(taken.address()));
}

}  // namespace
