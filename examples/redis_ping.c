/* A responder that redis-cli and redis-benchmark can PING: RESP lines on CRLF framing, with a small
 * state per connection for commands that arrive as arrays.
 *
 *   $ redis_ping tcp://127.0.0.1:7001 &
 *   $ redis-benchmark -p 7001 -t ping_inline,ping_mbulk -n 100000 -P 16 -q
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <tcpkit.h>

typedef struct command {
  long lines_left; /* of an array: a line with the size and one with the text for each word */
  size_t word_count;
  char words[3][32]; /* more or longer words than PING and CONFIG GET need are dropped */
} command;

static void add_word(command *cmd, const char *text, size_t text_size) {
  if (cmd->word_count == 3 || text_size >= sizeof cmd->words[0]) return;
  memcpy(cmd->words[cmd->word_count], text, text_size);
  cmd->words[cmd->word_count++][text_size] = '\0';
}

static void answer(tcpkit_conn *conn, const command *cmd) {
  char reply[96] = "-ERR unknown command\r\n";
  const char *name = cmd->words[2];
  if (cmd->word_count == 1 && strcasecmp(cmd->words[0], "PING") == 0)
    snprintf(reply, sizeof reply, "+PONG\r\n");
  if (cmd->word_count == 3 && strcasecmp(cmd->words[0], "CONFIG") == 0) /* an empty value */
    snprintf(reply, sizeof reply, "*2\r\n$%u\r\n%s\r\n$0\r\n\r\n", (unsigned)strlen(name), name);
  tcpkit_conn_send(conn, reply, strlen(reply)); /* the array has several lines */
}

static void on_open(tcpkit_conn *conn, void *user_data) {
  command *cmd = calloc(1, sizeof *cmd); /* tcpkit frees it with the connection */
  (void)user_data;
  if (cmd == NULL || tcpkit_conn_set_user_data(conn, cmd, free)) tcpkit_conn_abort(conn);
}

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  command *cmd = tcpkit_conn_user_data(conn);
  const char *line = (const char *)data;
  int in_array = cmd->lines_left > 0;
  (void)user_data;
  if (!in_array) cmd->word_count = 0;
  if (!in_array && data_size > 1 && line[0] == '*') {
    char count[8] = {0};
    memcpy(count, line + 1, data_size < sizeof count ? data_size - 1 : sizeof count - 1);
    cmd->lines_left = 2 * strtol(count, NULL, 10);
    return;
  }
  if (!in_array || cmd->lines_left-- % 2 == 1) add_word(cmd, line, data_size);
  if (cmd->lines_left <= 0) answer(conn, cmd);
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  options.framing = tcpkit_framing_crlf();
  handlers.on_open = on_open;
  handlers.on_packet = on_packet;
  int failed = tcpkit_server_create(&options, &handlers, &server) ||
               tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7001", NULL);
  if (!failed) tcpkit_server_listener_address(server, 0, address, sizeof address);
  if (!failed) printf("listening on %s\n", address);
  fflush(stdout);
  failed = failed || tcpkit_server_run(server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
