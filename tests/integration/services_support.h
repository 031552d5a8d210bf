// Services of tests: servers that were not started, and a run of them that is watched.
#pragma once

#include <thread>

#include "client_fixture.h"

namespace testkit {

// A server that listens and was not started, whose callbacks a test may set.
class IdleServer {
 public:
  // listen_at_start: what it listens on from its start on; "": a free port, from now on.
  explicit IdleServer(const std::string& listen_at_start = "") {
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.on_open = [](tcpkit_conn*, void* user_data) {
      auto* self = static_cast<IdleServer*>(user_data);
      if (self->on_open) self->on_open();
      self->opened.set();
    };
    handlers.user_data = this;
    tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
    options.loops = 1;
    options.framing = tcpkit_framing_line();
    if (!listen_at_start.empty()) options.listen = listen_at_start.c_str();
    tcpkit_server* created = nullptr;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &created));
    server_.reset(created);
    if (!listen_at_start.empty()) return;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(created, "tcp://127.0.0.1:0", nullptr));
  }
  tcpkit_server* get() const { return server_.get(); }
  std::string address() const { return listener_address(get()); }
  bool is_running() const { return tcpkit_server_is_running(get()) == 1; }
  bool wait_running() const {
    return Monitor().wait([this] { return is_running(); });
  }

  bool wait_read(uint64_t bytes) const {
    return Monitor().wait([&] { return metrics_of(get()).total_read == bytes; });
  }

  std::function<void()> on_open;
  Event opened;

 private:
  ServerOwner server_;
};

// One that cannot start: its address is somebody else's.
class HomelessServer {
 public:
  const std::string& address() const { return address_; }
  const IdleServer& server() const { return server_; }

 private:
  const BareListener taken_;
  const std::string address_ = taken_.address();
  const IdleServer server_{address_};
};

inline tcpkit_service of(const IdleServer& server) {
  tcpkit_service service = TCPKIT_SERVICE_INIT;
  service.server = server.get();
  return service;
}

inline tcpkit_service of(const HomelessServer& homeless) {
  return of(homeless.server());
}

inline tcpkit_service of(const TestClient& client, const char* address) {
  tcpkit_service service = TCPKIT_SERVICE_INIT;
  service.client = client.get();
  service.address = address;
  return service;
}

inline tcpkit_run_options without_signals(uint64_t drain_timeout_ms = 0) {
  tcpkit_run_options options = TCPKIT_RUN_OPTIONS_INIT;
  options.handle_signals = TCPKIT_OFF;
  options.drain_timeout_ms = drain_timeout_ms;
  return options;
}

struct Outcome {
  tcpkit_status status;
  std::string message;
};

inline Outcome run_here(const std::vector<tcpkit_service>& services,
                        const tcpkit_run_options& options = without_signals()) {
  const tcpkit_status status = tcpkit_run_services(services.data(), services.size(), &options);
  return {status, status == TCPKIT_OK ? "" : tcpkit_last_error_message()};
}

// The call on a thread of its own, so that a test can watch it.
class Running {
 public:
  explicit Running(std::vector<tcpkit_service> services,
                   const tcpkit_run_options& options = without_signals())
      : thread_([this, services = std::move(services), options] {
          outcome_ = run_here(services, options);
          returned_.set();
        }) {}
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (thread_.joinable()) thread_.join();
  }
  bool has_returned() const { return returned_.count() > 0; }
  Outcome outcome() {
    EXPECT_TRUE(returned_.wait());
    thread_.join();
    return outcome_;
  }

 private:
  Outcome outcome_{};
  Event returned_;
  std::thread thread_;
};

inline tcpkit_client_options reconnecting(uint64_t max_attempts) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.reconnect = TCPKIT_ON;
  options.reconnect_min_ms = 1;
  options.reconnect_max_ms = 2;
  options.max_attempts = max_attempts;
  return options;
}

inline bool begins_with(const std::string& text, std::string_view begin) {
  return text.compare(0, begin.size(), begin) == 0;
}

inline void reset(int fd) {
  const linger at_once{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(fd);
}

}  // namespace testkit
