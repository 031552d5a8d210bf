/* Posting from another thread: each line of stdin goes, numbered per connection, to everyone who is
 * connected. The server runs on threads of its own, so that main may wait for stdin; the line
 * number of a connection is touched on its loop only and needs no lock.
 *
 *   $ (sleep 5; date) | feed tcp://127.0.0.1:7003 &
 *   $ nc 127.0.0.1 7003
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tcpkit.h>

static void on_open(tcpkit_conn *conn, void *user_data) {
  unsigned *line_number = calloc(1, sizeof *line_number);
  (void)user_data;
  if (line_number == NULL || tcpkit_conn_set_user_data(conn, line_number, free))
    tcpkit_conn_abort(conn);
}

/* On the loop of the connection. */
static void send_numbered(tcpkit_conn *conn, void *line) {
  unsigned *line_number = tcpkit_conn_user_data(conn);
  char text[300];
  if (line_number == NULL || tcpkit_conn_is_closed(conn)) return;
  snprintf(text, sizeof text, "%u: %s", ++*line_number, (const char *)line);
  tcpkit_conn_send_packet(conn, text, strlen(text));
}

/* On the thread of main, inside tcpkit_server_visit. */
static void post_line(tcpkit_conn *conn, void *line) {
  size_t size = strlen(line) + 1;
  char *copy = malloc(size);
  if (copy == NULL) abort();
  memcpy(copy, line, size);
  tcpkit_conn_post(conn, send_numbered, copy, free); /* free is called in any case */
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char line[256];
  options.framing = tcpkit_framing_line();
  handlers.on_open = on_open;
  if (tcpkit_server_create(&options, &handlers, &server) ||
      tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7003", NULL) ||
      tcpkit_server_start(server)) {
    fprintf(stderr, "%s\n", tcpkit_last_error_message());
    tcpkit_server_free(server);
    return 1;
  }
  while (fgets(line, sizeof line, stdin) != NULL) {
    line[strcspn(line, "\r\n")] = '\0';
    tcpkit_server_visit(server, post_line, line);
  }
  tcpkit_server_free(server); /* stops it first */
  return 0;
}
