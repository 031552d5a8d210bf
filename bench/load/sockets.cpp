// Opening connections to the server under test.
#include "sockets.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

namespace tcpkit::load {
namespace {

constexpr std::uint32_t kSourceAddresses = 250;
constexpr std::uint32_t kFirstSource = 0x7F000002;  // 127.0.0.2

const sockaddr* as_sockaddr(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

void set_blocking_timeouts(int fd) {
  const timeval limit{10, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

}  // namespace

void fail(const char* what) {
  std::fprintf(stderr, "tcpkit-load: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

Dialer::Dialer(const Options& options) : next_source_(static_cast<std::uint32_t>(::getpid())) {
  target_.sin_family = AF_INET;
  target_.sin_port = htons(options.port);
  if (::inet_pton(AF_INET, options.host.c_str(), &target_.sin_addr) != 1) {
    errno = EINVAL;
    fail("--connect takes an IPv4 address");
  }
  is_loopback_ = (ntohl(target_.sin_addr.s_addr) >> 24) == 127;
}

int Dialer::open_socket(int type_flags) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | type_flags, 0);
  if (fd < 0) return -1;
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  if (!is_loopback_) return fd;
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(kFirstSource + next_source_++ % kSourceAddresses);
  set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (::bind(fd, as_sockaddr(source), sizeof source) == 0) return fd;
  ::close(fd);
  return -1;
}

int Dialer::dial_nonblocking() {
  const int fd = open_socket(SOCK_NONBLOCK);
  if (fd < 0) return -1;
  if (::connect(fd, as_sockaddr(target_), sizeof target_) == 0 || errno == EINPROGRESS) return fd;
  ::close(fd);
  return -1;
}

int Dialer::dial_blocking() {
  const int fd = open_socket(0);
  if (fd < 0) return -1;
  set_blocking_timeouts(fd);
  if (::connect(fd, as_sockaddr(target_), sizeof target_) == 0) return fd;
  ::close(fd);
  return -1;
}

void close_connections(std::vector<Connection>& connections) {
  for (Connection& connection : connections) {
    if (connection.fd >= 0) ::close(connection.fd);
    connection.fd = -1;
  }
}

std::string congestion_control_of(int fd) {
  std::array<char, 17> name{};
  socklen_t size = name.size() - 1;
  if (::getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name.data(), &size) != 0) return "unknown";
  return name.data();
}

}  // namespace tcpkit::load
