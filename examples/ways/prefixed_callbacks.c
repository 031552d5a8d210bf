/* Packets behind four bytes of length, with callbacks: each is answered with its bytes in reverse.
 * A longer packet than MAX_PACKET closes its connection.
 */
#include <stdio.h>
#include <tcpkit.h>

enum { MAX_PACKET = 64 * 1024 };

static void on_packet(tcpkit_conn *conn, const uint8_t *packet, size_t size, void *user_data) {
  uint8_t answer[MAX_PACKET];
  (void)user_data;
  for (size_t i = 0; i < size; ++i) answer[i] = packet[size - 1 - i];
  if (tcpkit_conn_send_packet(conn, answer, size) < 0) tcpkit_conn_abort(conn);
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  options.framing = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  options.max_packet_size = MAX_PACKET;
  handlers.on_packet = on_packet;
  int failed = tcpkit_server_create(&options, &handlers, &server) ||
               tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7000", NULL);
  if (!failed) {
    tcpkit_server_listener_address(server, 0, address, sizeof address);
    printf("listening on %s\n", address);
    fflush(stdout);
    failed = tcpkit_server_run(server) != TCPKIT_OK; /* until SIGINT or SIGTERM */
  }
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
