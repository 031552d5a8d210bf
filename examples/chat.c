/* A group and its broadcasts: each line goes to everybody else who is connected. Those who do not
 * read miss the oldest lines; nobody waits for them.
 *
 *   $ chat tcp://127.0.0.1:7005 &
 *   $ nc 127.0.0.1 7005
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_open(tcpkit_conn *conn, void *group) {
  if (tcpkit_group_join(group, conn)) tcpkit_conn_abort(conn); /* it leaves when it closes */
}

static void on_packet(tcpkit_conn *conn, const uint8_t *line, size_t line_size, void *group) {
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  char text[4200];
  int size = snprintf(text, sizeof text, "%llu: %.*s", (unsigned long long)tcpkit_conn_id(conn),
                      (int)line_size, (const char *)line);
  options.except = conn;
  tcpkit_group_broadcast(group, text, (size_t)size, &options, NULL); /* a line for each of them */
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_group_options rules = TCPKIT_GROUP_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  tcpkit_group *group = NULL;
  int failed = 1;
  options.framing = tcpkit_framing_line();
  options.max_packet_size = 4096;
  rules.slow_policy = TCPKIT_SLOW_DROP_OLDEST;
  rules.max_behind_frames = 1000;
  if (tcpkit_group_create(&rules, &group) == TCPKIT_OK) {
    handlers.on_open = on_open;
    handlers.on_packet = on_packet;
    handlers.user_data = group;
    failed = tcpkit_server_create(&options, &handlers, &server) ||
             tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7005", NULL) ||
             tcpkit_server_run(server);
  }
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  tcpkit_group_free(group);
  return failed;
}
