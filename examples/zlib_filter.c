/* A line echo server whose bytes are compressed: one zlib stream (RFC 1950) in each direction. What
 * is answered can be decompressed at once, and both streams are ended before the connection is.
 *
 *   $ zlib_filter tcp://127.0.0.1:7000
 */
#include <stdio.h>
#include <stdlib.h>
#include <tcpkit.h>
#include <zlib.h>

typedef struct state {
  z_stream in;
  z_stream out;
  int in_ended;
} state;

static void *state_create(void *user_data) {
  state *self = calloc(1, sizeof *self);
  (void)user_data;
  if (self == NULL) return NULL;
  if (inflateInit(&self->in) != Z_OK || deflateInit(&self->out, Z_DEFAULT_COMPRESSION) != Z_OK) {
    inflateEnd(&self->in);
    free(self);
    return NULL;
  }
  return self;
}

static void state_free(void *pointer) {
  state *self = pointer;
  inflateEnd(&self->in);
  deflateEnd(&self->out);
  free(self);
}

static tcpkit_status decode(void *pointer, const uint8_t *data, size_t data_size,
                            tcpkit_filter_output *output) {
  state *self = pointer;
  uint8_t made[16384];
  self->in.next_in = (Bytef *)data;
  self->in.avail_in = (uInt)data_size;
  do {
    tcpkit_status status;
    int result;
    if (self->in_ended) return TCPKIT_E_FILTER; /* bytes behind the end */
    self->in.next_out = made;
    self->in.avail_out = sizeof made;
    result = inflate(&self->in, Z_NO_FLUSH);
    if (result == Z_STREAM_END) self->in_ended = 1;
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) return TCPKIT_E_FILTER;
    status = tcpkit_filter_write(output, made, sizeof made - self->in.avail_out);
    if (status != TCPKIT_OK) return status; /* a bomb: stop here */
  } while (self->in.avail_in > 0 || (self->in.avail_out == 0 && !self->in_ended));
  return TCPKIT_OK;
}

static tcpkit_status decode_end(void *pointer, tcpkit_filter_output *output) {
  const state *self = pointer;
  (void)output;
  return self->in_ended || self->in.total_in == 0 ? TCPKIT_OK : TCPKIT_E_UNEXPECTED_EOF;
}

static tcpkit_status compress_with(state *self, int flush, tcpkit_filter_output *output) {
  uint8_t made[16384];
  do {
    tcpkit_status status;
    self->out.next_out = made;
    self->out.avail_out = sizeof made;
    deflate(&self->out, flush);
    status = tcpkit_filter_write(output, made, sizeof made - self->out.avail_out);
    if (status != TCPKIT_OK) return status;
  } while (self->out.avail_out == 0);
  return TCPKIT_OK;
}

static tcpkit_status encode(void *pointer, const uint8_t *data, size_t data_size,
                            tcpkit_filter_output *output) {
  state *self = pointer;
  self->out.next_in = (Bytef *)data;
  self->out.avail_in = (uInt)data_size;
  return compress_with(self, Z_NO_FLUSH, output);
}

static tcpkit_status flush(void *pointer, tcpkit_filter_output *output) {
  return compress_with(pointer, Z_SYNC_FLUSH, output);
}

static tcpkit_status encode_end(void *pointer, tcpkit_filter_output *output) {
  return compress_with(pointer, Z_FINISH, output);
}

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  (void)user_data;
  tcpkit_conn_send_packet(conn, data, data_size);
}

static void on_close(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data) {
  (void)conn, (void)user_data;
  printf("closed: %s %s\n", tcpkit_close_reason_name(info->reason), info->detail);
  fflush(stdout);
}

int main(int argc, char **argv) {
  tcpkit_filter zlib = TCPKIT_FILTER_INIT;
  const tcpkit_filter *filters[] = {&zlib};
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  int failed;
  zlib.name = "zlib";
  zlib.state_create = state_create;
  zlib.state_free = state_free;
  zlib.decode = decode;
  zlib.decode_end = decode_end;
  zlib.encode = encode;
  zlib.flush = flush;
  zlib.encode_end = encode_end;
  options.framing = tcpkit_framing_line();
  options.filters = filters;
  options.filter_count = 1;
  handlers.on_packet = on_packet;
  handlers.on_close = on_close;
  failed = tcpkit_server_create(&options, &handlers, &server) ||
           tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7000", NULL);
  if (!failed) tcpkit_server_listener_address(server, 0, address, sizeof address);
  if (!failed) printf("listening on %s\n", address);
  fflush(stdout);
  failed = failed || tcpkit_server_run(server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
