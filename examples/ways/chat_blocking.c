/* Chat with a thread per member, which reads its lines and gives each to all others. What the
 * others say is sent by the library, also while this thread waits for a line.
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_connection(tcpkit_conn *conn, void *group) {
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  const uint8_t *line = NULL;
  size_t size = 0;
  options.except = conn;
  if (tcpkit_group_join(group, conn)) return; /* it leaves when it ends */
  while (tcpkit_conn_read_packet(conn, &line, &size) == TCPKIT_OK &&
         tcpkit_group_broadcast(group, line, size, &options, NULL) == TCPKIT_OK) {
  }
} /* the connection closes when this returns */

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  tcpkit_group *group = NULL;
  char address[300] = "";
  int failed = tcpkit_group_create(NULL, &group) != TCPKIT_OK;
  options.framing = tcpkit_framing_line();
  handlers.on_connection = on_connection;
  handlers.user_data = group;
  failed = failed || tcpkit_server_create(&options, &handlers, &server) ||
           tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7000", NULL);
  if (!failed) {
    tcpkit_server_listener_address(server, 0, address, sizeof address);
    printf("listening on %s\n", address);
    fflush(stdout);
    failed = tcpkit_server_run(server) != TCPKIT_OK; /* until SIGINT or SIGTERM */
  }
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  tcpkit_group_free(group);
  return failed;
}
