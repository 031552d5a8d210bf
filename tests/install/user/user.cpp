// A C++17 user of the installed library: a line server on a free port, talked to over a real
// socket.
#include "tcpkit.h"

#include "echo_client.h"

#if __has_include("tcpkit.hpp")
#include "tcpkit.hpp"
#endif

namespace {

void on_packet(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void*) {
  tcpkit_conn_send_packet(conn, data, data_size);
}

int report(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, tcpkit_last_error_message());
  return 1;
}

int serve_one_echo(tcpkit_server* server) {
  char address[128];
  if (tcpkit_server_listen(server, "tcp://127.0.0.1:0", nullptr)) return report("listen");
  if (tcpkit_server_start(server)) return report("start");
  if (!tcpkit_server_listener_address(server, 0, address, sizeof address)) return report("address");
  const int failed = echo_over_socket(address, "installed\n");
  return tcpkit_server_stop(server) ? report("stop") : failed;
}

}  // namespace

int main() {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.framing = tcpkit_framing_line();
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_packet = on_packet;
  tcpkit_server* server = nullptr;
  if (tcpkit_server_create(&options, &handlers, &server)) return report("create");
  const int failed = serve_one_echo(server);
  tcpkit_server_free(server);
  return failed;
}
