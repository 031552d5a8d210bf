/* The yardstick of broadcasts: each message of 64 bytes that arrives is written to every
 * connection, one send per message and target in a loop. What a target does not take is dropped, so
 * it may not be given to clients that stall. */
#include "bare_epoll_core.h"

enum { MESSAGE_SIZE = 64, MOST_TARGETS = 32 * 1024 };

typedef struct target_list {
  int fds[MOST_TARGETS];
  size_t count;
} target_list;

static void accept_targets(const server* self, target_list* targets) {
  for (;;) {
    int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (targets->count == MOST_TARGETS ||
        epoll_ctl(self->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
      bare_die("too many targets");
    }
    targets->fds[targets->count++] = fd;
  }
}

static void drop_target(target_list* targets, int fd) {
  for (size_t i = 0; i < targets->count; i++) {
    if (targets->fds[i] == fd) targets->fds[i] = targets->fds[--targets->count];
  }
  close(fd);
}

static void broadcast(const target_list* targets, const uint8_t* message) {
  for (size_t i = 0; i < targets->count; i++) bare_send(targets->fds[i], message, MESSAGE_SIZE);
}

/* Messages come whole: the load sends them with one call. */
static void serve_target(const server* self, target_list* targets, int fd) {
  ssize_t received = recv(fd, self->buffers.in, self->buffers.size, 0);
  if (received <= 0) {
    if (received == 0 || errno != EAGAIN) drop_target(targets, fd);
    return;
  }
  for (ssize_t at = 0; at + MESSAGE_SIZE <= received; at += MESSAGE_SIZE) {
    broadcast(targets, self->buffers.in + at);
  }
}

int main(int argc, char** argv) {
  static target_list targets;
  bare_options options = bare_parse_options(argc, argv);
  server self = {options.mode, bare_make_buffers(&options), epoll_create1(EPOLL_CLOEXEC),
                 bare_listen(options.port)};
  struct epoll_event accept_event = {.events = EPOLLIN, .data.fd = self.listener};
  if (epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.listener, &accept_event) != 0) {
    bare_die("epoll_ctl");
  }
  bare_announce(self.listener);
  for (;;) {
    struct epoll_event events[256];
    int count = epoll_wait(self.epoll_fd, events, 256, -1);
    for (int i = 0; i < count; i++) {
      if (events[i].data.fd == self.listener) {
        accept_targets(&self, &targets);
      } else {
        serve_target(&self, &targets, events[i].data.fd);
      }
    }
  }
}
