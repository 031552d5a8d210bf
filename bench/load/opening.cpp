// Opening all connections of a workload, in batches, with blocking sockets.
#include "opening.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

#include "clock.h"

namespace tcpkit::load {
namespace {

constexpr std::size_t kDialBatch = 256;  // far below any backlog
// What handshakes under way hold for a moment is no memory of idle connections.
constexpr std::size_t kHandshakeBatch = 8;
constexpr double kPatienceSeconds = 10;

void expect_echo(Connection& connection, Transfer& transfer) {
  const std::uint64_t give_up_ns = now_ns() + seconds_to_ns(kPatienceSeconds);
  while (connection.received < connection.allowed) {
    errno = EBADMSG;
    if (transfer.receive_checked(connection) != Outcome::kOk) fail("echo of the first message");
    if (now_ns() > give_up_ns) fail("waiting for the echo of the first message");
  }
}

}  // namespace

std::vector<Connection> open_connections(const Options& options, const Pattern& pattern,
                                         Transfer& transfer) {
  Dialer dialer(options);
  std::vector<Connection> connections(options.connections);
  const std::size_t batch = options.tls == Tls::kOff ? kDialBatch : kHandshakeBatch;
  for (std::size_t begin = 0; begin < connections.size(); begin += batch) {
    const std::size_t end = std::min(begin + batch, connections.size());
    for (std::size_t i = begin; i < end; ++i) {
      Connection& connection = connections[i];
      connection.fd = dialer.dial_blocking();
      if (connection.fd < 0) fail("connect");
      // Each one starts at another message, so that bytes of a wrong connection do not match.
      connection.sent = connection.received = (i % pattern.message_count()) * pattern.frame_size();
      connection.allowed = connection.received + pattern.frame_size();
      transfer.begin(connection);
      if (transfer.send_allowed(connection) != Outcome::kOk) fail("send of the first message");
    }
    for (std::size_t i = begin; i < end; ++i) {
      expect_echo(connections[i], transfer);
      ::fcntl(connections[i].fd, F_SETFL, O_NONBLOCK);
    }
  }
  return connections;
}

}  // namespace tcpkit::load
