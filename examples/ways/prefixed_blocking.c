/* Packets behind four bytes of length, with a thread per connection: read one, write its bytes in
 * reverse, read on.
 */
#include <stdio.h>
#include <tcpkit.h>

enum { MAX_PACKET = 64 * 1024 };

static void on_connection(tcpkit_conn *conn, void *user_data) {
  (void)user_data;
  uint8_t answer[MAX_PACKET];
  const uint8_t *packet = NULL;
  size_t size = 0;
  while (tcpkit_conn_read_packet(conn, &packet, &size) == TCPKIT_OK) {
    for (size_t i = 0; i < size; ++i) answer[i] = packet[size - 1 - i];
    if (tcpkit_conn_write_packet(conn, answer, size) != TCPKIT_OK) return;
  }
} /* the connection closes when this returns */

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  options.framing = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  options.max_packet_size = MAX_PACKET;
  handlers.on_connection = on_connection;
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
