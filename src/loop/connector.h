// Happy Eyeballs (RFC 8305): one connection out of several addresses, each tried a little after the
// one before, or at once when that has failed. The first that connects is taken.
#pragma once

#include <deque>
#include <string>

#include "loop/loop.h"
#include "loop/targets.h"

namespace tcpkit {

struct ConnectSettings {
  uint64_t attempt_delay_ms = 250;
  bool no_delay = true;
  uint64_t keep_alive_ms = TCPKIT_UNLIMITED;
  size_t receive_buffer_size = 0;
  size_t send_buffer_size = 0;
  SocketAddress local;  // to connect from; size 0: whatever the system chooses
};

// Who gets the connected descriptor.
class ConnectSink {
 public:
  // The descriptor is non-blocking, close-on-exec, watched by nobody, and now the sink's.
  virtual void on_connected(int fd, const SocketAddress& peer) noexcept = 0;
  // Every address has failed; error_number is the most telling of their errors.
  virtual void on_connect_failed(int error_number) noexcept = 0;

 protected:
  ~ConnectSink() = default;
};

// Home thread: that of the loop. Must not be destroyed or started inside an event of one of its
// descriptors, since another of them may be ready in the same turn.
class Connector final : public TimerNode {
 public:
  // What has more addresses is cut.
  static constexpr size_t kMostTargets = 64;

  Connector(Loop& loop, ConnectSink& sink) noexcept : loop_(loop), sink_(sink) {}
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;
  ~Connector() { stop(); }

  // targets: at least one, in order. The sink may be called in here. May throw std::bad_alloc; then
  // nothing was begun.
  void start(const Targets& targets, const ConnectSettings& settings);
  // Closes what is under way; the sink is not called.
  void stop() noexcept;
  // What was tried and how it went: "[::1]:7000: Connection refused, 127.0.0.1:7000: no answer".
  std::string account() const;

  void on_timer() noexcept override { try_next(); }

 private:
  // A unix socket whose backlog is full cannot be waited for.
  static constexpr uint64_t kFullBacklogDelayMs = 20;
  static constexpr int kNotTried = -1;
  static constexpr int kUnderWay = 0;

  class Attempt final : public Watch {
   public:
    Attempt(Connector& owner, const SocketAddress& target) noexcept
        : address(target), owner_(owner) {}
    void on_ready(uint32_t) noexcept override { owner_.attempt_ready(*this); }

    const SocketAddress address;
    int fd = -1;
    int outcome = kNotTried;  // or kUnderWay, or an errno

   private:
    Connector& owner_;
  };

  void try_next() noexcept;
  bool begin(Attempt& attempt) noexcept;
  int open_socket(Attempt& attempt) const noexcept;
  int bind_local(int fd) const noexcept;
  void attempt_ready(Attempt& attempt) noexcept;
  void succeed(Attempt& attempt) noexcept;
  void give_up(Attempt& attempt, int error_number) noexcept;
  bool any_under_way() const noexcept;
  int most_telling_error() const noexcept;

  Loop& loop_;
  ConnectSink& sink_;
  ConnectSettings settings_;
  std::deque<Attempt> attempts_;
  size_t next_ = 0;
};

}  // namespace tcpkit
