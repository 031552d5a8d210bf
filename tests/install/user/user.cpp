// A C++17 user of the installed library: a line server on a free port, talked to over a real
// socket.
#include <tcpkit.hpp>

#include "echo_client.h"

namespace {

int serve_one_echo() {
  tcpkit::ServerOptions options;
  options.framing = tcpkit::Framing::line();
  tcpkit::Server server(options);
  server.on_packet(
      [](tcpkit::ConnRef conn, tcpkit::Bytes packet) { (void)conn.send_packet(packet); });
  server.listen("tcp://127.0.0.1:0");
  server.start();
  const int failed = echo_over_socket(server.listener_address().c_str(), "installed\n");
  server.stop();
  return failed;
}

}  // namespace

int main() {
  try {
    return serve_one_echo();
  } catch (const tcpkit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
