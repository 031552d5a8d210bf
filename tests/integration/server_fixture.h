// A server on a free port whose handlers record what they see, and waits for it with a deadline.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "raw_client.h"
#include "tcpkit.h"

namespace testkit {

inline constexpr auto kDeadline = std::chrono::seconds(20);

// What callbacks change and tests wait for. A wait looks again at every change, and now and then,
// since some conditions (metrics) change without a callback.
class Monitor {
 public:
  template <typename Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    change();
    changed_.notify_all();
  }
  template <typename Look>
  auto look(Look look) const {
    const std::lock_guard lock(mutex_);
    return look();
  }
  // False after the deadline. The condition must not wait for callbacks: it holds them up.
  template <typename Condition>
  bool wait(Condition condition) const {
    std::unique_lock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + kDeadline;
    while (!condition()) {
      if (std::chrono::steady_clock::now() >= deadline) return false;
      changed_.wait_for(lock, std::chrono::milliseconds(5));
    }
    return true;
  }

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
};

// Something that happens once or several times.
class Event {
 public:
  void set() {
    monitor_.change([this] { ++count_; });
  }
  bool wait(int count = 1) const {
    return monitor_.wait([&] { return count_ >= count; });
  }
  int count() const {
    return monitor_.look([this] { return count_; });
  }

 private:
  Monitor monitor_;
  int count_ = 0;
};

struct CloseRecord {
  uint64_t conn_id;
  tcpkit_close_info info;
};

struct Packet {
  uint64_t conn_id;
  std::string bytes;
};

// What a test wants done in the callbacks, after they were recorded. on_end, on_writable, on_drain
// and on_connection are only given to the server if they are set.
struct Behaviour {
  std::function<void(tcpkit_conn*)> on_open = {};
  std::function<void(tcpkit_conn*, std::string_view)> on_data = {};
  std::function<void(tcpkit_conn*, std::string_view)> on_packet = {};
  std::function<void(tcpkit_conn*)> on_end = {};
  std::function<void(tcpkit_conn*, const tcpkit_close_info&)> on_close = {};
  std::function<void(const tcpkit_metrics&)> on_metrics = {};
  std::function<void(tcpkit_conn*)> on_writable = {};
  std::function<void(tcpkit_conn*)> on_drain = {};
  std::function<void(tcpkit_conn*)> on_tls = {};
  std::function<void(tcpkit_conn*)> on_connection = {};
  std::vector<std::string> addresses = {"tcp://127.0.0.1:0"};
};

inline void send_text(tcpkit_conn* conn, std::string_view text) {
  (void)tcpkit_conn_send(conn, text.data(), text.size());
}

inline void send_packet(tcpkit_conn* conn, std::string_view packet) {
  (void)tcpkit_conn_send_packet(conn, packet.data(), packet.size());
}

inline Behaviour echo() {
  return {.on_data = send_text, .on_packet = send_packet};
}

// Options of most tests: loops loops, ticks often enough not to be waited for.
inline tcpkit_server_options with_loops(uint32_t loops) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.loops = loops;
  options.tick_interval_ms = 20;
  return options;
}

inline tcpkit_server_options framed(const tcpkit_framing& framing) {
  tcpkit_server_options options = with_loops(1);
  options.framing = framing;
  return options;
}

struct ServerFree {
  void operator()(tcpkit_server* server) const { tcpkit_server_free(server); }
};
using ServerOwner = std::unique_ptr<tcpkit_server, ServerFree>;

inline std::string listener_address(const tcpkit_server* server, size_t index = 0) {
  char text[300] = "";
  tcpkit_server_listener_address(server, index, text, sizeof text);
  return text;
}

inline tcpkit_metrics metrics_of(const tcpkit_server* server) {
  tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_metrics(server, &metrics));
  return metrics;
}

// Kernel buffers of connections whose output shall wait: small, but not so small that TCP crawls.
inline constexpr int kSmallBuffer = 64 << 10;

inline tcpkit_server_options with_small_buffers() {
  tcpkit_server_options options = with_loops(1);
  options.receive_buffer_size = kSmallBuffer;
  options.send_buffer_size = kSmallBuffer;
  return options;
}

