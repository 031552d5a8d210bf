// A line echo server in C++ that numbers the lines of each connection.
//
//   $ cpp_echo tcp://127.0.0.1:7000 &
//   $ printf 'a\nb\n' | nc -N 127.0.0.1 7000
//   1 a
//   2 b
#include <cstdio>
#include <memory>
#include <string>
#include <tcpkit.hpp>

namespace {

// What one connection keeps; freed with it.
struct Session {
  unsigned lines = 0;
};

void serve(const char* address) {
  tcpkit::ServerOptions options;
  options.framing = tcpkit::Framing::line();
  tcpkit::Server server{options};
  server.on_open([](tcpkit::ConnRef conn) {
    conn.set_user_data(std::make_unique<Session>()).or_throw();  // throwing closes the connection
  });
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) {
    std::string answer = std::to_string(++conn.user_data<Session>()->lines) + ' ';
    conn.send_packet(answer.append(packet.text()));
  });
  server.on_close([](tcpkit::ConnRef conn, const tcpkit::CloseInfo& info) {
    std::printf("%s %s\n", conn.remote_address().c_str(), tcpkit::close_reason_name(info.reason));
  });
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
