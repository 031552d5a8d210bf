/* Answers each line with the address of the peer, and with that of the proxy if one told it: a
 * server behind haproxy, nginx or a load balancer that sends PROXY headers. The mode is off,
 * optional or required; the third argument names the networks whose headers are believed.
 *
 *   $ whoami tcp://127.0.0.1:7004 required 127.0.0.0/8 &
 *   $ printf 'PROXY TCP4 192.0.2.7 192.0.2.1 5000 80\r\nwho?\n' | nc -N 127.0.0.1 7004
 *   192.0.2.7:5000 via 127.0.0.1:40000
 */
#include <stdio.h>
#include <string.h>
#include <tcpkit.h>

static void on_packet(tcpkit_conn *conn, const uint8_t *data, size_t data_size, void *user_data) {
  char peer[128], proxy[128], reply[300];
  (void)data, (void)data_size, (void)user_data;
  tcpkit_conn_remote_address(conn, peer, sizeof peer);
  if (tcpkit_conn_proxy_address(conn, proxy, sizeof proxy) > 0)
    snprintf(reply, sizeof reply, "%s via %s", peer, proxy);
  else
    snprintf(reply, sizeof reply, "%s", peer);
  tcpkit_conn_send_packet(conn, reply, strlen(reply));
}

int main(int argc, char **argv) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_server *server = NULL;
  char address[300] = "";
  options.framing = tcpkit_framing_line();
  options.proxy_trusted = argc > 3 ? argv[3] : "127.0.0.0/8,::1";
  handlers.on_packet = on_packet;
  int failed =
      tcpkit_server_options_set(&options, "proxy_protocol", argc > 2 ? argv[2] : "optional") ||
      tcpkit_server_create(&options, &handlers, &server) ||
      tcpkit_server_listen(server, argc > 1 ? argv[1] : "tcp://127.0.0.1:7004", NULL);
  if (!failed) tcpkit_server_listener_address(server, 0, address, sizeof address);
  if (!failed) printf("listening on %s\n", address);
  fflush(stdout);
  failed = failed || tcpkit_server_run(server);
  if (failed) fprintf(stderr, "%s\n", tcpkit_last_error_message());
  tcpkit_server_free(server);
  return failed;
}