// Different at every place of that size.
inline std::string numbers(size_t size) {
  std::string bytes;
  bytes.reserve(size + 16);
  for (uint64_t i = 0; bytes.size() < size; ++i) bytes += std::to_string(i) + "\n";
  bytes.resize(size);
  return bytes;
}

// True as soon as the server has ended its stream or reset it, false if it does not in time.
inline bool ended_within(const RawClient& client, std::chrono::milliseconds time) {
  pollfd entry{client.fd(), POLLRDHUP, 0};
  return poll(&entry, 1, static_cast<int>(time.count())) > 0;
}

// Does something on the loop of conn, and returns after it; false if it was not done.
inline bool run_on_loop(tcpkit_conn* conn, std::function<void(tcpkit_conn*)> action) {
  struct Job {
    std::function<void(tcpkit_conn*)> action;
    Event done;
  } job{std::move(action), {}};
  const auto task = [](tcpkit_conn* self, void* user_data) {
    static_cast<Job*>(user_data)->action(self);
    static_cast<Job*>(user_data)->done.set();
  };
  return tcpkit_conn_post(conn, task, &job, nullptr) == TCPKIT_OK && job.done.wait();
}

// A connection kept beyond its callbacks.
class KeptConn {
 public:
  KeptConn() = default;
  explicit KeptConn(tcpkit_conn* retained) : conn_(retained) {}
  KeptConn(KeptConn&& other) noexcept : conn_(std::exchange(other.conn_, nullptr)) {}
  KeptConn& operator=(KeptConn&& other) noexcept {
    std::swap(conn_, other.conn_);
    return *this;
  }
  ~KeptConn() { tcpkit_conn_release(conn_); }
  tcpkit_conn* get() const { return conn_; }

 private:
  tcpkit_conn* conn_ = nullptr;
};

