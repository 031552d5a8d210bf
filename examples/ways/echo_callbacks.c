/* Echo with callbacks: bytes go back as they come. A loop serves thousands of connections, and no
 * callback may wait. While a peer does not read its answers the library reads no more from it.
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_data(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  (void)user_data;
  if (tcpkit_conn_send(conn, data, data_size) < 0) tcpkit_conn_abort(conn);
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  handlers.on_data = on_data;
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
