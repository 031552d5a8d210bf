// Workloads echo, framed and stream: every connection keeps in_flight messages unanswered.
#include <vector>

#include "clock.h"
#include "opening.h"
#include "poller.h"
#include "transfer.h"
#include "workloads.h"

namespace tcpkit::load {
namespace {

constexpr std::size_t kMessagePiece = 64 * 1024;
constexpr std::size_t kStreamPiece = 512 * 1024;
constexpr int kPollMs = 100;

// Messages that were allowed at the same moment, to give each its latency.
struct Batch {
  std::uint64_t end;  // position in the stream where its last message ends
  std::uint64_t sent_ns;
};

// The unanswered batches of one connection; there are never more than messages in flight.
class BatchRing {
 public:
  explicit BatchRing(std::size_t capacity) : batches_(capacity) {}

  void push(Batch batch) {
    batches_[tail_] = batch;
    tail_ = following(tail_);
  }
  const Batch& front() const { return batches_[head_]; }
  void pop() { head_ = following(head_); }

 private:
  std::size_t following(std::size_t index) const {
    return index + 1 == batches_.size() ? 0 : index + 1;
  }

  std::vector<Batch> batches_;
  std::size_t head_ = 0;
  std::size_t tail_ = 0;
};

class ClosedLoop {
 public:
  explicit ClosedLoop(const Options& options)
      : options_(options),
        pattern_(options, options.workload == Workload::kStream ? kStreamPiece : kMessagePiece),
        transfer_(options, pattern_),
        connections_(open_connections(options, pattern_, transfer_)) {
    for (const Connection& connection : connections_) {
      rings_.emplace_back(options.in_flight + 1);
      answered_.push_back(connection.received);
    }
  }

  Result run() {
    result_.congestion_control = congestion_control_of(connections_.front().fd);
    for (std::uint32_t i = 0; i < connections_.size(); ++i) {
      poller_.add(connections_[i].fd, i);
      allow(i, options_.in_flight, now_ns());
      if (transfer_.send_allowed(connections_[i]) != Outcome::kOk) drop(i);
    }
    Interval interval(options_);
    while (!interval.advance(now_ns(), result_) && result_.errors < connections_.size()) {
      for (const epoll_event& event : poller_.wait(kPollMs)) serve(event.data.u32);
    }
    close_connections(connections_);
    return result_;
  }

 private:
  void allow(std::uint32_t index, std::size_t messages, std::uint64_t now) {
    Connection& connection = connections_[index];
    connection.allowed += messages * pattern_.frame_size();
    rings_[index].push({connection.allowed, now});
  }

  void serve(std::uint32_t index) {
    Connection& connection = connections_[index];
    if (connection.fd < 0) return;
    const std::uint64_t before = connection.received;
    if (transfer_.receive_checked(connection) != Outcome::kOk) return drop(index);
    result_.bytes += connection.received - before;
    const std::size_t whole = (connection.received - answered_[index]) / pattern_.frame_size();
    if (whole > 0) answer(index, whole);
    if (transfer_.send_allowed(connection) != Outcome::kOk) drop(index);
  }

  // Counts messages that came back whole and allows as many new ones.
  void answer(std::uint32_t index, std::size_t messages) {
    const std::uint64_t now = now_ns();
    const std::uint64_t answered_end = answered_[index] + messages * pattern_.frame_size();
    BatchRing& ring = rings_[index];
    while (answered_[index] < answered_end) {
      const Batch& batch = ring.front();
      const std::uint64_t end = std::min(batch.end, answered_end);
      const std::uint64_t count = (end - answered_[index]) / pattern_.frame_size();
      result_.latency.record(now - batch.sent_ns, count);
      answered_[index] = end;
      if (end == batch.end) ring.pop();
    }
    result_.messages += messages;
    allow(index, messages, now);
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
  std::vector<BatchRing> rings_;
  std::vector<std::uint64_t> answered_;  // end of the last message that came back whole
  Result result_;
};

}  // namespace

Result run_closed_loop(const Options& options) {
  return ClosedLoop(options).run();
}

}  // namespace tcpkit::load
