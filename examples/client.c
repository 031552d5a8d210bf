/* Connects, sends each argument as a line and prints the lines that come back. The address may be
 * that of any server of lines, such as the example echo_line.
 *
 *   $ client tcp://localhost:7000 hello again
 *   hello
 *   again
 */
#include <stdio.h>
#include <string.h>
#include <tcpkit.h>

struct job {
  tcpkit_loop *loop;
  char **lines;
  int count, answered, failed;
};

static void on_open(tcpkit_conn *conn, void *user_data) {
  struct job *job = user_data;
  for (int i = 0; i < job->count; ++i)
    tcpkit_conn_send_packet(conn, job->lines[i], strlen(job->lines[i]));
}

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  struct job *job = user_data;
  printf("%.*s\n", (int)data_size, (const char *)data);
  if (++job->answered == job->count) tcpkit_conn_close(conn);
}

static void on_close(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data) {
  struct job *job = user_data;
  (void)conn, (void)info;
  job->failed = job->answered < job->count;
  tcpkit_loop_stop(job->loop);
}

static void on_connect_failed(tcpkit_client *client, const tcpkit_connect_info *info,
                              void *user_data) {
  struct job *job = user_data;
  (void)client;
  fprintf(stderr, "%s\n", info->message);
  job->failed = 1;
  tcpkit_loop_stop(job->loop);
}

int main(int argc, char **argv) {
  struct job job = {NULL, argv + 2, argc - 2, 0, 0};
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_client *client = NULL;
  if (argc < 3) return fprintf(stderr, "usage: client ADDRESS LINE...\n"), 2;
  handlers.on_open = on_open;
  handlers.on_packet = on_packet;
  handlers.on_close = on_close;
  handlers.on_connect_failed = on_connect_failed;
  handlers.user_data = &job;
  int failed = tcpkit_loop_create(NULL, &job.loop);
  options.loop = job.loop;
  options.framing = tcpkit_framing_line();
  failed = failed || tcpkit_client_create(&options, &handlers, &client) ||
           tcpkit_client_connect(client, argv[1]) || tcpkit_loop_run(job.loop);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_client_free(client);
  tcpkit_loop_free(job.loop);
  return failed || job.failed;
}
