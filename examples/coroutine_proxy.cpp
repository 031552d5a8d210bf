// A proxy: each connection dials upstream, and what either side sends goes to the other, as fast as
// that takes it. Where one side ends its stream, the other learns of it and may still answer.
//
//   $ coroutine_proxy tcp://127.0.0.1:7000 tcp://127.0.0.1:8000
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <tcpkit.hpp>
#include <utility>

namespace {

using tcpkit::CoConn;
using tcpkit::Task;

// Until from ends its stream; if it fails, so does to.
Task<> pump(CoConn from, CoConn to) {
  std::array<std::uint8_t, 16384> buffer;
  for (;;) {
    const auto data = co_await from.read(buffer);
    if (data.status() == TCPKIT_E_END) {
      to.shutdown();
      co_return;
    }
    if (!data) to.abort();
    if (!data || !(co_await to.write(*data)).ok()) co_return;
  }
}

// Returns when both directions are done; then both connections close.
Task<> serve_one(CoConn conn, const std::string& target) {
  const auto upstream = co_await tcpkit::dial(conn, target);
  if (!upstream) {
    std::fprintf(stderr, "no way to %s: %s\n", target.c_str(), upstream.status().text());
    co_return;
  }
  conn.spawn([upstream = *upstream](CoConn same) -> Task<> {
    co_await pump(same, upstream);
    same.notify();
  });
  co_await pump(*upstream, conn);
  (void)co_await conn.notified();
}

}  // namespace

int main(int argc, char** argv) try {
  const std::string target = argc > 2 ? argv[2] : "tcp://127.0.0.1:8000";
  tcpkit::Server server;
  server.on_connection([&](CoConn conn) { return serve_one(std::move(conn), target); });
  server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  std::printf("listening on %s\n", server.listener_address().c_str());
  std::fflush(stdout);
  server.run();  // until SIGINT or SIGTERM
} catch (const tcpkit::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
