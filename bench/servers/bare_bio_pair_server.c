/* The two ways to have OpenSSL in memory, on the skeleton of bare_openssl_server: a BIO pair for
 * each connection, or, with --shared-pair yes, one for all of them, which is empty between two
 * events. */
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bare_tls.h"

enum { MAX_EVENTS = 256, PAIR_BYTES = 17 * 1024, SHARED_PAIR_BYTES = 256 * 1024 };

typedef struct connection {
  int fd;
  bool is_shaken; /* its handshake is done */
  SSL* ssl;
  BIO* network;         /* the other end of its pair; the server's if that is shared */
  bare_backlog backlog; /* sealed bytes that the kernel has not taken */
} connection;

typedef struct server {
  SSL_CTX* context;
  BIO* session_end; /* of the shared pair; NULL: each connection has one */
  BIO* network_end;
  uint8_t* buffer; /* for all connections */
  size_t buffer_size;
  int epoll_fd;
  int listener;
} server;

/* As tcpkit has it: one ticket, and no buffers while idle. */
static SSL_CTX* make_context(const bare_options* options) {
  SSL_CTX* context = bare_tls_context(options);
  SSL_CTX_set_num_tickets(context, 1);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  return context;
}

static void drop_connection(const server* self, connection* conn) {
  SSL_free(conn->ssl);
  if (self->network_end == NULL) BIO_free(conn->network);
  close(conn->fd);
  free(conn->backlog.data);
  free(conn);
}

static int watch(const server* self, connection* conn, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = conn};
  return epoll_ctl(self->epoll_fd, operation, conn->fd, &event);
}

static void give_pair(const server* self, connection* conn) {
  BIO* session_end = self->session_end;
  conn->network = self->network_end;
  if (session_end != NULL) {
    BIO_up_ref(session_end);
  } else if (BIO_new_bio_pair(&session_end, PAIR_BYTES, &conn->network, PAIR_BYTES) != 1) {
    bare_die_of_tls("BIO_new_bio_pair");
  }
  SSL_set_bio(conn->ssl, session_end, session_end);
}

static void accept_all(const server* self) {
  for (;;) {
    int fd = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    connection* conn = calloc(1, sizeof *conn);
    if (conn == NULL) bare_die("calloc");
    conn->fd = fd;
    conn->ssl = SSL_new(self->context);
    if (conn->ssl == NULL) bare_die_of_tls("SSL_new");
    give_pair(self, conn);
    SSL_set_accept_state(conn->ssl);
    if (watch(self, conn, EPOLL_CTL_ADD, EPOLLIN) != 0) drop_connection(self, conn);
  }
}

/* Appends sealed bytes that the kernel does not take now. */
static void keep_sealed(connection* conn, const char* bytes, size_t size) {
  bare_backlog* backlog = &conn->backlog;
  backlog->data = realloc(backlog->data, backlog->size + size);
  if (backlog->data == NULL) bare_die("realloc");
  memcpy(backlog->data + backlog->size, bytes, size);
  backlog->size += size;
}

/* Empties the pair: into the kernel, or, where that is full, into the backlog. */
static bool send_sealed(connection* conn) {
  char* bytes = NULL;
  int size = 0;
  while ((size = BIO_nread0(conn->network, &bytes)) > 0) {
    ssize_t sent = conn->backlog.data != NULL ? 0 : send(conn->fd, bytes, (size_t)size, 0);
    if (sent < 0 && errno != EAGAIN) return false;
    if (sent < size) {
      size_t taken = sent > 0 ? (size_t)sent : 0;
      keep_sealed(conn, bytes + taken, (size_t)size - taken);
    }
    BIO_nread(conn->network, &bytes, size);
  }
  return true;
}

static bool wants_more(const connection* conn, int result) {
  if (SSL_get_error(conn->ssl, result) == SSL_ERROR_WANT_READ) return true;
  ERR_clear_error();
  return false;
}

static bool seal_answer(connection* conn, const uint8_t* data, size_t size) {
  size_t sealed = 0;
  while (sealed < size) {
    size_t written = 0;
    int result = SSL_write_ex(conn->ssl, data + sealed, size - sealed, &written);
    if (result != 1 && SSL_get_error(conn->ssl, result) != SSL_ERROR_WANT_WRITE) return false;
    if (result == 1) sealed += written;
    if (sealed < size && !send_sealed(conn)) return false;
  }
  return send_sealed(conn);
}

/* Opens all that came and answers it. */
static bool serve_records(const server* self, connection* conn) {
  for (;;) {
    size_t size = 0;
    int result = SSL_read_ex(conn->ssl, self->buffer, self->buffer_size, &size);
    if (result != 1) {
      if (wants_more(conn, result)) return true;
      if (SSL_get_shutdown(conn->ssl) & SSL_RECEIVED_SHUTDOWN) SSL_shutdown(conn->ssl);
      send_sealed(conn);
      return false;
    }
    if (!seal_answer(conn, self->buffer, size)) return false;
  }
}

static bool on_readable(const server* self, connection* conn) {
  char* space = NULL;
  int room = BIO_nwrite0(conn->network, &space);
  ssize_t got = recv(conn->fd, space, (size_t)room, 0);
  if (got < 0) return errno == EAGAIN;
  if (got == 0) return false;
  BIO_nwrite(conn->network, &space, (int)got);
  if (!conn->is_shaken) {
    int result = SSL_do_handshake(conn->ssl);
    conn->is_shaken = result == 1;
    bool alive = result == 1 || wants_more(conn, result);
    if (!send_sealed(conn) || !alive) return false;
    if (!conn->is_shaken) return true;
  }
  if (!serve_records(self, conn)) return false;
  return conn->backlog.data == NULL || watch(self, conn, EPOLL_CTL_MOD, EPOLLOUT) == 0;
}

static bool on_writable(const server* self, connection* conn) {
  bare_backlog* backlog = &conn->backlog;
  ssize_t sent = send(conn->fd, backlog->data + backlog->sent, backlog->size - backlog->sent, 0);
  if (sent < 0) return errno == EAGAIN;
  backlog->sent += (size_t)sent;
  if (backlog->sent < backlog->size) return true;
  bare_backlog_clear(backlog);
  return watch(self, conn, EPOLL_CTL_MOD, EPOLLIN) == 0;
}

/* A shared pair is emptied of what a connection that ends has left in it. */
static void end_connection(const server* self, connection* conn) {
  char* rest = NULL;
  while (BIO_nread(conn->network, &rest, SHARED_PAIR_BYTES) > 0) continue;
  if (self->session_end != NULL) {
    char drop[4096];
    while (BIO_read(self->session_end, drop, sizeof drop) > 0) continue;
  }
  drop_connection(self, conn);
}

static void serve_event(const server* self, const struct epoll_event* event) {
  connection* conn = event->data.ptr;
  if (conn == NULL) {
    accept_all(self);
    return;
  }
  bool alive = conn->backlog.data != NULL ? on_writable(self, conn) : on_readable(self, conn);
  if (!alive) end_connection(self, conn);
}

static server make_server(const bare_options* options) {
  bare_buffers buffers = bare_make_buffers(options);
  server self = {
      make_context(options),     NULL, NULL, buffers.in, buffers.size, epoll_create1(EPOLL_CLOEXEC),
      bare_listen(options->port)};
  if (options->shared_pair && BIO_new_bio_pair(&self.session_end, SHARED_PAIR_BYTES,
                                               &self.network_end, SHARED_PAIR_BYTES) != 1) {
    bare_die_of_tls("BIO_new_bio_pair");
  }
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
