// Workload broadcast: the last connection sends in_flight messages at once, the server gives each
// to everybody, and the next ones are sent when the last target has them. `stalled` more
// connections never read.
#include <fcntl.h>
#include <sys/socket.h>

#include <vector>

#include "clock.h"
#include "poller.h"
#include "transfer.h"
#include "workloads.h"

namespace tcpkit::load {
namespace {

constexpr std::size_t kMessagePiece = 64 * 1024;
constexpr int kTinyBuffer = 4096;
constexpr int kPatienceMs = 10'000;

class BroadcastLoad {
 public:
  explicit BroadcastLoad(const Options& options)
      : options_(options),
        pattern_(options, kMessagePiece),
        transfer_(options, pattern_),
        connections_(options.connections),
        stalled_(options.stalled) {
    Dialer dialer(options);
    for (Connection& connection : stalled_) {
      dial(dialer, connection);
      setsockopt(connection.fd, SOL_SOCKET, SO_RCVBUF, &kTinyBuffer, sizeof kTinyBuffer);
    }
    for (Connection& connection : connections_) dial(dialer, connection);
    for (std::uint32_t i = 0; i < connections_.size(); ++i) poller_.add(connections_[i].fd, i);
  }

  Result run() {
    result_.congestion_control = congestion_control_of(connections_.front().fd);
    Interval interval(options_);
    while (!interval.advance(now_ns(), result_) && result_.errors == 0) broadcast_once();
    close_connections(connections_);
    close_connections(stalled_);
    return result_;
  }

 private:
  static void dial(Dialer& dialer, Connection& connection) {
    connection.fd = dialer.dial_blocking();
    if (connection.fd < 0) fail("connect");
    ::fcntl(connection.fd, F_SETFL, O_NONBLOCK);
  }

  // All connections are at the same place of the stream.
  void broadcast_once() {
    const std::uint64_t began_ns = now_ns();
    Connection& sender = connections_.back();
    sender.allowed += options_.in_flight * pattern_.frame_size();
    if (transfer_.send_allowed(sender) != Outcome::kOk || sender.sent < sender.allowed) {
      return static_cast<void>(++result_.errors);
    }
    std::size_t left = connections_.size();
    while (left > 0) {
      const auto events = poller_.wait(kPatienceMs);
      if (events.empty()) return static_cast<void>(++result_.errors);
      for (const epoll_event& event : events) {
        Connection& connection = connections_[event.data.u32];
        const std::uint64_t before = connection.received;
        if (before == sender.allowed) continue;
        if (transfer_.receive_checked(connection) != Outcome::kOk) {
          return static_cast<void>(++result_.errors);
        }
        result_.bytes += connection.received - before;
        if (connection.received == sender.allowed) --left;
      }
    }
    result_.messages += options_.in_flight * connections_.size();
    result_.latency.record(now_ns() - began_ns, 1);
  }

  const Options& options_;
  Pattern pattern_;
  Transfer transfer_;
  Poller poller_;
  std::vector<Connection> connections_;
  std::vector<Connection> stalled_;
  Result result_;
};

}  // namespace

Result run_broadcast(const Options& options) {
  return BroadcastLoad(options).run();
}

}  // namespace tcpkit::load
