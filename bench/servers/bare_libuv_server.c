/* Peer: libuv's own streams (uv_tcp_t), with framing written by hand on top and one write per
 * event. Shows what a careful libuv user gets. */
#include <signal.h>
#include <uv.h>

#include "bare_common.h"

typedef struct server {
  uv_tcp_t listener;
  bare_mode mode;
  bare_buffers buffers;
} server;

typedef struct connection {
  uv_tcp_t tcp;
  bare_tail tail;
  size_t kept; /* bytes of a tail that lie at the front of the shared buffer during a read */
} connection;

typedef struct remainder {
  uv_write_t request;
  uint8_t data[];
} remainder;

static void on_closed(uv_handle_t* handle) {
  connection* conn = (connection*)handle;
  free(conn->tail.data);
  free(conn);
}

static void drop_connection(connection* conn) {
  if (!uv_is_closing((uv_handle_t*)&conn->tcp)) uv_close((uv_handle_t*)&conn->tcp, on_closed);
}

static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buf);

static void on_alloc(uv_handle_t* handle, size_t suggested_size, uv_buf_t* buf) {
  (void)suggested_size;
  connection* conn = (connection*)handle;
  const server* self = handle->loop->data;
  conn->kept = bare_take_tail(&conn->tail, self->buffers.in);
  buf->base = (char*)self->buffers.in + conn->kept;
  buf->len = self->buffers.size - conn->kept;
}

static void on_written(uv_write_t* request, int status) {
  connection* conn = (connection*)request->handle;
  free(request->data);
  if (status < 0) {
    drop_connection(conn);
    return;
  }
  uv_read_start((uv_stream_t*)&conn->tcp, on_alloc, on_read);
}

static void queue_rest(connection* conn, const uint8_t* data, size_t size) {
  remainder* rest = malloc(sizeof *rest + size);
  if (rest == NULL) {
    drop_connection(conn);
    return;
  }
  memcpy(rest->data, data, size);
  rest->request.data = rest;
  uv_buf_t buf = uv_buf_init((char*)rest->data, (unsigned)size);
  uv_read_stop((uv_stream_t*)&conn->tcp);
  if (uv_write(&rest->request, (uv_stream_t*)&conn->tcp, &buf, 1, on_written) != 0) {
    free(rest);
    drop_connection(conn);
  }
}

static void send_answer(connection* conn, bare_answer answer) {
  if (answer.data == NULL) {
    drop_connection(conn);
    return;
  }
  if (answer.size == 0) return;
  uv_buf_t buf = uv_buf_init((char*)(uintptr_t)answer.data, (unsigned)answer.size);
  int sent = uv_try_write((uv_stream_t*)&conn->tcp, &buf, 1);
  if (sent == UV_EAGAIN) sent = 0;
  if (sent < 0) {
    drop_connection(conn);
    return;
  }
  if ((size_t)sent < answer.size) queue_rest(conn, answer.data + sent, answer.size - (size_t)sent);
}

static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buf) {
  (void)buf;
  connection* conn = (connection*)stream;
  const server* self = stream->loop->data;
  if (size < 0) {
    drop_connection(conn);
    return;
  }
  size_t available = conn->kept + (size_t)size;
  conn->kept = 0;
  send_answer(conn, bare_respond(self->mode, &self->buffers, available, &conn->tail));
}

static void on_connection(uv_stream_t* listener, int status) {
  if (status < 0) return;
  connection* conn = calloc(1, sizeof *conn);
  if (conn == NULL) bare_die("calloc");
  uv_tcp_init(listener->loop, &conn->tcp);
  if (uv_accept(listener, (uv_stream_t*)&conn->tcp) != 0) {
    drop_connection(conn);
    return;
  }
  uv_read_start((uv_stream_t*)&conn->tcp, on_alloc, on_read);
}

int main(int argc, char** argv) {
  bare_options options = bare_parse_options(argc, argv);
  uv_loop_t* loop = uv_default_loop();
  server self = {.mode = options.mode, .buffers = bare_make_buffers(&options)};
  signal(SIGPIPE, SIG_IGN); /* uv_try_write raises it */
  loop->data = &self;
  uv_tcp_init(loop, &self.listener);
  int fd = bare_listen(options.port); /* so that TCP_NODELAY is inherited here too */
  if (uv_tcp_open(&self.listener, fd) != 0) bare_die("uv_tcp_open");
  if (uv_listen((uv_stream_t*)&self.listener, 4096, on_connection) != 0) bare_die("uv_listen");
  bare_announce(fd);
  return uv_run(loop, UV_RUN_DEFAULT);
}
