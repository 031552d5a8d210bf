// recv, send and sendmsg with MSG_NOSIGNAL; the options of a connected socket.
#include "loop/socket.h"

#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>

namespace tcpkit {
namespace {

IoResult io_result(ssize_t outcome) noexcept {
  if (outcome >= 0) return {static_cast<size_t>(outcome), 0};
  return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
}

constexpr unsigned kLongestKeepAliveSeconds = 32767;

int clamped_int(size_t value) noexcept {
  return static_cast<int>(std::min<size_t>(value, 0x7FFFFFFF));
}

IoResult receive_with(int fd, void* buffer, size_t size, int flags) noexcept {
  ssize_t outcome;
  do {
    outcome = recv(fd, buffer, size, flags);
  } while (outcome < 0 && errno == EINTR);
  return io_result(outcome);
}

}  // namespace

IoResult receive(int fd, void* buffer, size_t size) noexcept {
  return receive_with(fd, buffer, size, MSG_DONTWAIT);
}

IoResult receive_waiting(int fd, void* buffer, size_t size) noexcept {
  return receive_with(fd, buffer, size, 0);
}

IoResult send_gathered(int fd, std::span<iovec> pieces) noexcept {
  ssize_t outcome;
  do {
    if (pieces.size() == 1) {
      outcome = send(fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    } else {
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = pieces.size();
      outcome = sendmsg(fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  } while (outcome < 0 && errno == EINTR);
  return io_result(outcome);
}

int set_option(int fd, int level, int option, int value) noexcept {
  return setsockopt(fd, level, option, &value, sizeof value) == 0 ? 0 : errno;
}

int set_tcp_behaviour(int fd, bool no_delay, uint64_t keep_alive_ms) noexcept {
  int error = set_option(fd, IPPROTO_TCP, TCP_NODELAY, no_delay ? 1 : 0);
  if (error != 0 || keep_alive_ms == TCPKIT_UNLIMITED) return error;
  const uint64_t seconds =
      std::clamp<uint64_t>((keep_alive_ms + 999) / 1000, 1, kLongestKeepAliveSeconds);
  error = set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  return error != 0 ? error : set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, static_cast<int>(seconds));
}

int set_buffer_sizes(int fd, size_t receive_size, size_t send_size) noexcept {
  int error = 0;
  if (receive_size != 0) error = set_option(fd, SOL_SOCKET, SO_RCVBUF, clamped_int(receive_size));
  if (error != 0 || send_size == 0) return error;
  return set_option(fd, SOL_SOCKET, SO_SNDBUF, clamped_int(send_size));
}

int set_blocking_mode(int fd) noexcept {
  int off = 0;
  return ioctl(fd, FIONBIO, &off) == 0 ? 0 : errno;
}

// The kernel counts in ticks of up to 10 ms, the one that runs included.
void set_receive_timeout(int fd, uint32_t timeout_ms) noexcept {
  timeval time{};
  if (timeout_ms != UINT32_MAX) {
    const uint64_t rounded_ms = uint64_t{timeout_ms} + 10;
    time.tv_sec = static_cast<time_t>(rounded_ms / 1000);
    time.tv_usec = static_cast<suseconds_t>(rounded_ms % 1000 * 1000);
  }
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time);
}

void shut_down_writing(int fd) noexcept {
  shutdown(fd, SHUT_WR);
}

void reset_at_close(int fd) noexcept {
  const linger now{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

int take_socket_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

std::string local_address_text(int fd) {
  SocketAddress address;
  address.size = sizeof address.path;
  if (getsockname(fd, &address.header, &address.size) != 0) return {};
  return socket_address_text(address);
}

std::string remote_address_text(int fd) {
  SocketAddress address;
  address.size = sizeof address.path;
  if (getpeername(fd, &address.header, &address.size) != 0) return {};
  return socket_address_text(address);
}

}  // namespace tcpkit
