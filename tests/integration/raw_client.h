// A client without the library: a blocking socket whose every wait ends at a deadline.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tcpkit.h"

namespace testkit {

// How the stream from the server ended.
enum class StreamEnd { kFin, kReset, kDeadline };

// What a socket call connects to: an address as tcpkit writes it.
class Target {
 public:
  explicit Target(const std::string& text) {
    tcpkit_address address = TCPKIT_ADDRESS_INIT;
    if (tcpkit_address_parse(text.c_str(), &address) != TCPKIT_OK) {
      ADD_FAILURE() << "no address: " << text;
      return;
    }
    const auto port = htons(static_cast<uint16_t>(address.port));
    if (address.network == TCPKIT_NETWORK_UNIX) {
      set_path(address.host);
    } else if (std::strchr(address.host, ':') != nullptr) {
      set_v6(address.host, port);
    } else {
      set_v4(address.host, port);
    }
  }
  const sockaddr* address() const { return &any_; }
  socklen_t size() const { return size_; }

 private:
  void set_path(const char* path) {
    unix_.sun_family = AF_UNIX;
    const size_t length = std::min(std::strlen(path), sizeof unix_.sun_path - 1);
    std::memcpy(unix_.sun_path, path, length);
    const bool is_abstract = path[0] == '@';
    if (is_abstract) unix_.sun_path[0] = '\0';
    size_ =
        static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length + (is_abstract ? 0 : 1));
  }
  void set_v4(const char* host, in_port_t port) {
    v4_.sin_family = AF_INET;
    v4_.sin_port = port;
    inet_pton(AF_INET, host, &v4_.sin_addr);
    size_ = sizeof v4_;
  }
  void set_v6(const char* host, in_port_t port) {
    v6_.sin6_family = AF_INET6;
    v6_.sin6_port = port;
    inet_pton(AF_INET6, host, &v6_.sin6_addr);
    size_ = sizeof v6_;
  }

  union {
    sockaddr_storage storage_{};
    sockaddr any_;
    sockaddr_in v4_;
    sockaddr_in6 v6_;
    sockaddr_un unix_;
  };
  socklen_t size_ = 0;
};

class RawClient {
 public:
  static constexpr int kDeadlineSeconds = 20;

  RawClient() = default;
  explicit RawClient(const std::string& address, int receive_buffer_size = 0) {
    const Target target(address);
    open_for(target, receive_buffer_size);
    if (connect(fd_, target.address(), target.size()) == 0) return;
    reset_by_accept_ = errno == ECONNRESET;
    if (!reset_by_accept_) {
      ADD_FAILURE() << "connect to " << address << ": " << std::strerror(errno);
    }
  }
  RawClient(RawClient&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), reset_by_accept_(other.reset_by_accept_) {}
  RawClient& operator=(RawClient&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(reset_by_accept_, other.reset_by_accept_);
    return *this;
  }
  ~RawClient() { close(); }

  // 0, or the errno of a connect that failed.
  static int try_connect(const std::string& address) {
    const Target target(address);
    RawClient client;
    client.open_for(target, 0);
    return connect(client.fd_, target.address(), target.size()) == 0 ? 0 : errno;
  }

  int fd() const { return fd_; }

  // Sends all of it, or fails the test.
  void send(std::string_view bytes) {
    if (try_send(bytes) != bytes.size()) ADD_FAILURE() << "send: " << std::strerror(errno);
  }

  // Sends until the peer has ended; returns the number of bytes that the kernel took.
  size_t try_send(std::string_view bytes) {
    size_t sent = 0;
    while (sent < bytes.size()) {
      const ssize_t taken = ::send(fd_, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (taken <= 0) break;
      sent += static_cast<size_t>(taken);
    }
    return sent;
  }

  // One system call per piece of at most piece_size bytes.
  void send_in_pieces(std::string_view bytes, size_t piece_size) {
    for (size_t i = 0; i < bytes.size(); i += piece_size) send(bytes.substr(i, piece_size));
  }

  // What comes next; "" at the end.
  std::string receive_once() {
    std::string received;
    (void)receive_some(received, size_t{1} << 16);
    return received;
  }

  // Exactly size bytes; fewer if the stream ended before.
  std::string receive(size_t size) {
    std::string received;
    while (received.size() < size && receive_some(received, size - received.size())) {
    }
    return received;
  }

  // Everything up to the end of the stream.
  std::string receive_all() {
    std::string received;
    while (receive_some(received, size_t{1} << 18)) {
    }
    return received;
  }

  // How the last receive ended; to be asked after the end.
  StreamEnd end() const { return end_; }

  StreamEnd wait_for_end() {
    (void)receive_all();
    return end_;
  }

  // True if nothing is there to be received now.
  bool is_silent() const {
    pollfd entry{fd_, POLLIN, 0};
    return poll(&entry, 1, 0) == 0;
  }

  void half_close() { shutdown(fd_, SHUT_WR); }

  void reset() {
    const linger at_once{1, 0};
    setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close();
  }

  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  void open_for(const Target& target, int receive_buffer_size) {
    fd_ = socket(target.address()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const timeval deadline{kDeadlineSeconds, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    const int on = 1;
    if (target.address()->sa_family != AF_UNIX) {
      setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (receive_buffer_size != 0) {
      setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &receive_buffer_size, sizeof receive_buffer_size);
    }
  }

  bool receive_some(std::string& received, size_t size) {
    const size_t before = received.size();
    received.resize(before + size);
    const ssize_t taken = recv(fd_, received.data() + before, size, 0);
    const int error = errno;
    received.resize(before + static_cast<size_t>(std::max<ssize_t>(taken, 0)));
    if (taken > 0) return true;
    if (taken == 0) {
      end_ = StreamEnd::kFin;
    } else {
      const bool reset = error == ECONNRESET || error == EPIPE || reset_by_accept_;
      end_ = reset ? StreamEnd::kReset : StreamEnd::kDeadline;
    }
    return false;
  }

  int fd_ = -1;
  bool reset_by_accept_ = false;  // so soon that connect() saw it
  StreamEnd end_ = StreamEnd::kDeadline;
};

}  // namespace testkit
