// A client: one connection at a time to an address, how it comes to be, and what follows its end.
#pragma once

#include <condition_variable>
#include <cstdio>
#include <memory>
#include <mutex>
#include <string>

#include "base/run_observer.h"
#include "base/user_data.h"
#include "client/backoff.h"
#include "client/proxy_sending.h"
#include "conn/conn_host.h"
#include "conn/loop_runner.h"
#include "loop/connector.h"
#include "loop/resolver.h"

namespace tcpkit {

struct FreeRunner {
  void operator()(LoopRunner* runner) const noexcept { LoopRunner::free(runner); }
};

// Everything that tcpkit_client_create was given, with defaults filled in, user data owned.
struct ClientSetup {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;  // its texts are in the fields below
  std::shared_ptr<ConnConfig> config;
  UserData handlers_data;
  ConnectSettings connect;
  ProxySending proxy;
  std::string server_name;  // "": that of the address
  Ref<LoopHost> loop_host;
  std::unique_ptr<LoopRunner, FreeRunner> own_runner;  // null: the loop is somebody else's
  ResolveWay resolve_way;
};

// Why a client is not connected.
struct ConnectFailure {
  Status status = TCPKIT_OK;
  int error_number = 0;
  int tls_alert = -1;
  std::string message;
};

inline LastError last_error_of(const ConnectFailure& failure) noexcept {
  LastError error{failure.status, failure.error_number, {0}};
  const bool has_message = !failure.message.empty();
  std::snprintf(error.message, sizeof error.message, "%s",
                has_message ? failure.message.c_str() : status_text(failure.status));
  return error;
}

// Home thread: that of its loop, but for the calls marked "any". It is deleted when it was freed,
// no task of it is on its way, and nothing of it is on the loop.
class Client final : private LoopTenant,
                     private Dialler,
                     private ConnectSink,
                     private LookupOwner,
                     private TimerNode {
 public:
  // Its loop, where it is of its own, runs already.
  explicit Client(ClientSetup setup);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  ~Client();

  static Client* from_handle(tcpkit_client* handle) noexcept {
    return reinterpret_cast<Client*>(handle);
  }
  static const Client* from_handle(const tcpkit_client* handle) noexcept {
    return reinterpret_cast<const Client*>(handle);
  }
  tcpkit_client* handle() noexcept { return reinterpret_cast<tcpkit_client*>(this); }

  // Any thread. See tcpkit.h.
  Status connect(const char* address);
  // The end is told to the observer: when nothing is under way and the user has not begun anew in
  // the last callback. An observer of a connect that failed is told nothing.
  Status connect(const char* address, RunObserver& observer);
  // Begins to end what this observer waits for; nothing if it has ended.
  void end_run(const RunObserver& observer, RunEnd how) noexcept;
  // Waits, not on its loop, until the observer was told and nothing of end_run is on its way.
  void settle_run(const RunObserver& observer) noexcept;
  Status dial(const char* address, Ref<Conn>& dialled);
  Status close();
  Ref<Conn> conn() const noexcept;
  tcpkit_metrics metrics() const noexcept;
  LoopHost& loop_host() const noexcept { return host_->loop_host(); }
  Status fork_check() const noexcept { return config_->fork_guard.check(); }
  static void free(Client* client) noexcept;

 private:
  // What happens on the loop.
  enum class Stage : uint8_t {
    kIdle,        // nothing
    kResolving,   // the host name is asked for
    kConnecting,  // sockets are connecting
    kOpening,     // there is a connection, whose handshake is under way
    kOpen,        // the user knows it
    kEnding,      // its close handlers run, or have run
    kWaiting      // for the time of the next attempt
  };
  // Who deletes the client: the thread in free(), or whatever ends last; silently where the loop
  // never ran, and so nothing was begun that a callback could end.
  enum class Freed : uint8_t { kNo, kByWaiter, kByLast, kByLastSilently };
  using Lock = std::unique_lock<std::mutex>;

  // Of a thread that waits in dial(); under the mutex.
  struct DialWait {
    bool done = false;
    LastError failure{TCPKIT_OK, 0, {0}};
    Ref<Conn> conn;
  };

  class ConnectJob;
  class CloseJob;
  // Run in the client itself, since they must not fail.
  class OwnTask final : public Task {
   public:
    using Action = void (Client::*)();
    OwnTask(Client& client, Action action) noexcept : client_(client), action_(action) {}
    void run() noexcept override { (client_.*action_)(); }

   private:
    Client& client_;
    Action action_;
  };

  // client.cpp
  Status begin_series(const char* text, DialWait* wait, RunObserver* observer);
  Status check_address(const char* text, tcpkit_address& address) const noexcept;
  bool post_job(Task& job) noexcept;
  void job_done() noexcept;
  bool is_quiet() const noexcept { return jobs_ == 0 && !joined_; }
  bool is_left_to_last() const noexcept { return freed_ > Freed::kByWaiter && is_quiet(); }
  bool loop_has_begun() const noexcept;
  void post_shut_down() noexcept;
  void free_by_waiter() noexcept;
  static void* free_elsewhere(void* client) noexcept;
  void shut_down_here() noexcept;
  void leave_here() noexcept;
  void tell_dialler(DialWait* wait, const ConnectFailure* failure) noexcept;

  // client_run.cpp
  bool is_observed() const noexcept {
    return observer_ != nullptr || close_run_posted_ || stop_run_posted_;
  }
  void tell_observer(const ConnectFailure& failure) noexcept;
  void close_run_here() noexcept;
  void stop_run_here() noexcept;

  // attempt.cpp
  void connect_here(ConnectJob& job) noexcept;
  bool join() noexcept;
  void leave_when_idle() noexcept;
  void close_here() noexcept;
  void end_all(Status status, const char* why) noexcept;
  void begin_attempt() noexcept;
  void ask_for_name();
  void start_connecting(const Targets& targets);
  void stop_attempt() noexcept;
  void attempt_timed_out() noexcept;
  void attempt_failed(const ConnectFailure& failure) noexcept;
  void finish_series(const ConnectFailure* failure) noexcept;
  void wait_for_next(uint64_t delay_ms) noexcept;
  ConnectFailure failure_of(Status status, int error_number, const char* why) const noexcept;
  bool will_retry() const noexcept;
  bool close_is_wanted() const noexcept;
  bool is_going_away() const noexcept;
  void report(tcpkit_connect_fn function, const ConnectFailure& failure,
              uint64_t retry_in_ms) noexcept;

  // LoopTenant
  void evict() noexcept override;
  bool is_here() const noexcept override { return stage_ != Stage::kIdle; }
  // LookupOwner
  void on_resolved(Lookup& lookup) noexcept override;
  // ConnectSink
  void on_connected(int fd, const SocketAddress& peer) noexcept override;
  void on_connect_failed(int error_number) noexcept override;
  // Dialler
  ByteView proxy_header() const noexcept override { return proxy_header_.view(); }
  const char* server_name() const noexcept override {
    return verified_name_.empty() ? nullptr : verified_name_.c_str();
  }
  void conn_opened() noexcept override;
  void conn_announced() noexcept override;
  void conn_failed(const tcpkit_close_info& info) noexcept override;
  void conn_ending() noexcept override;
  void conn_ended(const tcpkit_close_info& info) noexcept override;
  void conn_gone() noexcept override;
  // TimerNode
  void on_timer() noexcept override;

  // Freed last, since it is declared first.
  const UserData handlers_data_;
  const std::unique_ptr<LoopRunner, FreeRunner> own_runner_;
  const tcpkit_client_options options_;
  const std::shared_ptr<const ConnConfig> config_;
  const ConnectSettings connect_settings_;
  const ProxySending proxy_;
  const std::string given_server_name_;
  const ResolveWay resolve_way_;
  const Ref<ConnHost> host_;
  OwnTask shut_down_task_{*this, &Client::shut_down_here};
  OwnTask leave_task_{*this, &Client::leave_here};
  OwnTask close_run_task_{*this, &Client::close_run_here};
  OwnTask stop_run_task_{*this, &Client::stop_run_here};

  // Home thread.
  Stage stage_ = Stage::kIdle;
  bool closing_ = false;        // nothing follows the end of what is under way
  bool shutting_down_ = false;  // it was freed
  bool will_follow_ = false;    // an attempt follows the end of the connection
  bool leaving_ = false;        // leave_task_ is posted
  std::string address_text_;
  tcpkit_address address_ = TCPKIT_ADDRESS_INIT;
  std::string verified_name_;
  EncodedProxyHeader proxy_header_;
  Ref<Lookup> lookup_;
  Connector connector_;
  Ref<Conn> conn_;
  Backoff backoff_;
  uint64_t attempts_ = 0;  // that failed in a row
  uint64_t opened_at_ms_ = 0;
  ConnectFailure failure_;  // of the connection that ends

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  // Under the mutex.
  Freed freed_ = Freed::kNo;
  bool busy_ = false;    // a series of attempts is under way, or connected
  bool joined_ = false;  // it is a tenant of the loop
  bool shut_down_posted_ = false;
  uint32_t jobs_ = 0;           // tasks on their way, and threads in dial()
  uint32_t closes_wanted_ = 0;  // that have not reached the loop
  DialWait* dial_wait_ = nullptr;
  RunObserver* observer_ = nullptr;  // until it was told
  bool is_run_ending_ = false;       // what the user begins now is not of the observed run
  bool close_run_posted_ = false;
  bool stop_run_posted_ = false;
  Ref<Conn> open_conn_;
};

}  // namespace tcpkit
