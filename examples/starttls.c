/* A line protocol that begins in clear and goes over to TLS when the client asks for it, as SMTP,
 * IMAP and others do. Secrets are told over TLS only. The certificate is a throw-away one.
 *
 *   $ starttls tcp://127.0.0.1:7005 &
 *   $ nc 127.0.0.1 7005
 *   SECRET
 *   say STARTTLS first
 *   STARTTLS
 *   go ahead
 */
#include <stdio.h>
#include <string.h>
#include <tcpkit.h>

static void say(tcpkit_conn *conn, const char *text) {
  tcpkit_conn_send_packet(conn, text, strlen(text));
}

static int is_secured(const tcpkit_conn *conn) {
  tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
  return tcpkit_conn_tls_info(conn, &info) == TCPKIT_OK;
}

/* "go ahead" leaves in clear, because it is sent before the call. A client that has sent more in
 * clear behind its STARTTLS is closed by the library: somebody on the way may have added that. */
static void go_over(tcpkit_conn *conn, tcpkit_tls *tls) {
  tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
  options.role = TCPKIT_TLS_SERVER;
  options.tls = tls;
  say(conn, "go ahead");
  if (tcpkit_conn_start_tls(conn, &options) != TCPKIT_OK) tcpkit_conn_close(conn);
}

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  if (data_size == 8 && memcmp(data, "STARTTLS", 8) == 0)
    is_secured(conn) ? say(conn, "that is done already") : go_over(conn, user_data);
  else if (data_size == 6 && memcmp(data, "SECRET", 6) == 0)
    say(conn, is_secured(conn) ? "the answer is 42" : "say STARTTLS first");
  else
    say(conn, "what?");
}

static void on_tls(tcpkit_conn *conn, void *user_data) {
  (void)user_data;
  say(conn, "welcome to TLS");
}

int main(int argc, char **argv) {
  tcpkit_tls_options tls_options = TCPKIT_TLS_OPTIONS_INIT;
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_tls *tls = NULL;
  tcpkit_server *server = NULL;
  tls_options.self_signed = "localhost";
  options.framing = tcpkit_framing_line(); /* not options.tls: connections begin in clear */
  handlers.on_packet = on_packet;
  handlers.on_tls = on_tls;
  int failed = tcpkit_tls_create(&tls_options, &tls);
  handlers.user_data = tls;
  failed = failed || tcpkit_server_create(&options, &handlers, &server) ||
           tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7005", NULL) ||
           tcpkit_server_run(server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  tcpkit_tls_free(tls);
  return failed;
}
