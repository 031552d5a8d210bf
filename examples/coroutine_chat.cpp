// A chat: each line goes to everybody else. Two coroutines per connection: one reads its lines, one
// writes those of the others, as fast as its peer takes them. Try: nc 127.0.0.1 7000
#include <map>
#include <mutex>
#include <string>
#include <tcpkit.hpp>
#include <utility>
#include <vector>

using tcpkit::CoConn;
using Lines = std::vector<std::string>;
struct Room {
  std::mutex mutex;                                           // members may be on different loops
  std::map<std::uint64_t, std::pair<CoConn, Lines>> members;  // and what they have not been sent
};

void say(Room& room, std::uint64_t from, const std::string& line) {
  const std::lock_guard<std::mutex> lock(room.mutex);
  for (auto& [id, member] : room.members) {
    auto& [conn, unsent] = member;
    if (id == from || unsent.size() == 1000) continue;  // who does not read misses some
    unsent.push_back(line);
    conn.notify();
  }
}

Lines take_unsent(Room& room, std::uint64_t id) {
  const std::lock_guard<std::mutex> lock(room.mutex);
  return std::exchange(room.members[id].second, {});
}

tcpkit::Task<> write_lines(CoConn conn, Room& room) {
  while ((co_await conn.notified()).ok()) {  // until the connection ends
    for (const std::string& line : take_unsent(room, conn.id())) co_await conn.write_packet(line);
  }
}

tcpkit::Task<> read_lines(CoConn conn, Room& room) {
  const std::string name = "[" + std::to_string(conn.id()) + "] ";
  conn.spawn(write_lines(conn, room));
  while (auto line = co_await conn.read_packet())
    say(room, conn.id(), name + std::string(line->text()));
}

int main(int argc, char** argv) {
  Room room;
  tcpkit::Server server{{.framing = tcpkit::Framing::line()}};
  server.on_connection([&](CoConn conn) {
    const std::lock_guard<std::mutex> lock(room.mutex);
    room.members[conn.id()].first = conn;
    return read_lines(conn, room);
  });
  server.on_close([&](tcpkit::ConnRef conn, const tcpkit::CloseInfo&) {
    const std::lock_guard<std::mutex> lock(room.mutex);
    room.members.erase(conn.id());
  });
  server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  server.run();  // until SIGINT or SIGTERM
}
