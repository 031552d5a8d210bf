// Workload latency: messages are due at a fixed rate, corrected for coordinated omission.
#include <vector>

#include "clock.h"
#include "opening.h"
#include "poller.h"
#include "transfer.h"
#include "workloads.h"

namespace tcpkit::load {
namespace {

constexpr std::size_t kPiece = 64 * 1024;

// Message number i is due at start + i * step and belongs to connection i % N, so when the k-th
// message of a connection was due follows from k alone: nothing is stored per message.
class OpenLoop {
 public:
  explicit OpenLoop(const Options& options)
      : options_(options),
        pattern_(options, kPiece),
        transfer_(options, pattern_),
        connections_(open_connections(options, pattern_, transfer_)),
        answered_(connections_.size()),
        step_ns_(1e9 / options.rate) {
    for (const Connection& connection : connections_) first_byte_.push_back(connection.received);
  }

  Result run() {
    result_.congestion_control = congestion_control_of(connections_.front().fd);
    for (std::uint32_t i = 0; i < connections_.size(); ++i) poller_.add(connections_[i].fd, i);
    start_ns_ = now_ns();
    Interval interval(options_);
    std::uint64_t now = start_ns_;
    // Spins: a sleeping generator would add its own wake-up to every latency.
    while (!interval.advance(now, result_) && result_.errors < connections_.size()) {
      send_due(now);
      for (const epoll_event& event : poller_.wait(0)) serve(event.data.u32);
      now = now_ns();
    }
    close_connections(connections_);
    return result_;
  }

 private:
  void send_due(std::uint64_t now) {
    const auto due =
        static_cast<std::uint64_t>(static_cast<double>(now - start_ns_) / step_ns_) + 1;
    for (; issued_ < due; ++issued_) {
      const auto index = static_cast<std::uint32_t>(issued_ % connections_.size());
      Connection& connection = connections_[index];
      connection.allowed += pattern_.frame_size();
      if (connection.fd < 0) continue;
      if (transfer_.send_allowed(connection) != Outcome::kOk) drop(index);
    }
  }

  void serve(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.fd < 0) return;
    const std::uint64_t before = connection.received;
    if (transfer_.receive_checked(connection) != Outcome::kOk) return drop(index);
    result_.bytes += connection.received - before;
    record_answers(index);
    if (transfer_.send_allowed(connection) != Outcome::kOk) drop(index);
  }

  void record_answers(std::uint32_t index) {
    const std::uint64_t whole =
        (connections_[index].received - first_byte_[index]) / pattern_.frame_size();
    const std::uint64_t now = now_ns();
    for (std::uint64_t& message = answered_[index]; message < whole; ++message) {
      const std::uint64_t number = message * connections_.size() + index;
      const auto due_ns =
          start_ns_ + static_cast<std::uint64_t>(static_cast<double>(number) * step_ns_);
      result_.latency.record(now > due_ns ? now - due_ns : 0);
      ++result_.messages;
    }
  }

  void drop(std::uint32_t index) {
    ::close(connections_[index].fd);
    connections_[index].fd = -1;
    ++result_.errors;
  }

  const Options& options_;
  Pattern pattern_;
  Transfer transfer_;
  Poller poller_;
  std::vector<Connection> connections_;
  std::vector<std::uint64_t> first_byte_;  // position of each connection's first timed message
  std::vector<std::uint64_t> answered_;    // messages of each connection that came back
  double step_ns_;
  std::uint64_t start_ns_ = 0;
  std::uint64_t issued_ = 0;
  Result result_;
};

}  // namespace

Result run_open_loop(const Options& options) {
  return OpenLoop(options).run();
}

}  // namespace tcpkit::load
