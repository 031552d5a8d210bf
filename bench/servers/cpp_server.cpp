// tcpkit through tcpkit.hpp, with callbacks or with a coroutine per connection: what a coroutine
// costs more. Limits and times are those of tcpkit_server.
#include <array>
#include <cstdio>
#include <exception>
#include <string>
#include <tcpkit.hpp>

namespace {

struct Arguments {
  std::string mode = "echo";
  std::string style = "callbacks";
};

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string key = argv[i];
    if (key == "--mode") arguments.mode = argv[i + 1];
    if (key == "--style") arguments.style = argv[i + 1];
  }
  return arguments;
}

tcpkit::ServerOptions options_for(const std::string& mode) {
  tcpkit::ServerOptions options;
  options.loops = 1;
  options.idle_timeout_ms = 60 * 1000;
  options.max_connections = 100 * 1000;
  if (mode == "len4be") options.framing = tcpkit::Framing::length(4);
  if (mode == "line") options.framing = tcpkit::Framing::line();
  return options;
}

void use_callbacks(tcpkit::Server& server) {
  server.on_data([](tcpkit::ConnRef conn, tcpkit::Bytes data) { conn.send(data); });
  server.on_packet([](tcpkit::ConnRef conn, tcpkit::Bytes packet) { conn.send_packet(packet); });
}

void use_coroutines(tcpkit::Server& server, const std::string& mode) {
  if (mode != "echo") {
    server.on_connection([](tcpkit::CoConn conn) -> tcpkit::Task<> {
      while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
    });
    return;
  }
  server.on_connection([](tcpkit::CoConn conn) -> tcpkit::Task<> {
    std::array<char, 4096> buffer;
    while (auto got = co_await conn.read(buffer)) co_await conn.write(*got);
  });
}

void serve(const Arguments& arguments) {
  tcpkit::Server server{options_for(arguments.mode)};
  if (arguments.style == "coroutines") {
    use_coroutines(server, arguments.mode);
  } else {
    use_callbacks(server);
  }
  server.listen("tcp://127.0.0.1:0");
  const std::string address = server.listener_address();
  std::printf("listening %s\n", address.c_str() + address.rfind(':') + 1);
  std::fflush(stdout);
  server.run();
}

}  // namespace

int main(int argc, char** argv) {
  try {
    serve(parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "cpp_server: %s\n", error.what());
    return 1;
  }
}
