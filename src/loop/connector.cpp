// Attempts to connect, side by side, on one loop.
#include "loop/connector.h"

#include <netinet/in.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "loop/socket.h"

namespace tcpkit {
namespace {

// A port that nobody listens on may be the one that the system gives us to connect from: then the
// socket has connected to itself.
bool is_own_end(int fd, const SocketAddress& peer) noexcept {
  if (peer.family() == AF_UNIX) return false;
  SocketAddress own;
  own.size = sizeof own.path;
  if (getsockname(fd, &own.header, &own.size) != 0 || own.port() != peer.port()) return false;
  return PeerAddress(own).ip_bytes() == PeerAddress(peer).ip_bytes();
}

// Of several errors: what a host says tells more than that there is no way to it.
int weight_of(int error_number) noexcept {
  switch (error_number) {
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
      return 1;
    default:
      return 2;
  }
}

}  // namespace

void Connector::start(const Targets& targets, const ConnectSettings& settings) {
  stop();
  std::deque<Attempt> attempts;
  for (size_t i = 0; i < targets.size() && i < kMostTargets; ++i) {
    attempts.emplace_back(*this, targets[i]);
  }
  attempts_.swap(attempts);
  settings_ = settings;
  next_ = 0;
  try_next();
}

void Connector::stop() noexcept {
  if (armed()) loop_.timers().disarm(*this);
  next_ = attempts_.size();
  for (Attempt& attempt : attempts_) {
    if (attempt.fd < 0) continue;
    loop_.unwatch(attempt.fd);
    close(attempt.fd);
    attempt.fd = -1;
  }
}

// Until one is under way, or all have failed.
void Connector::try_next() noexcept {
  while (next_ < attempts_.size()) {
    Attempt& attempt = attempts_[next_];
    if (begin(attempt)) {
      const bool backlog_is_full = attempt.fd < 0;
      if (!backlog_is_full) ++next_;
      const uint64_t delay_ms = backlog_is_full ? kFullBacklogDelayMs : settings_.attempt_delay_ms;
      if (next_ < attempts_.size()) loop_.timers().arm(*this, loop_.deadline_in(delay_ms));
      return;
    }
    ++next_;
    if (attempt.outcome == kUnderWay) return;  // it has connected, and the sink has it
  }
  if (armed()) loop_.timers().disarm(*this);
  if (!any_under_way()) sink_.on_connect_failed(most_telling_error());
}

// True: it is to be waited for. False: it has failed, or, as the outcome says, connected.
bool Connector::begin(Attempt& attempt) noexcept {
  attempt.outcome = kUnderWay;
  int error = open_socket(attempt);
  if (error == 0 && connect(attempt.fd, &attempt.address.header, attempt.address.size) != 0) {
    error = errno;
  } else if (error == 0) {
    succeed(attempt);
    return false;
  }
  if (error == EINPROGRESS || error == EINTR) {
    error = loop_.watch(attempt, attempt.fd, EPOLLOUT);
    if (error == 0) return true;
  }
  if (attempt.fd >= 0) close(attempt.fd);
  attempt.fd = -1;
  if (error == EAGAIN && attempt.address.family() == AF_UNIX) return true;
  attempt.outcome = error;
  return false;
}

int Connector::open_socket(Attempt& attempt) const noexcept {
  const int family = attempt.address.family();
  attempt.fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (attempt.fd < 0) return errno;
  int error = 0;
  if (family != AF_UNIX) {
    error = set_tcp_behaviour(attempt.fd, settings_.no_delay, settings_.keep_alive_ms);
  }
  if (error == 0) {
    error = set_buffer_sizes(attempt.fd, settings_.receive_buffer_size, settings_.send_buffer_size);
  }
  if (error != 0 || settings_.local.size == 0 || family == AF_UNIX) return error;
  return settings_.local.family() == family ? bind_local(attempt.fd) : EADDRNOTAVAIL;
}

int Connector::bind_local(int fd) const noexcept {
  // Without a port the system chooses one when it knows the peer, so that it does not run out.
  int error = settings_.local.port() == 0 ? set_option(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)
                                          : set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0 && bind(fd, &settings_.local.header, settings_.local.size) != 0) error = errno;
  return error;
}

void Connector::attempt_ready(Attempt& attempt) noexcept {
  if (attempt.fd < 0) return;  // ended earlier in this turn
  const int error = take_socket_error(attempt.fd);
  loop_.unwatch(attempt.fd);
  if (error == 0 && !is_own_end(attempt.fd, attempt.address)) return succeed(attempt);
  give_up(attempt, error == 0 ? ECONNREFUSED : error);
}

void Connector::succeed(Attempt& attempt) noexcept {
  const int fd = attempt.fd;
  attempt.fd = -1;
  stop();
  sink_.on_connected(fd, attempt.address);
}

void Connector::give_up(Attempt& attempt, int error_number) noexcept {
  close(attempt.fd);
  attempt.fd = -1;
  attempt.outcome = error_number;
  if (next_ < attempts_.size()) return try_next();
  if (!any_under_way()) sink_.on_connect_failed(most_telling_error());
}

bool Connector::any_under_way() const noexcept {
  for (const Attempt& attempt : attempts_) {
    if (attempt.fd >= 0) return true;
  }
  return false;
}

int Connector::most_telling_error() const noexcept {
  int most_telling = 0;
  int weight = 0;
  for (const Attempt& attempt : attempts_) {
    if (weight_of(attempt.outcome) < weight) continue;
    most_telling = attempt.outcome;
    weight = weight_of(attempt.outcome);
  }
  return most_telling;
}

std::string Connector::account() const {
  std::string text;
  for (const Attempt& attempt : attempts_) {
    if (attempt.outcome == kNotTried) continue;
    if (!text.empty()) text += ", ";
    text += socket_address_text(attempt.address) + ": ";
    char buffer[128];
    text += attempt.outcome == kUnderWay ? "no answer"
                                         : strerror_r(attempt.outcome, buffer, sizeof buffer);
  }
  return text;
}

}  // namespace tcpkit
