/* A whole user of the library in C99: a line server on a free port, talked to over a real socket.
 */
#define _POSIX_C_SOURCE 200809L

#include "echo_client.h"
#include "tcpkit.h"

static void on_packet(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void* user_data) {
  int* packets = user_data;
  *packets += 1;
  if (tcpkit_conn_send_packet(conn, data, data_size) < 0) *packets = -1000;
}

static int report(const char* what) {
  fprintf(stderr, "%s: %s\n", what, tcpkit_last_error_message());
  return 1;
}

static int serve_one_echo(tcpkit_server* server) {
  char address[128];
  int failed;
  if (tcpkit_server_listen(server, "tcp://127.0.0.1:0", NULL)) return report("listen");
  if (tcpkit_server_start(server)) return report("start");
  if (!tcpkit_server_listener_address(server, 0, address, sizeof address)) return report("address");
  failed = echo_over_socket(address, "hello\nworld\n");
  if (tcpkit_server_stop(server)) return report("stop");
  return failed;
}

int main(void) {
  int packets = 0;
  int failed;
  tcpkit_server* server = NULL;
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  options.loops = 1;
  options.framing = tcpkit_framing_line();
  handlers.on_packet = on_packet;
  handlers.user_data = &packets;
  if (tcpkit_version_number() != TCPKIT_VERSION_NUMBER) return report("version");
  if (tcpkit_server_create(&options, &handlers, &server)) return report("create");
  failed = serve_one_echo(server);
  tcpkit_server_free(server);
  if (!failed && packets != 2) fprintf(stderr, "%d packets instead of 2\n", packets);
  return failed || packets != 2;
}
