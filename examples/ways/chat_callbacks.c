/* Chat with callbacks: each line goes to everybody else. A member that does not read misses lines,
 * and nobody waits for it.
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_open(tcpkit_conn *conn, void *group) {
  if (tcpkit_group_join(group, conn)) tcpkit_conn_abort(conn); /* it leaves when it ends */
}

static void on_packet(tcpkit_conn *conn, const uint8_t *line, size_t size, void *group) {
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.except = conn;
  if (tcpkit_group_broadcast(group, line, size, &options, NULL)) tcpkit_conn_abort(conn);
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  tcpkit_group *group = NULL;
  char address[300] = "";
  int failed = tcpkit_group_create(NULL, &group) != TCPKIT_OK;
  options.framing = tcpkit_framing_line();
  handlers.on_open = on_open;
  handlers.on_packet = on_packet;
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