class TestServer {
 public:
  explicit TestServer(const tcpkit_server_options& options = with_loops(1),
                      Behaviour behaviour = {})
      : behaviour_(std::move(behaviour)) {
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.on_open = opened;
    handlers.on_data = got_data;
    handlers.on_packet = got_packet;
    handlers.on_end = behaviour_.on_end ? ended : nullptr;
    handlers.on_close = closed;
    handlers.on_metrics = ticked;
    handlers.on_writable = behaviour_.on_writable ? writable : nullptr;
    handlers.on_drain = behaviour_.on_drain ? draining : nullptr;
    handlers.on_tls = behaviour_.on_tls ? became_tls : nullptr;
    handlers.on_connection = behaviour_.on_connection ? connected : nullptr;
    handlers.user_data = this;
    tcpkit_server* server = nullptr;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server)) << last_error();
    server_.reset(server);
    for (const std::string& address : behaviour_.addresses) {
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, address.c_str(), nullptr)) << last_error();
    }
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server)) << last_error();
  }
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;
  ~TestServer() { server_.reset(); }

  tcpkit_server* get() const { return server_.get(); }
  std::string address(size_t index = 0) const { return listener_address(get(), index); }
  RawClient connect(int receive_buffer_size = 0) const {
    return RawClient(address(), receive_buffer_size);
  }
  tcpkit_metrics metrics() const { return metrics_of(get()); }
  void stop() { EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(get())); }

  // Waits until the next connection is open, and keeps it. For one connect at a time.
  KeptConn accepted(RawClient& client, int receive_buffer_size = 0) {
    const size_t before = open_count();
    client = connect(receive_buffer_size);
    EXPECT_TRUE(wait_opens(before + 1));
    return kept(opened_id(before));
  }
  KeptConn kept(uint64_t conn_id) const {
    tcpkit_conn* conn = nullptr;
    (void)tcpkit_server_find(get(), conn_id, &conn);
    return KeptConn(conn);
  }

  // True when the condition holds, false after the deadline.
  template <typename Condition>
  bool wait_until(Condition condition) const {
    return monitor_.wait(condition);
  }
  bool wait_opens(size_t count) const {
    return wait_until([&] { return opens_.size() >= count; });
  }
  bool wait_packets(size_t count) const {
    return wait_until([&] { return packets_.size() >= count; });
  }
  bool wait_data(size_t bytes) const {
    return wait_until([&] { return data_bytes_ >= bytes; });
  }
  bool wait_closes(size_t count) const {
    return wait_until([&] { return closes_.size() >= count; });
  }

  size_t open_count() const {
    return monitor_.look([&] { return opens_.size(); });
  }
  uint64_t opened_id(size_t index) const {
    return monitor_.look([&] { return index < opens_.size() ? opens_[index] : 0; });
  }
  std::vector<Packet> packets() const {
    return monitor_.look([&] { return packets_; });
  }
  std::vector<std::string> packet_texts() const {
    std::vector<std::string> texts;
    for (const Packet& packet : packets()) texts.push_back(packet.bytes);
    return texts;
  }
  std::string data_of(uint64_t conn_id) const {
    return monitor_.look([&] {
      const auto found = data_.find(conn_id);
      return found == data_.end() ? std::string() : found->second;
    });
  }
  std::vector<CloseRecord> closes() const {
    return monitor_.look([&] { return closes_; });
  }
  // The first close, waited for.
  tcpkit_close_info close_info() const {
    EXPECT_TRUE(wait_closes(1));
    const auto all = closes();
    return all.empty() ? tcpkit_close_info{} : all.front().info;
  }
  // Waits until everything that was asked of the loop before has been done.
  bool settle(size_t loop_index = 0) const {
    Event done;
    const auto set = [](tcpkit_loop*, void* event) { static_cast<Event*>(event)->set(); };
    tcpkit_loop* loop = tcpkit_server_loop(get(), loop_index);
    return tcpkit_loop_post(loop, set, &done, nullptr) == TCPKIT_OK && done.wait();
  }

  static std::string last_error() { return tcpkit_last_error_message(); }

 private:
  static TestServer& self(void* user_data) { return *static_cast<TestServer*>(user_data); }

  static void opened(tcpkit_conn* conn, void* user_data) {
    TestServer& server = self(user_data);
    server.monitor_.change([&] { server.opens_.push_back(tcpkit_conn_id(conn)); });
    if (server.behaviour_.on_open) server.behaviour_.on_open(conn);
  }
  static void got_data(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
    TestServer& server = self(user_data);
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    server.monitor_.change([&] {
      server.data_[tcpkit_conn_id(conn)] += bytes;
      server.data_bytes_ += size;
    });
    if (server.behaviour_.on_data) server.behaviour_.on_data(conn, bytes);
  }
  static void got_packet(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
    TestServer& server = self(user_data);
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    server.monitor_.change([&] {
      server.packets_.push_back({tcpkit_conn_id(conn), std::string(bytes)});
    });
    if (server.behaviour_.on_packet) server.behaviour_.on_packet(conn, bytes);
  }
  static void ended(tcpkit_conn* conn, void* user_data) { self(user_data).behaviour_.on_end(conn); }
  static void writable(tcpkit_conn* conn, void* user_data) {
    self(user_data).behaviour_.on_writable(conn);
  }
  static void draining(tcpkit_conn* conn, void* user_data) {
    self(user_data).behaviour_.on_drain(conn);
  }
  static void became_tls(tcpkit_conn* conn, void* user_data) {
    self(user_data).behaviour_.on_tls(conn);
  }
  static void connected(tcpkit_conn* conn, void* user_data) {
    self(user_data).behaviour_.on_connection(conn);
  }
  static void closed(tcpkit_conn* conn, const tcpkit_close_info* info, void* user_data) {
    TestServer& server = self(user_data);
    if (server.behaviour_.on_close) server.behaviour_.on_close(conn, *info);
    server.monitor_.change([&] { server.closes_.push_back({tcpkit_conn_id(conn), *info}); });
  }
  static void ticked(tcpkit_server*, const tcpkit_metrics* metrics, void* user_data) {
    TestServer& server = self(user_data);
    if (server.behaviour_.on_metrics) server.behaviour_.on_metrics(*metrics);
  }

  const Behaviour behaviour_;
  Monitor monitor_;
  std::vector<uint64_t> opens_;
  std::vector<Packet> packets_;
  std::map<uint64_t, std::string> data_;
  size_t data_bytes_ = 0;
  std::vector<CloseRecord> closes_;
  ServerOwner server_;
};

}  // namespace testkit
