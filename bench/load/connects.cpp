// Workloads connect and idle: the cost of coming and going, and of merely being there.
#include <cerrno>
#include <cstdio>
#include <vector>

#include "clock.h"
#include "opening.h"
#include "poller.h"
#include "transfer.h"
#include "workloads.h"

namespace tcpkit::load {
namespace {

constexpr std::size_t kPiece = 64 * 1024;
constexpr int kPollMs = 100;

// Each slot has one connection at a time. The generator closes first, in the ordinary way, so the
// TIME_WAIT stays with it and the server sees an orderly end.
class ConnectLoop {
 public:
  explicit ConnectLoop(const Options& options)
      : options_(options),
        pattern_(options, kPiece),
        transfer_(options, pattern_),
        dialer_(options),
        slots_(options.connections),
        dialed_ns_(options.connections) {}

  Result run() {
    for (std::uint32_t i = 0; i < slots_.size(); ++i) dial(i);
    result_.congestion_control = congestion_control_of(slots_.front().fd);
    Interval interval(options_);
    while (!interval.advance(now_ns(), result_) && result_.errors <= slots_.size()) {
      for (const epoll_event& event : poller_.wait(kPollMs)) serve(event.data.u32);
    }
    close_connections(slots_);
    return result_;
  }

 private:
  void dial(std::uint32_t index) {
    Connection& slot = slots_[index];
    dialed_ns_[index] = now_ns();
    slot.fd = dialer_.dial_nonblocking();
    if (slot.fd < 0) fail("connect");
    const std::uint64_t start = (cycles_++ % pattern_.message_count()) * pattern_.frame_size();
    slot.sent = slot.received = start;
    slot.allowed = start + pattern_.frame_size();
    transfer_.begin(slot);
    // On loopback the connection is mostly there already; else EPOLLOUT comes later.
    if (transfer_.send_allowed(slot) != Outcome::kOk) return restart_broken(index);
    poller_.add(slot.fd, index);
  }

  void serve(std::uint32_t index) {
    Connection& slot = slots_[index];
    const std::uint64_t before = slot.received;
    if (transfer_.send_allowed(slot) != Outcome::kOk) return restart_broken(index);
    if (transfer_.receive_checked(slot) != Outcome::kOk) return restart_broken(index);
    result_.bytes += slot.received - before;
    if (slot.received < slot.allowed) return;
    if (!transfer_.is_as_wished(slot)) return restart_broken(index);
    transfer_.end(slot);
    ::close(slot.fd);
    ++result_.messages;
    result_.latency.record(now_ns() - dialed_ns_[index]);
    dial(index);
  }

  void restart_broken(std::uint32_t index) {
    ++result_.errors;
    if (result_.errors > slots_.size()) fail("connection broke");
    ::close(slots_[index].fd);
    dial(index);
  }

  const Options& options_;
  Pattern pattern_;
  Transfer transfer_;
  Poller poller_;
  Dialer dialer_;
  std::vector<Connection> slots_;
  std::vector<std::uint64_t> dialed_ns_;
  std::uint64_t cycles_ = 0;
  Result result_;
};

}  // namespace

Result run_connects(const Options& options) {
  return ConnectLoop(options).run();
}

Result run_idle(const Options& options) {
  const Pattern pattern(options, kPiece);
  Transfer transfer(options, pattern);
  std::vector<Connection> connections = open_connections(options, pattern, transfer);
  Result result;
  result.messages = connections.size();
  result.congestion_control = congestion_control_of(connections.front().fd);
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) continue;
  close_connections(connections);
  return result;
}

}  // namespace tcpkit::load
