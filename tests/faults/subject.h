// The server of one run, with handlers that do a little of everything, and the threads around it.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "faults/ledger.h"
#include "faults/random.h"
#include "faults/settings.h"

namespace faults {

// A connection that outlives its callbacks, and how many announcements it was sent.
struct KeptConn {
  tcpkit_conn* conn;
  uint64_t announced = 0;
};

class Subject {
 public:
  Subject(const Settings& settings, Ledger& ledger);
  Subject(const Subject&) = delete;
  Subject& operator=(const Subject&) = delete;
  ~Subject();

  // Each may fail, with faults.
  bool create();
  bool listen(const char* address);
  bool start();
  // What the settings say.
  void end();
  void stop();
  // Stops it if it runs, and frees it; not made to fail.
  void free();

  // From now on handlers only echo, and every connection that there is ends.
  void calm();
  size_t listeners() const { return tcpkit_server_listener_count(server_); }
  std::string address(size_t index) const;
  bool is_running() const;
  bool is_freed() const { return server_ == nullptr; }
  tcpkit_metrics metrics() const;
  // Calls from a thread that is none of the server's, until stop_meddling().
  void start_meddling();
  void stop_meddling();

 private:
  tcpkit_handlers handlers();
  tcpkit_strategy strategy();
  static Subject& self(void* user_data) { return *static_cast<Subject*>(user_data); }
  static void on_open(tcpkit_conn* conn, void* user_data);
  static void on_data(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data);
  static void on_packet(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data);
  static void on_end(tcpkit_conn* conn, void* user_data);
  static void on_close(tcpkit_conn* conn, const tcpkit_close_info* info, void* user_data);
  static void on_any(tcpkit_conn* conn, void* user_data);

  uint64_t draw(uint64_t end);
  void play_with(tcpkit_conn* conn);
  void play_in_event(tcpkit_conn* conn);
  tcpkit_status echo_bytes(tcpkit_conn* conn, const uint8_t* data, size_t size);
  void after_echo(tcpkit_conn* conn, tcpkit_status status);
  void keep(tcpkit_conn* conn);
  void start_timer(tcpkit_loop* loop, uint64_t* id);
  void add_close_handler(tcpkit_conn* conn);
  void post_to(tcpkit_conn* conn);

  void meddle();
  void meddle_with(KeptConn& kept, Random& random);
  void meddle_with_server(Random& random);
  void announce(KeptConn& kept, Random& random);
  bool end_on_loop(void (*task)(tcpkit_loop*, void*));
  void wait_until_free();

  const Settings& settings_;
  Ledger& ledger_;
  Token* const server_data_;
  Token* strategy_data_ = nullptr;
  tcpkit_server* server_ = nullptr;
  std::thread runner_;
  std::thread meddler_;
  std::atomic<bool> meddling_{false};
  std::atomic<bool> run_returned_{false};
  std::atomic<bool> loop_turned_{false};
  std::atomic<bool> calm_{false};
  std::atomic<int> hook_starts_{0};
  std::atomic<int> hook_stops_{0};
  uint64_t timer_id_ = 0;
  std::mutex mutex_;  // for all below
  Random random_;
  std::vector<KeptConn> kept_;
};

}  // namespace faults
