/* A line echo server that speaks TLS, with a certificate chain and its key from two files in PEM,
 * or without arguments with a throw-away certificate. It tells who it talks to and how.
 *
 *   $ tls_echo tcp://127.0.0.1:7443 chain.pem key.pem &
 *   $ (echo hello; sleep 1) | openssl s_client -connect 127.0.0.1:7443 -quiet -no_ign_eof
 *   hello
 */
#include <stdio.h>
#include <tcpkit.h>

static void on_open(tcpkit_conn *conn, void *user_data) {
  tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
  char peer[128];
  (void)user_data;
  tcpkit_conn_remote_address(conn, peer, sizeof peer);
  if (tcpkit_conn_tls_info(conn, &info) == TCPKIT_OK)
    printf("%s: %s for \"%s\"\n", peer, info.cipher, info.server_name);
  fflush(stdout);
}

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  (void)user_data;
  tcpkit_conn_send_packet(conn, data, data_size);
}

/* A failed handshake has this callback only. */
static void on_close(tcpkit_conn *conn, const tcpkit_close_info *info, void *user_data) {
  (void)conn, (void)user_data;
  if (tcpkit_status_class_of(info->status) == TCPKIT_CLASS_TLS)
    printf("failed: %s (%s)\n", tcpkit_status_text(info->status), info->detail);
  fflush(stdout);
}

int main(int argc, char **argv) {
  tcpkit_tls_options tls_options = TCPKIT_TLS_OPTIONS_INIT;
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  if (argc > 3) {
    tls_options.cert_file = argv[2];
    tls_options.key_file = argv[3];
  } else {
    tls_options.self_signed = "localhost,127.0.0.1,::1";
  }
  options.framing = tcpkit_framing_line();
  handlers.on_open = on_open;
  handlers.on_packet = on_packet;
  handlers.on_close = on_close;
  int failed = tcpkit_tls_create(&tls_options, &options.tls) ||
               tcpkit_server_create(&options, &handlers, &server) ||
               tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7443", NULL);
  if (!failed) tcpkit_server_listener_address(server, 0, address, sizeof address);
  if (!failed) printf("listening on %s\n", address);
  fflush(stdout);
  failed = failed || tcpkit_server_run(server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  tcpkit_tls_free(options.tls);
  return failed;
}
