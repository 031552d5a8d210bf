/* Echo with a thread per connection, which reads and writes as if it were alone. A write that waits
 * for a slow peer holds up nobody else.
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_connection(tcpkit_conn *conn, void *user_data) {
  (void)user_data;
  char buffer[16 * 1024];
  size_t size = 0;
  while (tcpkit_conn_read(conn, buffer, sizeof buffer, &size) == TCPKIT_OK &&
         tcpkit_conn_write(conn, buffer, size) == TCPKIT_OK) {
  }
} /* the connection closes when this returns */

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
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
