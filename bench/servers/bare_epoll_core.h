/* The yardstick's connections: level-triggered epoll, one shared receive buffer, one receive and
 * one send per readable event, nothing else. */
#pragma once

#include <stdbool.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bare_common.h"

typedef struct connection {
  int fd;
  bare_tail tail;
  bare_backlog backlog;
} connection;

typedef struct server {
  bare_mode mode;
  bare_buffers buffers;
  int epoll_fd;
  int listener;
} server;

static inline void drop_connection(connection* conn) {
  close(conn->fd);
  free(conn->tail.data);
  free(conn->backlog.data);
  free(conn);
}

static inline int watch(const server* self, connection* conn, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = conn};
  return epoll_ctl(self->epoll_fd, operation, conn->fd, &event);
}

static inline void accept_all(const server* self) {
  for (;;) {
    int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    connection* conn = calloc(1, sizeof *conn);
    if (conn == NULL) bare_die("calloc");
    conn->fd = fd;
    if (watch(self, conn, EPOLL_CTL_ADD, EPOLLIN) != 0) drop_connection(conn);
  }
}

static inline bool send_answer(const server* self, connection* conn, bare_answer answer) {
  if (answer.data == NULL) return false;
  if (answer.size == 0) return true;
  ssize_t sent = bare_send(conn->fd, answer.data, answer.size);
  if (sent < 0) return false;
  size_t rest = answer.size - (size_t)sent;
  if (rest == 0) return true;
  if (bare_backlog_fill(&conn->backlog, answer.data + sent, rest) != 0) return false;
  return watch(self, conn, EPOLL_CTL_MOD, EPOLLOUT) == 0;
}

static inline bool on_readable(const server* self, connection* conn) {
  size_t kept = bare_take_tail(&conn->tail, self->buffers.in);
  ssize_t received = recv(conn->fd, self->buffers.in + kept, self->buffers.size - kept, 0);
  if (received == 0) return false;
  if (received < 0 && errno != EAGAIN && errno != EINTR) return false;
  size_t size = kept + (received > 0 ? (size_t)received : 0);
  return send_answer(self, conn, bare_respond(self->mode, &self->buffers, size, &conn->tail));
}

static inline bool on_writable(const server* self, connection* conn) {
  bare_backlog* backlog = &conn->backlog;
  ssize_t sent = bare_send(conn->fd, backlog->data + backlog->sent, backlog->size - backlog->sent);
  if (sent < 0) return false;
  backlog->sent += (size_t)sent;
  if (backlog->sent < backlog->size) return true;
  bare_backlog_clear(backlog);
  return watch(self, conn, EPOLL_CTL_MOD, EPOLLIN) == 0;
}

static inline void serve_event(const server* self, const struct epoll_event* event) {
  connection* conn = event->data.ptr;
  if (conn == NULL) {
    accept_all(self);
    return;
  }
  bool alive = conn->backlog.data != NULL ? on_writable(self, conn) : on_readable(self, conn);
  if (!alive) drop_connection(conn);
}

static inline server make_server(const bare_options* options) {
  server self = {options->mode, bare_make_buffers(options), epoll_create1(EPOLL_CLOEXEC),
                 bare_listen(options->port)};
  struct epoll_event accept_event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.listener, &accept_event) != 0) {
    bare_die("epoll_ctl");
  }
  return self;
}

/* Serves what is ready, or becomes ready within timeout_ms (-1: without end). */
static inline void serve_ready(const server* self, int timeout_ms) {
  struct epoll_event events[256];
  int count = epoll_wait(self->epoll_fd, events, 256, timeout_ms);
  for (int i = 0; i < count; i++) serve_event(self, &events[i]);
}
