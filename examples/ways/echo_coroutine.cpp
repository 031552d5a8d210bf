// Echo with a coroutine per connection: it reads like the one with a thread per connection, but a
// wait takes no thread. A write waits while the peer does not read its answers.
#include <array>
#include <iostream>
#include <tcpkit.hpp>

static tcpkit::Task<> serve_one(tcpkit::CoConn conn) {
  std::array<char, 16 * 1024> buffer;
  while (auto bytes = co_await conn.read(buffer)) {
    if (!(co_await conn.write(*bytes)).ok()) co_return;
  }
}  // the connection closes when this returns

int main(int argc, char** argv) try {
  tcpkit::Server server;
  server.on_connection(serve_one);
  server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  std::cout << "listening on " << server.listener_address() << std::endl;
  server.run();  // until SIGINT or SIGTERM
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
