// A client whose handlers record what they see, and waits for it with a deadline; sockets that
// listen and do nothing else.
#pragma once

#include <atomic>

#include "server_fixture.h"

namespace testkit {

// What a connect info said, kept beyond its callback.
struct ConnectRecord {
  tcpkit_status status;
  int32_t sys_errno;
  int32_t tls_alert;
  std::string message;
  uint64_t attempts;
  uint64_t retry_in_ms;

  bool is_final() const { return retry_in_ms == TCPKIT_UNLIMITED; }
};

struct ClientBehaviour {
  std::function<void(tcpkit_conn*)> on_open = {};
  std::function<void(tcpkit_conn*, std::string_view)> on_data = {};
  std::function<void(tcpkit_conn*, const tcpkit_close_info&)> on_close = {};
  std::function<void(tcpkit_client*)> on_failed = {};
  std::function<void(tcpkit_client*)> on_reconnect = {};
  std::function<void()> on_freed = {};
};

class TestClient {
 public:
  explicit TestClient(const tcpkit_client_options& options = TCPKIT_CLIENT_OPTIONS_INIT,
                      ClientBehaviour behaviour = {})
      : behaviour_(std::move(behaviour)) {
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.on_open = opened;
    handlers.on_data = got_data;
    handlers.on_packet = got_data;
    handlers.on_close = closed;
    handlers.on_connect_failed = failed;
    handlers.on_reconnect = lost;
    handlers.user_data = this;
    handlers.user_data_free = freed;
    tcpkit_client* created = nullptr;
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_create(&options, &handlers, &created)) << last_error();
    client_ = created;
  }
  TestClient(const TestClient&) = delete;
  TestClient& operator=(const TestClient&) = delete;
  ~TestClient() {
    free();
    EXPECT_TRUE(wait_until([this] { return freed_ == 1; }));
  }

  tcpkit_client* get() const { return client_; }
  void free() { tcpkit_client_free(take()); }
  // For a callback that frees it itself.
  tcpkit_client* take() { return client_.exchange(nullptr); }

  void connect(const std::string& address) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_connect(client_, address.c_str())) << last_error();
  }
  KeptConn conn() const {
    tcpkit_conn* conn = nullptr;
    (void)tcpkit_client_conn(client_, &conn);
    return KeptConn(conn);
  }
  void send(std::string_view text) const {
    const KeptConn open = conn();
    ASSERT_NE(nullptr, open.get());
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_send(open.get(), text.data(), text.size()));
  }
  tcpkit_metrics metrics() const {
    tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_metrics(client_, &metrics));
    return metrics;
  }

  template <typename Condition>
  bool wait_until(Condition condition) const {
    return monitor_.wait(condition);
  }
  bool wait_opens(size_t count) const {
    return wait_until([&] { return opens_ >= count; });
  }
  bool wait_closes(size_t count) const {
    return wait_until([&] { return closes_.size() >= count; });
  }
  bool wait_failures(size_t count) const {
    return wait_until([&] { return failures_.size() >= count; });
  }
  bool wait_losses(size_t count) const {
    return wait_until([&] { return losses_.size() >= count; });
  }
  bool wait_data(std::string_view text) const {
    return wait_until([&] { return data_ == text; });
  }
  std::string data() const {
    return monitor_.look([&] { return data_; });
  }
  size_t opens() const {
    return monitor_.look([&] { return opens_; });
  }
  size_t closes() const {
    return monitor_.look([&] { return closes_.size(); });
  }
  std::vector<ConnectRecord> failures() const {
    return monitor_.look([&] { return failures_; });
  }
  std::vector<ConnectRecord> losses() const {
    return monitor_.look([&] { return losses_; });
  }
  // The first ones, waited for.
  ConnectRecord failure() const {
    EXPECT_TRUE(wait_failures(1));
    const auto all = failures();
    return all.empty() ? ConnectRecord{} : all.front();
  }
  tcpkit_close_info close_info() const {
    EXPECT_TRUE(wait_closes(1));
    return monitor_.look([&] { return closes_.empty() ? tcpkit_close_info{} : closes_.front(); });
  }
  int freed_count() const {
    return monitor_.look([&] { return freed_; });
  }
  static std::string last_error() { return tcpkit_last_error_message(); }

 private:
  static TestClient& self(void* user_data) { return *static_cast<TestClient*>(user_data); }
  static ConnectRecord record_of(const tcpkit_connect_info& info) {
    EXPECT_EQ(sizeof(tcpkit_connect_info), info.struct_size);
    return {info.status,  info.sys_errno, info.tls_alert,
            info.message, info.attempts,  info.retry_in_ms};
  }
  void expect_alive() const { EXPECT_EQ(0, freed_count()) << "a callback after the last one"; }

  static void opened(tcpkit_conn* conn, void* user_data) {
    TestClient& client = self(user_data);
    client.expect_alive();
    client.monitor_.change([&] { ++client.opens_; });
    if (client.behaviour_.on_open) client.behaviour_.on_open(conn);
  }
  static void got_data(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
    TestClient& client = self(user_data);
    client.expect_alive();
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    client.monitor_.change([&] { client.data_ += bytes; });
    if (client.behaviour_.on_data) client.behaviour_.on_data(conn, bytes);
  }
  static void closed(tcpkit_conn* conn, const tcpkit_close_info* info, void* user_data) {
    TestClient& client = self(user_data);
    client.expect_alive();
    if (client.behaviour_.on_close) client.behaviour_.on_close(conn, *info);
    client.monitor_.change([&] { client.closes_.push_back(*info); });
  }
  static void failed(tcpkit_client* handle, const tcpkit_connect_info* info, void* user_data) {
    TestClient& client = self(user_data);
    client.expect_alive();
    client.monitor_.change([&] { client.failures_.push_back(record_of(*info)); });
    if (client.behaviour_.on_failed) client.behaviour_.on_failed(handle);
  }
  static void lost(tcpkit_client* handle, const tcpkit_connect_info* info, void* user_data) {
    TestClient& client = self(user_data);
    client.expect_alive();
    client.monitor_.change([&] { client.losses_.push_back(record_of(*info)); });
    if (client.behaviour_.on_reconnect) client.behaviour_.on_reconnect(handle);
  }
  static void freed(void* user_data) {
    TestClient& client = self(user_data);
    if (client.behaviour_.on_freed) client.behaviour_.on_freed();
    client.monitor_.change([&] { ++client.freed_; });
  }

  const ClientBehaviour behaviour_;
  Monitor monitor_;
  size_t opens_ = 0;
  std::string data_;
  std::vector<tcpkit_close_info> closes_;
  std::vector<ConnectRecord> failures_;
  std::vector<ConnectRecord> losses_;
  int freed_ = 0;
  std::atomic<tcpkit_client*> client_{nullptr};
};

