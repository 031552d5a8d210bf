// The library's calls of the C library come here (linker option --wrap). A call that fails is not
// made, so that nothing the kernel holds is lost, and fails as the manual pages say it can.
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <initializer_list>

#include "faults/faults.h"

using faults::Fate;
using faults::Site;

namespace {

int fail_with(const Fate& fate, std::initializer_list<int> errors) noexcept {
  errno = errors.begin()[fate.choice % errors.size()];
  return -1;
}

// The kernel keeps to what it said: a connection that was reset or timed out stays so.
ssize_t break_connection(int fd) noexcept {
  const int error = errno;
  if (error == ECONNRESET || error == EPIPE || error == ETIMEDOUT) shutdown(fd, SHUT_RDWR);
  errno = error;
  return -1;
}

// One in three is no error but a transfer of fewer bytes than were asked for.
bool is_short(const Fate& fate, size_t size) noexcept {
  return size > 1 && fate.choice % 3 == 0;
}
size_t short_size(const Fate& fate, size_t size) noexcept {
  const size_t most = fate.choice % 2 == 0 ? size - 1 : 16;
  return 1 + fate.choice / 6 % (most < size - 1 ? most : size - 1);
}
Fate rest_of(const Fate& fate) noexcept {
  return {fate.fails, fate.choice / 3};
}

}  // namespace

extern "C" {

int __real_accept4(int fd, sockaddr* address, socklen_t* size, int flags);
ssize_t __real_recv(int fd, void* buffer, size_t size, int flags);
ssize_t __real_send(int fd, const void* buffer, size_t size, int flags);
ssize_t __real_sendmsg(int fd, const msghdr* message, int flags);
int __real_socket(int domain, int type, int protocol);
int __real_bind(int fd, const sockaddr* address, socklen_t size);
int __real_listen(int fd, int backlog);
int __real_setsockopt(int fd, int level, int name, const void* value, socklen_t size);
int __real_getsockopt(int fd, int level, int name, void* value, socklen_t* size);
int __real_getsockname(int fd, sockaddr* address, socklen_t* size);
int __real_epoll_ctl(int epoll, int operation, int fd, epoll_event* event);
int __real_epoll_create1(int flags);
int __real_epoll_wait(int epoll, epoll_event* events, int most, int timeout);
int __real_eventfd(unsigned value, int flags);
int __real_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument);
void* __real_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset);

int __wrap_accept4(int fd, sockaddr* address, socklen_t* size, int flags) {
  const Fate fate = faults::ask(Site::kAccept);
  if (!fate.fails) return __real_accept4(fd, address, size, flags);
  return fail_with(
      fate, {EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE, ENOMEM, ENOBUFS, EPROTO, ECONNABORTED});
}

ssize_t __wrap_recv(int fd, void* buffer, size_t size, int flags) {
  const Fate fate = faults::ask(Site::kReceive);
  if (!fate.fails) return __real_recv(fd, buffer, size, flags);
  if (is_short(fate, size)) return __real_recv(fd, buffer, short_size(rest_of(fate), size), flags);
  // The ones that a connection lives through are more frequent, so that it lives for a while.
  fail_with(rest_of(fate), {EINTR, EAGAIN, EINTR, EAGAIN, ECONNRESET, ETIMEDOUT, ENOMEM});
  return break_connection(fd);
}

ssize_t __wrap_send(int fd, const void* buffer, size_t size, int flags) {
  const Fate fate = faults::ask(Site::kSend);
  if (!fate.fails) return __real_send(fd, buffer, size, flags);
  if (is_short(fate, size)) return __real_send(fd, buffer, short_size(rest_of(fate), size), flags);
  fail_with(rest_of(fate), {EINTR, EAGAIN, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS});
  return break_connection(fd);
}

