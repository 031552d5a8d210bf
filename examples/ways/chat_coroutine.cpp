// Chat with a coroutine per member, which reads its lines and gives each to all others. Members may
// be on different loops; the group does not mind.
#include <iostream>
#include <tcpkit.hpp>

static tcpkit::Task<> serve_one(tcpkit::CoConn conn, const tcpkit::Group& room) {
  if (!room.join(conn).ok()) co_return;  // it leaves when it ends
  while (auto line = co_await conn.read_packet()) {
    if (!room.broadcast(*line, {.except = conn}).ok()) co_return;
  }
}  // the connection closes when this returns

int main(int argc, char** argv) try {
  tcpkit::Group room;
  tcpkit::Server server{{.framing = tcpkit::Framing::line()}};
  server.on_connection([&room](tcpkit::CoConn conn) { return serve_one(conn, room); });
  server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  std::cout << "listening on " << server.listener_address() << std::endl;
  server.run();  // until SIGINT or SIGTERM
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
