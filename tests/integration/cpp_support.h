// What the tests of tcpkit.hpp share: a mailbox for callbacks, a blocking client, a server to talk
// to.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tcpkit.hpp"

namespace cpp_support {

inline constexpr auto kDeadline = std::chrono::seconds(10);

// What a test waits for, told by a callback on another thread.
template <class T>
class Mailbox {
 public:
  void put(T value) {
    const std::lock_guard<std::mutex> lock(mutex_);
    values_.push_back(std::move(value));
    arrived_.notify_all();
  }

  // Waits for as many values and returns all that are there; fewer after the deadline.
  std::vector<T> wait_for(std::size_t count) {
    std::unique_lock<std::mutex> lock(mutex_);
    arrived_.wait_for(lock, kDeadline, [&] { return values_.size() >= count; });
    return values_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<T> values_;
};

// A blocking client whose reads and writes end at the deadline.
class Client {
 public:
  explicit Client(const std::string& address) {
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(static_cast<std::uint16_t>(tcpkit::Address::parse(address).port()));
    peer.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval deadline{10, 0};
    setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline);
    setsockopt(fd_, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof deadline);
    connected_ = connect(fd_, reinterpret_cast<const sockaddr*>(&peer), sizeof peer) == 0;
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client() { ::close(fd_); }

  int fd() const { return fd_; }
  bool connected() const { return connected_; }
  bool send(std::string_view text) const {
    return ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
  }
  void end_stream() const { ::shutdown(fd_, SHUT_WR); }

  // Exactly size bytes, or what came before the end of the stream or the deadline.
  std::string receive(std::size_t size) const {
    std::string text(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
      const ssize_t got = ::recv(fd_, text.data() + filled, size - filled, 0);
      if (got <= 0) break;
      filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return text;
  }
  // True if the stream ends, in order or with a reset, before the deadline and without more bytes.
  bool sees_end() const {
    char byte = 0;
    const ssize_t got = ::recv(fd_, &byte, 1, 0);
    return got == 0 || (got < 0 && errno == ECONNRESET);
  }

 private:
  int fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
  bool connected_ = false;
};

inline constexpr const char* kLoopback = "tcp://127.0.0.1:0";

inline tcpkit::ServerOptions line_options() {
  tcpkit::ServerOptions options;
  options.framing = tcpkit::Framing::line();
  options.loops = 1;
  return options;
}

// Starts a server whose handlers are set, on a free port, and returns its address.
inline std::string start_on_free_port(const tcpkit::Server& server) {
  server.listen(kLoopback);
  server.start();
  return server.listener_address();
}

struct Closed {
  tcpkit_close_reason reason;
  tcpkit_status status;
};

}  // namespace cpp_support