ssize_t __wrap_sendmsg(int fd, const msghdr* message, int flags) {
  const Fate fate = faults::ask(Site::kSend);
  const iovec& first = message->msg_iov[0];
  if (!fate.fails) return __real_sendmsg(fd, message, flags);
  if (is_short(fate, first.iov_len)) {
    return __real_send(fd, first.iov_base, short_size(rest_of(fate), first.iov_len), flags);
  }
  fail_with(rest_of(fate), {EINTR, EAGAIN, EINTR, EAGAIN, EPIPE, ECONNRESET, ENOBUFS});
  return break_connection(fd);
}

int __wrap_socket(int domain, int type, int protocol) {
  const Fate fate = faults::ask(Site::kSocket);
  if (!fate.fails) return __real_socket(domain, type, protocol);
  return fail_with(fate, {EMFILE, ENFILE, ENOMEM, ENOBUFS, EACCES});
}

int __wrap_bind(int fd, const sockaddr* address, socklen_t size) {
  const Fate fate = faults::ask(Site::kBind);
  if (!fate.fails) return __real_bind(fd, address, size);
  return fail_with(fate, {EADDRINUSE, EADDRNOTAVAIL, EACCES, ENOMEM});
}

int __wrap_listen(int fd, int backlog) {
  const Fate fate = faults::ask(Site::kListen);
  if (!fate.fails) return __real_listen(fd, backlog);
  return fail_with(fate, {EADDRINUSE});
}

int __wrap_setsockopt(int fd, int level, int name, const void* value, socklen_t size) {
  const Fate fate = faults::ask(Site::kSetOption);
  if (!fate.fails) return __real_setsockopt(fd, level, name, value, size);
  return fail_with(fate, {ENOMEM, ENOBUFS, ENOPROTOOPT});
}

int __wrap_getsockopt(int fd, int level, int name, void* value, socklen_t* size) {
  const Fate fate = faults::ask(Site::kGetOption);
  if (!fate.fails) return __real_getsockopt(fd, level, name, value, size);
  return fail_with(fate, {ENOBUFS, ENOMEM});
}

int __wrap_getsockname(int fd, sockaddr* address, socklen_t* size) {
  const Fate fate = faults::ask(Site::kGetName);
  if (!fate.fails) return __real_getsockname(fd, address, size);
  return fail_with(fate, {ENOBUFS});
}

// To take a descriptor off cannot fail.
int __wrap_epoll_ctl(int epoll, int operation, int fd, epoll_event* event) {
  const Fate fate = operation == EPOLL_CTL_DEL ? Fate{false, 0} : faults::ask(Site::kWatch);
  if (!fate.fails) return __real_epoll_ctl(epoll, operation, fd, event);
  return fail_with(fate, {ENOMEM, ENOSPC});
}

int __wrap_epoll_create1(int flags) {
  const Fate fate = faults::ask(Site::kOpenEpoll);
  if (!fate.fails) return __real_epoll_create1(flags);
  return fail_with(fate, {EMFILE, ENFILE, ENOMEM});
}

int __wrap_epoll_wait(int epoll, epoll_event* events, int most, int timeout) {
  const Fate fate = faults::ask(Site::kWait);
  if (!fate.fails) return __real_epoll_wait(epoll, events, most, timeout);
  return fail_with(fate, {EINTR});
}

int __wrap_eventfd(unsigned value, int flags) {
  const Fate fate = faults::ask(Site::kOpenEvent);
  if (!fate.fails) return __real_eventfd(value, flags);
  return fail_with(fate, {EMFILE, ENFILE, ENOMEM});
}

int __wrap_pthread_create(pthread_t* thread, const pthread_attr_t* attributes,
                          void* (*function)(void*), void* argument) {
  const Fate fate = faults::ask(Site::kStartThread);
  return fate.fails ? EAGAIN : __real_pthread_create(thread, attributes, function, argument);
}

void* __wrap_mmap(void* address, size_t size, int protection, int flags, int fd, off_t offset) {
  const Fate fate = faults::ask(Site::kMap);
  if (!fate.fails) return __real_mmap(address, size, protection, flags, fd, offset);
  errno = ENOMEM;
  return MAP_FAILED;
}

}  // extern "C"
