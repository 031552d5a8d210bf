// Listening sockets: real ports, unix paths and who may remove them, inherited descriptors.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "loop/listener.h"
#include "unit/loop/loop_support.h"

namespace tcpkit::test {
namespace {

namespace fs = std::filesystem;

ListenSettings settings_for(const std::string& text) {
  ListenSettings settings;
  settings.text = text;
  settings.backlog = 16;
  settings.dual_stack = true;
  EXPECT_EQ(parse_address(text.c_str(), settings.address), TCPKIT_OK) << text;
  return settings;
}

std::unique_ptr<ListenSocket> listen_on(const std::string& text) {
  std::unique_ptr<ListenSocket> opened;
  EXPECT_EQ(ListenSocket::open(settings_for(text), opened), TCPKIT_OK) << last_error().message;
  return opened;
}

void expect_failure(const std::string& text, Status status) {
  std::unique_ptr<ListenSocket> opened;
  EXPECT_EQ(ListenSocket::open(settings_for(text), opened), status) << last_error().message;
  EXPECT_EQ(opened, nullptr);
  EXPECT_NE(std::string(last_error().message).find("\"" + text + "\""), std::string::npos)
      << last_error().message;
}

bool is_open(int fd) {
  return fcntl(fd, F_GETFD) != -1;
}

int option_of(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  getsockopt(fd, level, option, &value, &size);
  return value;
}

TEST(ListenSocket, TakesAFreePortForPortZero) {
  const auto socket = listen_on("tcp://127.0.0.1:0");
  ASSERT_NE(socket, nullptr);
  EXPECT_NE(socket->bound_port(), 0);
  EXPECT_EQ(socket->bound_text(), "tcp://127.0.0.1:" + std::to_string(socket->bound_port()));
  EXPECT_EQ(option_of(socket->fd(), SOL_SOCKET, SO_ACCEPTCONN), 1);
  EXPECT_TRUE(fcntl(socket->fd(), F_GETFD) & FD_CLOEXEC);
  EXPECT_TRUE(fcntl(socket->fd(), F_GETFL) & O_NONBLOCK);
}

TEST(ListenSocket, SaysThatAPortIsInUse) {
  const auto socket = listen_on("tcp://127.0.0.1:0");
  ASSERT_NE(socket, nullptr);
  expect_failure(socket->bound_text(), TCPKIT_E_ADDRESS_IN_USE);
}

TEST(ListenSocket, SharesAPortWhenBothWantTo) {
  ListenSettings settings = settings_for("tcp://127.0.0.1:0");
  settings.reuse_port = true;
  std::unique_ptr<ListenSocket> first;
  std::unique_ptr<ListenSocket> second;
  ASSERT_EQ(ListenSocket::open(settings, first), TCPKIT_OK);
  settings.address.port = first->bound_port();
  EXPECT_EQ(ListenSocket::open(settings, second), TCPKIT_OK) << last_error().message;
}

TEST(ListenSocket, FreesItsPortAtTheEnd) {
  std::string text;
  {
    const auto socket = listen_on("tcp://127.0.0.1:0");
    ASSERT_NE(socket, nullptr);
    text = socket->bound_text();
  }
  EXPECT_NE(listen_on(text), nullptr);
}

TEST(ListenSocket, SaysThatAnAddressIsNotOfThisMachine) {
  expect_failure("tcp://192.0.2.1:0", TCPKIT_E_ADDRESS_NOT_AVAILABLE);
}

TEST(ListenSocket, SetsTheOptionsThatConnectionsInherit) {
  ListenSettings settings = settings_for("tcp://127.0.0.1:0");
  settings.no_delay = true;
  settings.keep_alive_ms = 30'001;
  std::unique_ptr<ListenSocket> socket;
  ASSERT_EQ(ListenSocket::open(settings, socket), TCPKIT_OK);
  EXPECT_EQ(option_of(socket->fd(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(option_of(socket->fd(), SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option_of(socket->fd(), IPPROTO_TCP, TCP_KEEPIDLE), 31) << "rounded up to seconds";
}

TEST(ListenSocket, LeavesKeepAliveOffWhenItIsUnlimited) {
  const auto socket = listen_on("tcp://127.0.0.1:0");
  ASSERT_NE(socket, nullptr);
  EXPECT_EQ(option_of(socket->fd(), SOL_SOCKET, SO_KEEPALIVE), 0);
  EXPECT_EQ(option_of(socket->fd(), IPPROTO_TCP, TCP_NODELAY), 0);
}

// A folder of its own for the unix paths of a test.
class UnixListenSocketTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/tcpkit-listen-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    folder_ = folder;
    path_ = folder_ / "x.sock";
    text_ = "unix://" + path_.string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  sockaddr_un address() const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.c_str(), path_.string().size());
    return address;
  }
  // Leaves a path behind on which nobody listens.
  void leave_stale_path(int type) const {
    const OwnedFd fd(socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    const sockaddr_un name = address();
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  }
  int connect_to_path() const {
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const sockaddr_un name = address();
    if (connect(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0) return fd;
    close(fd);
    return -1;
  }

  fs::path folder_;
  fs::path path_;
  std::string text_;
};

TEST_F(UnixListenSocketTest, RemovesItsPathAtTheEnd) {
  {
    const auto socket = listen_on(text_);
    ASSERT_NE(socket, nullptr);
    EXPECT_EQ(socket->bound_text(), text_);
    EXPECT_EQ(socket->bound_port(), 0);
    EXPECT_TRUE(fs::is_socket(path_));
  }
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(UnixListenSocketTest, ReplacesAPathNobodyListensOn) {
  leave_stale_path(SOCK_STREAM);
  const auto socket = listen_on(text_);
  ASSERT_NE(socket, nullptr);
  const OwnedFd client(connect_to_path());
  EXPECT_GE(client.get(), 0);
}

TEST_F(UnixListenSocketTest, LeavesAPathSomebodyListensOn) {
  const auto first = listen_on(text_);
  expect_failure(text_, TCPKIT_E_ADDRESS_IN_USE);
  const OwnedFd client(connect_to_path());
  EXPECT_GE(client.get(), 0) << "the first one still listens";
}

TEST_F(UnixListenSocketTest, LeavesAListenerWhoseBacklogIsFull) {
  ListenSettings settings = settings_for(text_);
  settings.backlog = 0;
  std::unique_ptr<ListenSocket> first;
  ASSERT_EQ(ListenSocket::open(settings, first), TCPKIT_OK);
  std::vector<int> clients;
  for (int fd = connect_to_path(); fd >= 0 && clients.size() < 100; fd = connect_to_path()) {
    clients.push_back(fd);
  }
  ASSERT_LT(clients.size(), 100u);
  expect_failure(text_, TCPKIT_E_ADDRESS_IN_USE);
  EXPECT_TRUE(fs::is_socket(path_));
  for (const int fd : clients) close(fd);
}

TEST_F(UnixListenSocketTest, LeavesARegularFile) {
  std::ofstream(path_) << "precious";
  expect_failure(text_, TCPKIT_E_ADDRESS_IN_USE);
  std::string content;
  std::ifstream(path_) >> content;
  EXPECT_EQ(content, "precious");
}

TEST_F(UnixListenSocketTest, LeavesASymbolicLink) {
  leave_stale_path(SOCK_STREAM);
  const fs::path target = folder_ / "target.sock";
  fs::rename(path_, target);
  fs::create_symlink(target, path_);
  expect_failure(text_, TCPKIT_E_ADDRESS_IN_USE);
  EXPECT_TRUE(fs::is_symlink(path_));
  EXPECT_TRUE(fs::is_socket(target));
}

TEST_F(UnixListenSocketTest, LeavesThePathOfASuccessor) {
  auto first = listen_on(text_);
  ASSERT_NE(first, nullptr);
  fs::remove(path_);
  const auto second = listen_on(text_);
  ASSERT_NE(second, nullptr);
  first.reset();
  ASSERT_TRUE(fs::is_socket(path_));
  const OwnedFd client(connect_to_path());
  EXPECT_GE(client.get(), 0);
}

TEST_F(UnixListenSocketTest, LeavesAFileThatTookItsPlace) {
  auto socket = listen_on(text_);
  fs::remove(path_);
  std::ofstream(path_) << "precious";
  socket.reset();
  EXPECT_TRUE(fs::is_regular_file(path_));
}

TEST_F(UnixListenSocketTest, SaysThatAFolderIsMissing) {
  expect_failure("unix://" + (folder_ / "none" / "x.sock").string(), TCPKIT_E_NO_SUCH_FILE);
}

TEST_F(UnixListenSocketTest, ListensOnAnAbstractName) {
  const std::string text = "unix://@" + folder_.string();
  {
    const auto socket = listen_on(text);
    ASSERT_NE(socket, nullptr);
    EXPECT_EQ(socket->bound_text(), text);
    expect_failure(text, TCPKIT_E_ADDRESS_IN_USE);
  }
  EXPECT_NE(listen_on(text), nullptr);
}

std::string fd_text(int fd) {
  return "fd://" + std::to_string(fd);
}

int plain_tcp_socket() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return fd;
}

TEST(InheritedSocket, IsTakenOverAndClosedAtTheEnd) {
  const int fd = plain_tcp_socket();
  ASSERT_EQ(listen(fd, 4), 0);
  {
    const auto socket = listen_on(fd_text(fd));
    ASSERT_NE(socket, nullptr);
    EXPECT_EQ(socket->fd(), fd);
    EXPECT_NE(socket->bound_port(), 0);
    EXPECT_EQ(socket->bound_text(), "tcp://127.0.0.1:" + std::to_string(socket->bound_port()));
    EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    EXPECT_TRUE(fcntl(fd, F_GETFL) & O_NONBLOCK);
    socket->keep();
  }
  EXPECT_FALSE(is_open(fd));
}

TEST(InheritedSocket, StaysOpenIfTheCallFailsAfterIt) {
  const OwnedFd fd(plain_tcp_socket());
  ASSERT_EQ(listen(fd.get(), 4), 0);
  EXPECT_NE(listen_on(fd_text(fd.get())), nullptr);
  EXPECT_TRUE(is_open(fd.get()));
}

TEST_F(UnixListenSocketTest, DoesNotRemoveThePathOfAnInheritedSocket) {
  const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  const sockaddr_un name = address();
  ASSERT_EQ(bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
  ASSERT_EQ(listen(fd, 4), 0);
  {
    const auto socket = listen_on(fd_text(fd));
    ASSERT_NE(socket, nullptr);
    EXPECT_EQ(socket->bound_text(), text_);
  }
  EXPECT_TRUE(fs::is_socket(path_));
}

TEST(InheritedSocket, MustListenAndStaysOpenIfItDoesNot) {
  const OwnedFd stream(plain_tcp_socket());
  expect_failure(fd_text(stream.get()), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_TRUE(is_open(stream.get()));
  const OwnedFd datagram(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  expect_failure(fd_text(datagram.get()), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_TRUE(is_open(datagram.get()));
}

TEST(InheritedSocket, MustBeASocketAndStaysOpenIfItIsNot) {
  const OwnedFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  expect_failure(fd_text(file.get()), TCPKIT_E_IO);
  EXPECT_EQ(last_error().error_number, ENOTSOCK);
  EXPECT_TRUE(is_open(file.get()));
}

TEST(InheritedSocket, MustBeOpen) {
  OwnedFd file(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int closed = file.get();
  file.reset();
  expect_failure(fd_text(closed), TCPKIT_E_IO);
  EXPECT_EQ(last_error().error_number, EBADF);
}

}  // namespace
}  // namespace tcpkit::test
