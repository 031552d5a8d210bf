// Opening of listening sockets (tcp, unix, inherited), and accepting with accept4.
#include "loop/listener.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tcpkit {
namespace {

// Accepted connections inherit all but the first ones.
int set_tcp_options(int fd, const ListenSettings& settings, int family) noexcept {
  int error = set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (error == 0 && settings.reuse_port) error = set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
  if (error == 0 && family == AF_INET6) {
    error = set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, settings.dual_stack ? 0 : 1);
  }
  return error != 0 ? error : set_tcp_behaviour(fd, settings.no_delay, settings.keep_alive_ms);
}

// A unix path whose listener has gone: a socket that refuses to be connected to. Anything else
// there, such as a regular file, is somebody's and stays.
bool is_stale_unix_path(const SocketAddress& address) noexcept {
  if (address.family() != AF_UNIX || address.path.sun_path[0] == '\0') return false;
  struct stat status {};
  if (lstat(address.path.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (probe < 0) return false;
  const bool refused = connect(probe, &address.header, address.size) != 0 && errno == ECONNREFUSED;
  close(probe);
  return refused;
}

// Errors of a connection that failed before it was accepted; the next one may be fine. After any
// other error another accept would fail as well.
bool is_of_one_connection(int error_number) noexcept {
  switch (error_number) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENOPROTOOPT:
    case ENONET:
    case EOPNOTSUPP:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

}  // namespace

ListenSocket::~ListenSocket() {
  if (fd_ >= 0 && !lent_) close(fd_);
  if (unix_path_.empty()) return;
  // A successor may listen on the same path by now; then it is not ours to remove.
  struct stat status {};
  if (lstat(unix_path_.c_str(), &status) == 0 && status.st_dev == unix_device_ &&
      status.st_ino == unix_inode_) {
    unlink(unix_path_.c_str());
  }
}

Status ListenSocket::prepare(const ListenSettings& settings,
                             const SocketAddress& address) const noexcept {
  int error = 0;
  if (address.family() != AF_UNIX) error = set_tcp_options(fd_, settings, address.family());
  if (error == 0) {
    error = set_buffer_sizes(fd_, settings.receive_buffer_size, settings.send_buffer_size);
  }
  if (error == 0) return TCPKIT_OK;
  return fail_errno(error, "cannot set the socket options for \"%s\"", settings.text.c_str());
}

// The path to remove is copied first: once the socket is bound, the file is there.
Status ListenSocket::bind_and_listen(const ListenSettings& settings, const SocketAddress& address) {
  const bool has_path = address.family() == AF_UNIX && address.path.sun_path[0] != '\0';
  std::string path(has_path ? address.path.sun_path : "");
  int error = bind(fd_, &address.header, address.size) == 0 ? 0 : errno;
  if (error == EADDRINUSE && is_stale_unix_path(address)) {
    unlink(address.path.sun_path);
    error = bind(fd_, &address.header, address.size) == 0 ? 0 : errno;
  }
  if (error == 0 && has_path) {
    struct stat status {};
    if (lstat(path.c_str(), &status) == 0) {
      unix_path_ = std::move(path);
      unix_device_ = status.st_dev;
      unix_inode_ = status.st_ino;
    }
  }
  if (error == 0 && listen(fd_, settings.backlog) != 0) error = errno;
  if (error == 0) return TCPKIT_OK;
  return fail_errno(error, "cannot listen on \"%s\"", settings.text.c_str());
}

Status ListenSocket::take_over(const ListenSettings& settings) {
  fd_ = static_cast<int>(settings.address.port);
  lent_ = true;
  int listening = 0;
  socklen_t size = sizeof listening;
  if (getsockopt(fd_, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0) {
    return fail_errno(errno, "cannot listen on \"%s\"", settings.text.c_str());
  }
  if (listening == 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "cannot listen on \"%s\": that socket does not listen",
                settings.text.c_str());
  }
  fcntl(fd_, F_SETFD, FD_CLOEXEC);
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
  SocketAddress bound;
  bound.size = sizeof bound.path;
  int error = getsockname(fd_, &bound.header, &bound.size) == 0 ? 0 : errno;
  const bool is_tcp = bound.family() == AF_INET || bound.family() == AF_INET6;
  if (error == 0 && is_tcp)
    error = set_tcp_behaviour(fd_, settings.no_delay, settings.keep_alive_ms);
  if (error == 0) {
    error = set_buffer_sizes(fd_, settings.receive_buffer_size, settings.send_buffer_size);
  }
  if (error == 0) return TCPKIT_OK;
  return fail_errno(error, "cannot set the socket options for \"%s\"", settings.text.c_str());
}

Status ListenSocket::open_new(const ListenSettings& settings) {
  SocketAddress address;
  Status status = resolve_for_listen(settings.address, settings.text.c_str(), address);
  if (status != TCPKIT_OK) return status;
  fd_ = socket(address.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd_ < 0) return fail_errno(errno, "cannot listen on \"%s\"", settings.text.c_str());
  status = prepare(settings, address);
  return status == TCPKIT_OK ? bind_and_listen(settings, address) : status;
}

// Without its port, the sockets of a reuse_port listener on a free port would not share one.
Status ListenSocket::remember_bound_address(const ListenSettings& settings) {
  SocketAddress bound;
  bound.size = sizeof bound.path;
  if (getsockname(fd_, &bound.header, &bound.size) != 0) {
    return fail_errno(errno, "cannot tell what \"%s\" is bound to", settings.text.c_str());
  }
  bound_port_ = bound.port();
  bound_text_ = listener_address_text(bound, settings.address.network);
  return TCPKIT_OK;
}

// The owner is there before its descriptor, which would leak if memory ran out in between.
Status ListenSocket::open(const ListenSettings& settings, std::unique_ptr<ListenSocket>& opened) {
  std::unique_ptr<ListenSocket> owner(new ListenSocket);
  const bool inherited = settings.address.network == TCPKIT_NETWORK_FD;
  Status status = inherited ? owner->take_over(settings) : owner->open_new(settings);
  if (status == TCPKIT_OK) status = owner->remember_bound_address(settings);
  if (status == TCPKIT_OK) opened = std::move(owner);
  return status;
}

void SpareDescriptor::take() noexcept {
  if (fd_ < 0) fd_ = eventfd(0, EFD_CLOEXEC);
}

bool SpareDescriptor::give_up() noexcept {
  if (fd_ < 0) return false;
  close(fd_);
  fd_ = -1;
  return true;
}

int Acceptor::start() noexcept {
  const int error = loop_.watch(*this, source_.listen_fd, EPOLLIN);
  watching_ = error == 0;
  return error;
}

void Acceptor::stop() noexcept {
  if (watching_) loop_.unwatch(source_.listen_fd);
  if (armed()) loop_.timers().disarm(*this);
  watching_ = false;
}

void Acceptor::on_ready(uint32_t) noexcept {
  for (unsigned accepted = 0; accepted < batch_; ++accepted) {
    if (accept_one()) continue;
    batch_ = 1;
    return;
  }
  batch_ = std::min(batch_ * 2, kLargestBatch);
}

void Acceptor::pause(uint64_t delay_ms) noexcept {
  loop_.unwatch(source_.listen_fd);
  watching_ = false;
  loop_.timers().arm(*this, loop_.deadline_in(delay_ms));
}

bool Acceptor::accept_one() noexcept {
  const uint64_t delay_ms = sink_.begin_accept();
  if (delay_ms != 0) {
    pause(delay_ms);
    return false;
  }
  SocketAddress peer;
  peer.size = sizeof peer.path;
  const int fd = accept4(source_.listen_fd, &peer.header, &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    sink_.on_accepted(fd, peer, source_);
    return watching_;
  }
  const int error = errno;
  sink_.cancel_accept();
  return accept_failed(error);
}

// True: the next one may be there.
bool Acceptor::accept_failed(int error_number) noexcept {
  if (error_number == EAGAIN || error_number == EWOULDBLOCK) return false;
  if (is_of_one_connection(error_number)) {
    if (error_number != EINTR) sink_.on_accept_failed(error_number);
    return true;
  }
  const bool out_of_files = error_number == EMFILE || error_number == ENFILE;
  if (out_of_files && sink_.sheds_without_files()) {
    const Shed shed = shed_one();
    if (shed != Shed::kCannot) return shed == Shed::kOne;
  }
  pause(kPauseMs);
  sink_.on_accept_paused(error_number);
  return false;
}

// The kernel says that descriptors have run out before it looks whether there is a connection.
Acceptor::Shed Acceptor::shed_one() noexcept {
  if (!sink_.spare().give_up()) return Shed::kCannot;
  const int fd = accept4(source_.listen_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  const int error = errno;
  if (fd >= 0) sink_.on_shed(fd);
  sink_.spare().take();
  if (fd >= 0) return Shed::kOne;
  return error == EMFILE || error == ENFILE ? Shed::kCannot : Shed::kNoneThere;
}

void Acceptor::start_in_the_end() noexcept {
  if (sink_.sheds_without_files()) sink_.spare().take();
  const int error = start();
  if (error == 0) return;
  loop_.timers().arm(*this, loop_.deadline_in(kPauseMs));
  sink_.on_accept_paused(error);
}

}  // namespace tcpkit
