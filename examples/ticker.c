/* Timers, user data and close handlers: counts down on every connection, then closes it.
 *
 *   $ ticker tcp://127.0.0.1:7002 &
 *   $ nc 127.0.0.1 7002
 *   3
 *   2
 *   1
 */
#include <stdio.h>
#include <stdlib.h>
#include <tcpkit.h>

typedef struct countdown {
  tcpkit_conn *conn; /* retained: the timer may outlive the connection */
  int left;
} countdown;

static void free_countdown(void *user_data) {
  countdown *count = user_data;
  tcpkit_conn_release(count->conn);
  free(count);
}

static void on_timer(tcpkit_loop *loop, void *user_data) {
  countdown *count = user_data;
  char text[16];
  int size = snprintf(text, sizeof text, "%d", count->left);
  (void)loop;
  tcpkit_conn_send_packet(count->conn, text, (size_t)size);
  if (--count->left == 0) tcpkit_conn_close(count->conn); /* after what was sent has left */
}

static void on_close(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data) {
  uint64_t *timer_id = user_data;
  printf("connection %llu: %s after %llu bytes\n", (unsigned long long)tcpkit_conn_id(conn),
         tcpkit_close_reason_name(info->reason),
         (unsigned long long)tcpkit_conn_total_written(conn));
  fflush(stdout);
  tcpkit_loop_stop_timer(tcpkit_conn_loop(conn), *timer_id);
}

static void on_open(tcpkit_conn *conn, void *user_data) {
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  countdown *count = malloc(sizeof *count);
  uint64_t *timer_id = malloc(sizeof *timer_id);
  (void)user_data;
  if (count == NULL || timer_id == NULL) abort();
  count->conn = tcpkit_conn_retain(conn);
  count->left = 3;
  timer.delay_ms = timer.repeat_ms = 200;
  timer.on_timer = on_timer;
  timer.user_data = count;
  timer.user_data_free = free_countdown; /* also if starting fails */
  if (tcpkit_loop_start_timer(tcpkit_conn_loop(conn), &timer, timer_id) ||
      tcpkit_conn_add_close_handler(conn, on_close, timer_id, free))
    tcpkit_conn_abort(conn);
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  options.framing = tcpkit_framing_line();
  handlers.on_open = on_open;
  int failed = tcpkit_server_create(&options, &handlers, &server) ||
               tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7002", NULL) ||
               tcpkit_server_run(server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
