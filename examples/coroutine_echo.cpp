// A line echo server with a coroutine per connection. A line "wait MS" is answered later.
//
//   $ coroutine_echo tcp://127.0.0.1:7000 &
//   $ printf 'a\nwait 500\nb\n' | nc -N 127.0.0.1 7000
//   a
//   waited 500 ms
//   b
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <tcpkit.hpp>

namespace {

using tcpkit::CoConn;
using tcpkit::Task;

// Other connections are served meanwhile: a coroutine that waits holds nobody up.
Task<std::string> answer_to(CoConn conn, std::string line) {
  if (line.rfind("wait ", 0) != 0) co_return line;
  const std::chrono::milliseconds time(std::strtoul(line.c_str() + 5, nullptr, 10) % 10000);
  if (!(co_await conn.sleep_for(time)).ok()) co_return "";  // the connection has ended
  co_return "waited " + std::to_string(time.count()) + " ms";
}

// Its end closes the connection, after all that was written has left.
Task<> serve_one(CoConn conn) {
  while (auto line = co_await conn.read_packet()) {
    co_await conn.write_packet(co_await answer_to(conn, std::string(line->text())));
  }
}

void serve(const char* address) {
  tcpkit::Server server{{.framing = tcpkit::Framing::line()}};
  server.on_connection(serve_one);
  server.listen(address);
  std::printf("listening on %s\n", server.listener_address().c_str());
  std::fflush(stdout);
  server.run();  // until SIGINT or SIGTERM
}

}  // namespace

int main(int argc, char** argv) {
  try {
    serve(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  } catch (const tcpkit::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