struct LoopFree {
  void operator()(tcpkit_loop* loop) const { tcpkit_loop_free(loop); }
};
using LoopOwner = std::unique_ptr<tcpkit_loop, LoopFree>;

inline LoopOwner make_loop() {
  tcpkit_loop* loop = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_create(nullptr, &loop)) << tcpkit_last_error_message();
  return LoopOwner(loop);
}

inline LoopOwner started_loop() {
  LoopOwner loop = make_loop();
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_start(loop.get())) << tcpkit_last_error_message();
  return loop;
}

// A socket that listens, and accepts when it is told to.
class BareListener {
 public:
  explicit BareListener(int backlog = 16, const char* ip = "127.0.0.1", int port = 0) {
    fd_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    inet_pton(AF_INET, ip, &address.sin_addr);
    EXPECT_EQ(0, bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address));
    if (backlog >= 0) {
      EXPECT_EQ(0, listen(fd_, backlog));
    }
    socklen_t size = sizeof address;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    ip_ = ip;
  }
  BareListener(const BareListener&) = delete;
  BareListener& operator=(const BareListener&) = delete;
  ~BareListener() { close(); }

  void close() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  int port() const { return port_; }
  std::string address() const { return "tcp://" + ip_ + ":" + std::to_string(port_); }
  // -1 after the deadline.
  int accept_fd() const {
    pollfd entry{fd_, POLLIN, 0};
    if (poll(&entry, 1, RawClient::kDeadlineSeconds * 1000) != 1) return -1;
    return accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
  }

 private:
  int fd_ = -1;
  int port_ = 0;
  std::string ip_;
};

// An address that never answers: the backlog of its listener is full, so the kernel drops what asks
// to connect.
class Blackhole {
 public:
  Blackhole() : listener_(0) {
    for (int i = 0; i < 4; ++i) {
      const Target target(listener_.address());
      fds_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)::connect(fds_.back(), target.address(), target.size());
    }
  }
  Blackhole(const Blackhole&) = delete;
  Blackhole& operator=(const Blackhole&) = delete;
  ~Blackhole() {
    for (const int fd : fds_) ::close(fd);
  }
  std::string address() const { return listener_.address(); }

 private:
  BareListener listener_;
  std::vector<int> fds_;
};

// A port where nobody listens, and nobody else will as long as this lives: it is bound.
class RefusingPort {
 public:
  RefusingPort() : bound_(-1) {}
  std::string address() const { return bound_.address(); }
  int port() const { return bound_.port(); }

 private:
  BareListener bound_;
};

}  // namespace testkit
