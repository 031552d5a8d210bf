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
constexpr std::size_t kDialBatch = 256;             // far below any backlog

const sockaddr* as_sockaddr(const sockaddr_in& address) {
  return static_cast<const sockaddr*>(static_cast<const void*>(&address));
}

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

void send_all(int fd, const std::uint8_t* data, std::size_t size) {
  while (size > 0) {
    const ssize_t sent = ::send(fd, data, size, MSG_NOSIGNAL);
    if (sent <= 0) fail("send of the first message");
    data += sent;
    size -= static_cast<std::size_t>(sent);
  }
}

void expect_echo(const Connection& connection, const Pattern& pattern) {
  std::vector<std::uint8_t> answer(pattern.frame_size());
  const ssize_t size = ::recv(connection.fd, answer.data(), answer.size(), MSG_WAITALL);
  if (size != static_cast<ssize_t>(answer.size())) fail("echo of the first message");
  if (!pattern.matches(connection.received, answer.data(), answer.size())) {
    errno = EBADMSG;
    fail("bytes of the first message");
  }
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

std::vector<Connection> open_connections(const Options& options, const Pattern& pattern) {
  Dialer dialer(options);
  std::vector<Connection> connections(options.connections);
  for (std::size_t begin = 0; begin < connections.size(); begin += kDialBatch) {
    const std::size_t end = std::min(begin + kDialBatch, connections.size());
    for (std::size_t i = begin; i < end; ++i) {
      Connection& connection = connections[i];
      connection.fd = dialer.dial_blocking();
      if (connection.fd < 0) fail("connect");
      // Each one starts at another message, so that bytes of a wrong connection do not match.
      connection.received = (i % pattern.message_count()) * pattern.frame_size();
      send_all(connection.fd, pattern.at(connection.received), pattern.frame_size());
    }
    for (std::size_t i = begin; i < end; ++i) {
      Connection& connection = connections[i];
      expect_echo(connection, pattern);
      connection.received += pattern.frame_size();
      connection.sent = connection.allowed = connection.received;
      ::fcntl(connection.fd, F_SETFL, O_NONBLOCK);
    }
  }
  return connections;
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
