/* An echo server with a thread per connection: each handler reads and writes as if it were alone,
 * and says goodbye to a client that says nothing for ten seconds.
 *
 *   $ blocking_echo tcp://127.0.0.1:7000 &
 *   $ echo hello | nc -N 127.0.0.1 7000
 *   hello
 */
#include <stdio.h>
#include <string.h>
#include <tcpkit.h>

static void on_connection(tcpkit_conn *conn, void *user_data) {
  static const char goodbye[] = "too slow\n";
  char buffer[4096];
  (void)user_data;
  for (;;) {
    size_t size = 0;
    tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, 10 * 1000);
    tcpkit_status status = tcpkit_conn_read(conn, buffer, sizeof buffer, &size);
    if (status == TCPKIT_E_TIMED_OUT) (void)tcpkit_conn_write(conn, goodbye, strlen(goodbye));
    if (status != TCPKIT_OK || tcpkit_conn_write(conn, buffer, size) != TCPKIT_OK) return;
  } /* the connection closes when this returns */
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.max_handler_threads = 1000; /* more clients wait for a thread */
  options.handler_stack_size = 256 * 1024;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_connection = on_connection;
  tcpkit_server *server = NULL;
  int failed = tcpkit_server_create(&options, &handlers, &server) ||
               tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7000", NULL) ||
               tcpkit_server_run(server); /* until SIGINT, SIGTERM or tcpkit_server_stop */
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
