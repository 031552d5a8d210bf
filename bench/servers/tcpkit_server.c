/* The server under test: tcpkit through its public C interface only, as a user would write it, with
 * an idle timeout and a limit, and defaults for everything else that the command line does not
 * name. */
#include <tcpkit.h>

#include "bare_common.h"

static void on_data(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void* user_data) {
  (void)user_data;
  tcpkit_conn_send(conn, data, data_size);
}

static void on_packet(tcpkit_conn* conn, const uint8_t* packet, size_t packet_size,
                      void* user_data) {
  (void)user_data;
  tcpkit_conn_send_packet(conn, packet, packet_size);
}

/* What is to be sent to everybody, one by one. */
typedef struct message {
  const uint8_t* data;
  size_t size;
} message;

static void send_one(tcpkit_conn* conn, void* sent) {
  const message* one = sent;
  tcpkit_conn_send(conn, one->data, one->size);
}

static tcpkit_group* everybody;

static void join(tcpkit_conn* conn, void* user_data) {
  (void)user_data;
  tcpkit_group_join(everybody, conn);
}

static void broadcast(tcpkit_conn* conn, const uint8_t* packet, size_t packet_size,
                      void* user_data) {
  (void)conn;
  (void)user_data;
  tcpkit_group_broadcast(everybody, packet, packet_size, NULL, NULL);
}

static void send_to_each(tcpkit_conn* conn, const uint8_t* packet, size_t packet_size,
                         void* user_data) {
  message one = {packet, packet_size};
  (void)conn;
  tcpkit_server_visit(*(tcpkit_server**)user_data, send_one, &one);
}

/* Blocking calls, as in bare_threads_server.c. */
static void on_connection(tcpkit_conn* conn, void* user_data) {
  enum { kBufferBytes = 64 * 1024 };
  (void)user_data;
  uint8_t* buffer = malloc(kBufferBytes);
  size_t size = 0;
  while (buffer != NULL && tcpkit_conn_read(conn, buffer, kBufferBytes, &size) == TCPKIT_OK &&
         tcpkit_conn_write(conn, buffer, size) == TCPKIT_OK) {
  }
  free(buffer);
}

static void give_up(void) {
  fprintf(stderr, "tcpkit_server: %s\n", tcpkit_last_error_message());
  exit(1);
}

static tcpkit_framing framing_of(bare_mode mode) {
  if (mode == BARE_LEN4BE) return tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  if (mode == BARE_LINE) return tcpkit_framing_line();
  if (mode == BARE_BROADCAST || mode == BARE_SENDS) return tcpkit_framing_fixed(64);
  tcpkit_framing none = TCPKIT_FRAMING_INIT;
  return none;
}

/* A minute, as a user might choose it: far longer than a run, so no connection ends by it. */
static void set_timeouts(tcpkit_server_options* options, bare_timeouts timeouts) {
  const uint64_t minute_ms = 60 * 1000;
  if (timeouts == BARE_TIMEOUTS_NONE) {
    options->idle_timeout_ms = TCPKIT_UNLIMITED;
    options->read_timeout_ms = TCPKIT_UNLIMITED;
    options->write_timeout_ms = TCPKIT_UNLIMITED;
    return;
  }
  options->idle_timeout_ms = minute_ms;
  if (timeouts == BARE_TIMEOUTS_IDLE) return;
  options->read_timeout_ms = minute_ms;
  options->write_timeout_ms = minute_ms;
}

/* NULL without a certificate: then connections are plain. */
static tcpkit_tls* make_tls(const bare_options* bare) {
  if (bare->cert_file == NULL) return NULL;
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.cert_file = bare->cert_file;
  options.key_file = bare->key_file;
  tcpkit_tls* tls = NULL;
  if (tcpkit_tls_create(&options, &tls) != TCPKIT_OK) give_up();
  return tls;
}

/* Prints "listening PORT", as the other servers do. */
static void announce(const tcpkit_server* server) {
  char text[300];
  tcpkit_server_listener_address(server, 0, text, sizeof text);
  const char* colon = strrchr(text, ':');
  if (colon == NULL) give_up();
  printf("listening %s\n", colon + 1);
  fflush(stdout);
}

int main(int argc, char** argv) {
  bare_options bare = bare_parse_options(argc, argv);
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.loops = bare.loops;
  options.read_buffer_size = bare.buffer_size; /* 0: the library's default */
  options.framing = framing_of(bare.mode);
  set_timeouts(&options, bare.timeouts);
  options.max_connections = 100 * 1000;
  options.tls = make_tls(&bare);
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_data = on_data;
  handlers.on_packet = on_packet;
  tcpkit_server* server = NULL;
  handlers.user_data = &server;
  if (bare.mode == BARE_BROADCAST) {
    if (tcpkit_group_create(NULL, &everybody) != TCPKIT_OK) give_up();
    handlers.on_open = join;
    handlers.on_packet = broadcast;
  }
  if (bare.mode == BARE_SENDS) handlers.on_packet = send_to_each;
  if (bare.blocking) {
    handlers.on_connection = on_connection;
    options.max_handler_threads = 2000;
    options.handler_stack_size = 256 * 1024;
  }

  char address[64];
  snprintf(address, sizeof address, "tcp://127.0.0.1:%u", (unsigned)bare.port);
  if (tcpkit_server_create(&options, &handlers, &server) != TCPKIT_OK) give_up();
  tcpkit_tls_free(options.tls);
  if (tcpkit_server_listen(server, address, NULL) != TCPKIT_OK) give_up();
  announce(server);
  if (tcpkit_server_run(server) != TCPKIT_OK) give_up();
  tcpkit_server_free(server);
  tcpkit_group_free(everybody);
  return 0;
}
