/* The yardstick of TLS: level-triggered epoll and OpenSSL on the socket itself (SSL_set_fd), with
 * OpenSSL's defaults: two tickets, no read-ahead. One SSL_read and one SSL_write per readable
 * event. */
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bare_tls.h"

enum { MAX_EVENTS = 256 };

typedef struct connection {
  int fd;
  bool is_shaken; /* its handshake is done */
  SSL* ssl;
  bare_backlog backlog;
} connection;

typedef struct server {
  SSL_CTX* context;
  uint8_t* buffer; /* for all connections */
  size_t buffer_size;
  int epoll_fd;
  int listener;
} server;

static SSL_CTX* make_context(const bare_options* options) {
  SSL_CTX* context = bare_tls_context(options);
  if (options->release_buffers) SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

static void drop_connection(connection* conn) {
  SSL_free(conn->ssl);
  close(conn->fd);
  free(conn->backlog.data);
  free(conn);
}

static int watch(const server* self, connection* conn, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = conn};
  return epoll_ctl(self->epoll_fd, operation, conn->fd, &event);
}

static void accept_all(const server* self) {
  for (;;) {
    int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    connection* conn = calloc(1, sizeof *conn);
    if (conn == NULL) bare_die("calloc");
    conn->fd = fd;
    conn->ssl = SSL_new(self->context);
    if (conn->ssl == NULL || SSL_set_fd(conn->ssl, fd) != 1) bare_die_of_tls("SSL_new");
    if (watch(self, conn, EPOLL_CTL_ADD, EPOLLIN) != 0) drop_connection(conn);
  }
}

/* Whether a call that gave result has to be made again when the socket is ready. */
static bool may_go_on(const connection* conn, int result) {
  int error = SSL_get_error(conn->ssl, result);
  if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return true;
  ERR_clear_error();
  return false;
}

/* The answer of a handshake is a few KiB: it fits into the empty buffer of a new socket. */
static bool shake_hands(connection* conn) {
  int result = SSL_accept(conn->ssl);
  if (result != 1) return may_go_on(conn, result);
  conn->is_shaken = true;
  return true;
}

/* Writes until everything is written or the kernel takes no more; returns the number of bytes, or
 * -1 if the connection is broken. */
static ssize_t write_sealed(connection* conn, const uint8_t* data, size_t size) {
  size_t sent = 0;
  while (sent < size) {
    size_t written = 0;
    int result = SSL_write_ex(conn->ssl, data + sent, size - sent, &written);
    if (result != 1) return may_go_on(conn, result) ? (ssize_t)sent : -1;
    sent += written;
  }
  return (ssize_t)sent;
}

static bool send_answer(const server* self, connection* conn, size_t size) {
  ssize_t sent = write_sealed(conn, self->buffer, size);
  if (sent < 0) return false;
  size_t rest = size - (size_t)sent;
  if (rest == 0) return true;
  if (bare_backlog_fill(&conn->backlog, self->buffer + sent, rest) != 0) return false;
  return watch(self, conn, EPOLL_CTL_MOD, EPOLLOUT) == 0;
}

/* A record is read whole, so what is left is in the kernel and epoll tells of it again. */
static bool on_readable(const server* self, connection* conn) {
  if (!conn->is_shaken) return shake_hands(conn);
  size_t size = 0;
  int result = SSL_read_ex(conn->ssl, self->buffer, self->buffer_size, &size);
  if (result == 1) return send_answer(self, conn, size);
  if (may_go_on(conn, result)) return true;
  if (SSL_get_shutdown(conn->ssl) & SSL_RECEIVED_SHUTDOWN) SSL_shutdown(conn->ssl);
  return false;
}

static bool on_writable(const server* self, connection* conn) {
  bare_backlog* backlog = &conn->backlog;
  size_t rest = backlog->size - backlog->sent;
  ssize_t sent = write_sealed(conn, backlog->data + backlog->sent, rest);
  if (sent < 0) return false;
  backlog->sent += (size_t)sent;
  if (backlog->sent < backlog->size) return true;
  bare_backlog_clear(backlog);
  return watch(self, conn, EPOLL_CTL_MOD, EPOLLIN) == 0;
}

static void serve_event(const server* self, const struct epoll_event* event) {
  connection* conn = event->data.ptr;
  if (conn == NULL) {
    accept_all(self);
    return;
  }
  bool alive = conn->backlog.data != NULL ? on_writable(self, conn) : on_readable(self, conn);
  if (!alive) drop_connection(conn);
}

static server make_server(const bare_options* options) {
  bare_buffers buffers = bare_make_buffers(options);
  server self = {make_context(options), buffers.in, buffers.size, epoll_create1(EPOLL_CLOEXEC),
                 bare_listen(options->port)};
  struct epoll_event accept_event = {.events = EPOLLIN, .data.ptr = NULL};
  if (epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, self.listener, &accept_event) != 0) {
    bare_die("epoll_ctl");
  }
  return self;
}

int main(int argc, char** argv) {
  bare_options options = bare_parse_options(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  server self = make_server(&options);
  bare_announce(self.listener);
  for (;;) {
    struct epoll_event events[MAX_EVENTS];
    int count = epoll_wait(self.epoll_fd, events, MAX_EVENTS, -1);
    for (int i = 0; i < count; i++) serve_event(&self, &events[i]);
  }
}
