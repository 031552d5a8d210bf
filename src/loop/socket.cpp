// recv, send and sendmsg with MSG_NOSIGNAL; the options of a connected socket.
#include "loop/socket.h"

#include <cerrno>

namespace tcpkit {
namespace {

IoResult io_result(ssize_t outcome) noexcept {
  if (outcome >= 0) return {static_cast<size_t>(outcome), 0};
  return {0, errno == EWOULDBLOCK ? EAGAIN : errno};
}

}  // namespace

IoResult receive(int fd, void* buffer, size_t size) noexcept {
  ssize_t outcome;
  do {
    outcome = recv(fd, buffer, size, 0);
  } while (outcome < 0 && errno == EINTR);
  return io_result(outcome);
}

IoResult send_gathered(int fd, std::span<iovec> pieces) noexcept {
  ssize_t outcome;
  do {
    if (pieces.size() == 1) {
      outcome = send(fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
    } else {
      msghdr message{};
      message.msg_iov = pieces.data();
      message.msg_iovlen = pieces.size();
      outcome = sendmsg(fd, &message, MSG_NOSIGNAL);
    }
  } while (outcome < 0 && errno == EINTR);
  return io_result(outcome);
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
