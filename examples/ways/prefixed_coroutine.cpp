// Packets behind four bytes of length, with a coroutine per connection: read one, write its bytes
// in reverse, read on.
#include <algorithm>
#include <iostream>
#include <string>
#include <tcpkit.hpp>

static tcpkit::Task<> serve_one(tcpkit::CoConn conn) {
  while (auto packet = co_await conn.read_packet()) {
    std::string answer(packet->text());
    std::reverse(answer.begin(), answer.end());
    if (!(co_await conn.write_packet(answer)).ok()) co_return;
  }
}  // the connection closes when this returns

int main(int argc, char** argv) try {
  tcpkit::Server server{{.framing = tcpkit::Framing::length(4), .max_packet_size = 64 * 1024}};
  server.on_connection(serve_one);
  server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  std::cout << "listening on " << server.listener_address() << std::endl;
  server.run();  // until SIGINT or SIGTERM
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
