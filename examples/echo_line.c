/* A line echo server.
 *
 *   $ echo_line tcp://127.0.0.1:7000 &
 *   $ echo hello | nc -N 127.0.0.1 7000
 *   hello
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  (void)user_data;
  tcpkit_conn_send_packet(conn, data, data_size);
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.framing = tcpkit_framing_line();
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_packet = on_packet;
  tcpkit_server *server = NULL;
  int failed = tcpkit_server_create(&options, &handlers, &server) ||
               tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7000", NULL) ||
               tcpkit_server_run(server); /* until SIGINT, SIGTERM or tcpkit_server_stop */
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
