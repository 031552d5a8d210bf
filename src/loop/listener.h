// Listening sockets, and the acceptor that turns their readiness into connected descriptors.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "loop/address.h"
#include "loop/loop.h"
#include "loop/socket.h"

namespace tcpkit {

// What to listen on and how; every value is resolved.
struct ListenSettings {
  std::string text;  // as the user wrote it
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  int backlog = 0;
  bool reuse_port = false;
  bool dual_stack = false;
  bool no_delay = false;
  Transport transport = Transport::kPlain;
  uint64_t keep_alive_ms = TCPKIT_UNLIMITED;
  size_t receive_buffer_size = 0;
  size_t send_buffer_size = 0;
};

// A descriptor that listens; closed, and its unix path removed, with this object. One that was
// inherited stays the caller's, open, until keep().
class ListenSocket {
 public:
  ListenSocket(const ListenSocket&) = delete;
  ListenSocket& operator=(const ListenSocket&) = delete;
  ~ListenSocket();

  // Socket options are set here, because accepted sockets inherit them.
  static Status open(const ListenSettings& settings, std::unique_ptr<ListenSocket>& opened);

  int fd() const noexcept { return fd_; }
  // What it was opened for has succeeded.
  void keep() noexcept { lent_ = false; }
  // Another process listens here too: the path is not ours to remove any more.
  int hand_over() noexcept {
    unix_path_.clear();
    return fd_;
  }
  // Address with the real port, as parse_address takes it.
  const std::string& bound_text() const noexcept { return bound_text_; }
  uint16_t bound_port() const noexcept { return bound_port_; }

 private:
  ListenSocket() = default;
  Status prepare(const ListenSettings& settings, const SocketAddress& address) const noexcept;
  Status open_new(const ListenSettings& settings);
  Status bind_and_listen(const ListenSettings& settings, const SocketAddress& address);
  Status take_over(const ListenSettings& settings);
  Status remember_bound_address(const ListenSettings& settings);

  int fd_ = -1;
  bool lent_ = false;  // a call that fails leaves it to the caller
  uint16_t bound_port_ = 0;
  std::string bound_text_;
  std::string unix_path_;  // to remove, if it is still ours
  dev_t unix_device_ = 0;
  ino_t unix_inode_ = 0;
};

// Which loop serves what is accepted: the least-loaded one, or, where each loop has a listener of
// its own, the one that accepted it.
enum class Placement : uint8_t { kSpread, kHere };

// A listening descriptor of somebody else's to accept from.
struct AcceptSource {
  int listen_fd;
  Placement placement;
  Transport transport;
};

// A descriptor that is kept back for the time when there is no other: given up for a moment, it
// lets one connection be taken off the backlog and told that it is refused. Home thread: one.
class SpareDescriptor {
 public:
  SpareDescriptor() = default;
  SpareDescriptor(const SpareDescriptor&) = delete;
  SpareDescriptor& operator=(const SpareDescriptor&) = delete;
  ~SpareDescriptor() { (void)give_up(); }

  // Does nothing if it is there, or cannot be had.
  void take() noexcept;
  // False if there is none.
  bool give_up() noexcept;

 private:
  int fd_ = -1;
};

// Who gets accepted descriptors.
class AcceptSink {
 public:
  // Before each accept: 0, or the time after which to ask again. Connections wait in the backlog
  // meanwhile. An accept that was begun ends with on_accepted() or cancel_accept().
  virtual uint64_t begin_accept() noexcept = 0;
  virtual void cancel_accept() noexcept = 0;
  // The descriptor is non-blocking, close-on-exec, and now the sink's.
  virtual void on_accepted(int fd, const SocketAddress& peer,
                           const AcceptSource& source) noexcept = 0;
  virtual void on_accept_failed(int error_number) noexcept = 0;
  // No descriptor is left. True: this connection is refused, which shows the peer that it is, with
  // the help of the spare one; false: connections wait in the backlog.
  virtual bool sheds_without_files() noexcept = 0;
  // Such a descriptor is the sink's, which is to close it at once.
  virtual void on_shed(int fd) noexcept = 0;
  virtual SpareDescriptor& spare() noexcept = 0;
  // Descriptors or memory ran out: accepting pauses and tries again by itself.
  virtual void on_accept_paused(int error_number) noexcept = 0;

 protected:
  ~AcceptSink() = default;
};

// Accepts from one listening descriptor on one loop. Home thread: that of the loop.
class Acceptor final : public Watch, public TimerNode {
 public:
  Acceptor(Loop& loop, AcceptSource source, AcceptSink& sink) noexcept
      : loop_(loop), source_(source), sink_(sink) {}
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;
  ~Acceptor() { stop(); }

  // 0 or an errno.
  int start() noexcept;
  // The same, but tries again by itself until it succeeds.
  void start_in_the_end() noexcept;
  void stop() noexcept;

  void on_ready(uint32_t events) noexcept override;
  void on_timer() noexcept override { start_in_the_end(); }

 private:
  static constexpr uint64_t kPauseMs = 100;
  static constexpr unsigned kLargestBatch = 64;

  bool accept_one() noexcept;
  bool accept_failed(int error_number) noexcept;
  enum class Shed : uint8_t { kOne, kNoneThere, kCannot };
  Shed shed_one() noexcept;
  void pause(uint64_t delay_ms) noexcept;

  Loop& loop_;
  const AcceptSource source_;
  AcceptSink& sink_;
  bool watching_ = false;
  // Accepts per readiness: doubled while all of them succeed, back to one at the first EAGAIN, so
  // that single connections cost no extra system call and floods few wake-ups.
  unsigned batch_ = 1;
};

}  // namespace tcpkit
