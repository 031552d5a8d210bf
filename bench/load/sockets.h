// Opening connections to the server under test.
#pragma once

#include <netinet/in.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "options.h"
#include "tls_stream.h"

namespace tcpkit::load {

// One open connection: a position in the stream of the pattern for each direction.
struct Connection {
  std::unique_ptr<TlsStream> tls;  // null: plain. Stays with the next socket, for its ticket
  int fd = -1;
  std::uint64_t sent = 0;      // position in the stream; bytes handed to the kernel
  std::uint64_t received = 0;  // bytes that came back and were right
  std::uint64_t allowed = 0;   // bytes that may be sent so far
};

// Makes sockets to one server. On loopback the source address goes round through 127.0.0.2 to
// 127.0.0.251, so that neither many connections nor those in TIME_WAIT use up the ports.
class Dialer {
 public:
  explicit Dialer(const Options& options);

  // A socket that is connecting, or -1 with errno.
  int dial_nonblocking();
  // A socket that is connected and answers within seconds, or -1 with errno.
  int dial_blocking();

 private:
  int open_socket(int type_flags);

  sockaddr_in target_{};
  std::uint32_t next_source_;
  bool is_loopback_;
};

void close_connections(std::vector<Connection>& connections);

std::string congestion_control_of(int fd);

[[noreturn]] void fail(const char* what);

}  // namespace tcpkit::load
