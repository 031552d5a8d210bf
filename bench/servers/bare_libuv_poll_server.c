/* Peer: one uv_poll_t per connection with recv and send done by hand. Shows with figures what
 * uv_poll costs at connect and per connection, against uv_tcp_t and against bare epoll. */
#include <unistd.h>
#include <uv.h>

#include "bare_common.h"

typedef struct server {
  uv_poll_t poll;
  bare_mode mode;
  bare_buffers buffers;
  int listener;
} server;

typedef struct connection {
  uv_poll_t poll;
  int fd;
  bare_tail tail;
  bare_backlog backlog;
} connection;

static void on_closed(uv_handle_t* handle) {
  connection* conn = (connection*)handle;
  free(conn->tail.data);
  free(conn->backlog.data);
  free(conn);
}

/* uv_close takes the descriptor out of epoll at once, so it may be closed right after it. */
static void drop_connection(connection* conn) {
  uv_close((uv_handle_t*)&conn->poll, on_closed);
  close(conn->fd);
}

static void on_event(uv_poll_t* poll, int status, int events);

static void send_answer(connection* conn, bare_answer answer) {
  if (answer.data == NULL) {
    drop_connection(conn);
    return;
  }
  if (answer.size == 0) return;
  ssize_t sent = bare_send(conn->fd, answer.data, answer.size);
  if (sent < 0) {
    drop_connection(conn);
    return;
  }
  size_t rest = answer.size - (size_t)sent;
  if (rest == 0) return;
  if (bare_backlog_fill(&conn->backlog, answer.data + sent, rest) != 0) {
    drop_connection(conn);
    return;
  }
  uv_poll_start(&conn->poll, UV_WRITABLE, on_event);
}

static void on_readable(connection* conn) {
  const server* self = conn->poll.loop->data;
  size_t kept = bare_take_tail(&conn->tail, self->buffers.in);
  ssize_t received = recv(conn->fd, self->buffers.in + kept, self->buffers.size - kept, 0);
  if (received == 0 || (received < 0 && errno != EAGAIN && errno != EINTR)) {
    drop_connection(conn);
    return;
  }
  size_t size = kept + (received > 0 ? (size_t)received : 0);
  send_answer(conn, bare_respond(self->mode, &self->buffers, size, &conn->tail));
}

static void on_writable(connection* conn) {
  bare_backlog* backlog = &conn->backlog;
  ssize_t sent = bare_send(conn->fd, backlog->data + backlog->sent, backlog->size - backlog->sent);
  if (sent < 0) {
    drop_connection(conn);
    return;
  }
  backlog->sent += (size_t)sent;
  if (backlog->sent < backlog->size) return;
  bare_backlog_clear(backlog);
  uv_poll_start(&conn->poll, UV_READABLE, on_event);
}

static void on_event(uv_poll_t* poll, int status, int events) {
  (void)events;
  connection* conn = (connection*)poll;
  if (status < 0) {
    drop_connection(conn);
  } else if (conn->backlog.data != NULL) {
    on_writable(conn);
  } else {
    on_readable(conn);
  }
}

static void on_acceptable(uv_poll_t* poll, int status, int events) {
  (void)status;
  (void)events;
  const server* self = (const server*)poll;
  for (;;) {
    int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    connection* conn = calloc(1, sizeof *conn);
    if (conn == NULL) bare_die("calloc");
    conn->fd = fd;
    if (uv_poll_init(poll->loop, &conn->poll, fd) != 0) bare_die("uv_poll_init");
    uv_poll_start(&conn->poll, UV_READABLE, on_event);
  }
}

int main(int argc, char** argv) {
  bare_options options = bare_parse_options(argc, argv);
  uv_loop_t* loop = uv_default_loop();
  server self = {.mode = options.mode,
                 .buffers = bare_make_buffers(&options),
                 .listener = bare_listen(options.port)};
  loop->data = &self;
  if (uv_poll_init(loop, &self.poll, self.listener) != 0) bare_die("uv_poll_init");
  uv_poll_start(&self.poll, UV_READABLE, on_acceptable);
  bare_announce(self.listener);
  return uv_run(loop, UV_RUN_DEFAULT);
}
