// A real loop with connections on socket pairs, run turn by turn in the thread of the test.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "conn/conn_host.h"

namespace tcpkit::test {

// The other end of a connection; closed with this object.
class Peer {
 public:
  Peer(Conn* conn, uint64_t conn_id, int fd) noexcept : conn_(conn), conn_id_(conn_id), fd_(fd) {}
  Peer(Peer&& other) noexcept
      : conn_(other.conn_), conn_id_(other.conn_id_), fd_(std::exchange(other.fd_, -1)) {}
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;
  ~Peer() { close_end(); }

  // The tested end; valid until it is closed.
  Conn& conn() const noexcept { return *conn_; }
  uint64_t conn_id() const noexcept { return conn_id_; }

  // Bytes that the kernel took.
  size_t write_some(std::string_view bytes) const noexcept {
    const ssize_t written = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return written < 0 ? 0 : static_cast<size_t>(written);
  }
  void write_all(std::string_view bytes) const {
    ASSERT_EQ(write_some(bytes), bytes.size()) << std::strerror(errno);
  }
  // What is there now.
  std::string read_all() const {
    std::string bytes;
    std::vector<char> chunk(1u << 16);
    for (;;) {
      const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
      if (got <= 0) return bytes;
      bytes.append(chunk.data(), static_cast<size_t>(got));
    }
  }
  void end_stream() const noexcept { ::shutdown(fd_, SHUT_WR); }
  void close_end() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  Conn* conn_;
  uint64_t conn_id_;
  int fd_;
};

// What the callbacks of all connections saw, in their order.
struct Seen {
  struct Packet {
    uint64_t conn_id;
    std::string bytes;
  };
  struct End {
    uint64_t conn_id;
    tcpkit_close_info info;
  };
  std::vector<Packet> packets;
  std::vector<End> ends;
  // Called in on_packet, after it is noted.
  std::function<void(Conn&)> at_packet;

  std::vector<std::string> texts_of(uint64_t conn_id) const {
    std::vector<std::string> texts;
    for (const Packet& packet : packets) {
      if (packet.conn_id == conn_id) texts.push_back(packet.bytes);
    }
    return texts;
  }
};

struct BedSettings {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;  // NONE: on_data is noted like packets
  size_t read_buffer_size = 64u << 10;
  size_t max_packet_size = 4u << 20;
  tcpkit_oversize oversize = TCPKIT_OVERSIZE_CLOSE;
  uint64_t read_quantum_ns = UINT64_MAX;
  uint64_t close_timeout_ms = TCPKIT_UNLIMITED;
  TimeoutLimits timeouts = {};
};

class HostBed final : private TurnEnd {
 public:
  explicit HostBed(const BedSettings& settings) : host_(make_host(make_config(settings))) {
    host_->loop().use_manual_clock(&now_ns_);
    EXPECT_EQ(host_->open(), TCPKIT_OK);
  }
  HostBed(const HostBed&) = delete;
  HostBed& operator=(const HostBed&) = delete;
  ~HostBed() { stop(); }

  ConnHost& host() noexcept { return *host_; }
  const ConnConfig& config() const noexcept { return host_->config(); }
  const LoopCounters& counters() const noexcept { return host_->own_counters(); }

  Peer connect() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    host_->reserve_one();
    config().open_connections.add_one();
    SocketAddress address;
    address.path.sun_family = AF_UNIX;
    address.size = sizeof(sa_family_t);
    host_->open_conn(ends[0], address, Transport::kPlain);
    std::vector<Ref<Conn>> after;
    host_->slab().collect(after);
    for (const Ref<Conn>& conn : after) {
      if (conn->fd() == ends[0]) return Peer(conn.get(), conn->id(), ends[1]);
    }
    return Peer(nullptr, 0, ends[1]);
  }

