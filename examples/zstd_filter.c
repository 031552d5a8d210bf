/* A line echo server whose bytes are zstd frames (RFC 8878): what the program zstd reads and
 * writes.
 *
 *   $ zstd_filter tcp://127.0.0.1:7000 &
 *   $ zstd -c lines.txt | socat -t 5 - tcp:127.0.0.1:7000 | zstd -dc
 */
#include <stdio.h>
#include <stdlib.h>
#include <tcpkit.h>
#include <zstd.h>

typedef struct state {
  ZSTD_DStream *in;
  ZSTD_CStream *out;
  size_t in_rest; /* 0 between two frames */
} state;

static void state_free(void *pointer) {
  state *self = pointer;
  ZSTD_freeDStream(self->in);
  ZSTD_freeCStream(self->out);
  free(self);
}

static void *state_create(void *user_data) {
  state *self = calloc(1, sizeof *self);
  (void)user_data;
  if (self == NULL) return NULL;
  self->in = ZSTD_createDStream();
  self->out = ZSTD_createCStream();
  if (self->in != NULL && self->out != NULL) return self;
  state_free(self);
  return NULL;
}

static tcpkit_status decode(void *pointer, const uint8_t *data, size_t data_size,
                            tcpkit_filter_output *output) {
  state *self = pointer;
  ZSTD_inBuffer in = {data, data_size, 0};
  uint8_t bytes[16384];
  ZSTD_outBuffer made = {bytes, sizeof bytes, 0};
  do {
    tcpkit_status status;
    made.pos = 0;
    self->in_rest = ZSTD_decompressStream(self->in, &made, &in);
    if (ZSTD_isError(self->in_rest)) return TCPKIT_E_FILTER;
    status = tcpkit_filter_write(output, bytes, made.pos);
    if (status != TCPKIT_OK) return status; /* a bomb: stop here */
  } while (in.pos < in.size || (made.pos == made.size && self->in_rest > 0));
  return TCPKIT_OK;
}

static tcpkit_status decode_end(void *pointer, tcpkit_filter_output *output) {
  const state *self = pointer;
  (void)output;
  return self->in_rest == 0 ? TCPKIT_OK : TCPKIT_E_UNEXPECTED_EOF;
}

static tcpkit_status compress_with(state *self, ZSTD_inBuffer in, ZSTD_EndDirective directive,
                                   tcpkit_filter_output *output) {
  uint8_t bytes[16384];
  size_t rest;
  do {
    ZSTD_outBuffer made = {bytes, sizeof bytes, 0};
    tcpkit_status status;
    rest = ZSTD_compressStream2(self->out, &made, &in, directive);
    if (ZSTD_isError(rest)) return TCPKIT_E_FILTER;
    status = tcpkit_filter_write(output, bytes, made.pos);
    if (status != TCPKIT_OK) return status;
  } while (directive == ZSTD_e_continue ? in.pos < in.size : rest > 0);
  return TCPKIT_OK;
}

static tcpkit_status encode(void *pointer, const uint8_t *data, size_t data_size,
                            tcpkit_filter_output *output) {
  const ZSTD_inBuffer in = {data, data_size, 0};
  return compress_with(pointer, in, ZSTD_e_continue, output);
}

static tcpkit_status flush(void *pointer, tcpkit_filter_output *output) {
  const ZSTD_inBuffer nothing = {NULL, 0, 0};
  return compress_with(pointer, nothing, ZSTD_e_flush, output);
}

static tcpkit_status encode_end(void *pointer, tcpkit_filter_output *output) {
  const ZSTD_inBuffer nothing = {NULL, 0, 0};
  return compress_with(pointer, nothing, ZSTD_e_end, output);
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
  tcpkit_filter zstd = TCPKIT_FILTER_INIT;
  const tcpkit_filter *filters[] = {&zstd};
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  int failed;
  zstd.name = "zstd";
  zstd.state_create = state_create;
  zstd.state_free = state_free;
  zstd.decode = decode;
  zstd.decode_end = decode_end;
  zstd.encode = encode;
  zstd.flush = flush;
  zstd.encode_end = encode_end;
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