  // Runs whole turns, at least one, until done() at the end of one. Never sleeps; false if that
  // took too long.
  bool run_until(const std::function<bool()>& done) {
    done_ = &done;
    reached_ = false;
    give_up_ns_ = monotonic_ns() + kLongestRunNs;
    host_->loop().run(*this);
    done_ = nullptr;
    EXPECT_EQ(host_->loop().open(), TCPKIT_OK);
    return reached_;
  }
  bool run_until_read(const Peer& peer, uint64_t total) {
    Ref<Conn> conn = Ref<Conn>::share(&peer.conn());
    return run_until([&] { return conn->total_read() >= total; });
  }
  // Lets time pass, and runs what comes due.
  void advance_ms(uint64_t ms) {
    now_ns_ += ms * 1'000'000;
    run_turns(2);
  }
  void run_turns(int count) {
    run_until([&count] { return --count <= 0; });
  }

  // Closes every connection and ends the loop, as a server does.
  void stop() {
    if (stopped_) return;
    stopped_ = true;
    host_->stop();
    host_->loop().run(host_->loop_host());
  }

  Seen seen;

 private:
  static constexpr uint64_t kLongestRunNs = 10'000'000'000;

  static Seen& seen_of(void* user_data) noexcept { return *static_cast<Seen*>(user_data); }
  static void note_packet(tcpkit_conn* handle, const uint8_t* data, size_t size, void* user_data) {
    Conn& conn = *Conn::from_handle(handle);
    Seen& noted = seen_of(user_data);
    noted.packets.push_back({conn.id(), std::string(reinterpret_cast<const char*>(data), size)});
    if (noted.at_packet) noted.at_packet(conn);
  }
  static void note_end(tcpkit_conn* handle, const tcpkit_close_info* info, void* user_data) {
    seen_of(user_data).ends.push_back({Conn::from_handle(handle)->id(), *info});
  }

  static Ref<ConnHost> make_host(std::shared_ptr<const ConnConfig> config) {
    auto loop = Ref<LoopHost>::adopt(
        new LoopHost(config->log, {config, &config->fork_guard}, config->read_buffer_size));
    return Ref<ConnHost>::adopt(
        new ConnHost(std::move(loop), std::move(config), 3, ConnHost::Role::kOwner));
  }

  std::shared_ptr<const ConnConfig> make_config(const BedSettings& settings) {
    auto config = std::make_shared<ConnConfig>();
    config->handlers.on_data = note_packet;
    config->handlers.on_packet = note_packet;
    config->handlers.on_close = note_end;
    config->handlers.user_data = &seen;
    config->max_packet_size = settings.max_packet_size;
    config->read_buffer_size = settings.read_buffer_size;
    config->read_quantum_ns = settings.read_quantum_ns;
    config->close_timeout_ms = settings.close_timeout_ms;
    config->timeouts = settings.timeouts;
    config->tick_interval_ms = 1000;
    if (settings.framing.kind != TCPKIT_FRAMING_NONE) {
      std::unique_ptr<Framing> framing;
      const PacketLimits limits{settings.max_packet_size, settings.oversize};
      EXPECT_EQ(Framing::create(settings.framing, limits, framing), TCPKIT_OK);
      config->framing = std::move(framing);
    }
    return config;
  }

  bool finish_turn() noexcept override {
    host_->loop_host().finish_turn();
    if (done_ == nullptr || reached_) return false;
    reached_ = (*done_)();
    if (reached_ || monotonic_ns() > give_up_ns_) host_->loop().finish();
    return true;
  }

  uint64_t now_ns_ = 1'000'000'000;
  const Ref<ConnHost> host_;
  const std::function<bool()>* done_ = nullptr;
  bool reached_ = false;
  bool stopped_ = false;
  uint64_t give_up_ns_ = 0;
};

// A packet behind its length in two or four bytes, high byte first.
inline std::string framed(std::string_view packet, unsigned length_size = 4) {
  std::string frame;
  for (unsigned i = length_size; i-- > 0;) {
    frame.push_back(static_cast<char>((packet.size() >> (8 * i)) & 0xFF));
  }
  return frame.append(packet);
}

// Bytes that differ from place to place.
inline std::string patterned(size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  uint32_t state = seed * 2654435761u + 1;
  for (char& byte : bytes) {
    state = state * 1664525u + 1013904223u;
    byte = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace tcpkit::test
