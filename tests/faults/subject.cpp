// Set-up and end of the server of a run, and its handlers.
#include "faults/subject.h"

#include <chrono>
#include <stdexcept>

namespace faults {
namespace {

constexpr size_t kMostKept = 6;

void sleep_us(int us) {
  std::this_thread::sleep_for(std::chrono::microseconds(us));
}

}  // namespace

Subject::Subject(const Settings& settings, Ledger& ledger)
    : settings_(settings),
      ledger_(ledger),
      server_data_(ledger.make_token(Token::Kind::kData)),
      random_(settings.seed + 1) {}

Subject::~Subject() {
  stop_meddling();
  free();
  for (const KeptConn& kept : kept_) tcpkit_conn_release(kept.conn);
}

tcpkit_handlers Subject::handlers() {
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_open = on_open;
  handlers.on_data = on_data;
  handlers.on_packet = on_packet;
  handlers.on_end = settings_.handles_end ? on_end : nullptr;
  handlers.on_close = on_close;
  handlers.on_writable = on_any;
  handlers.on_drain = on_any;
  handlers.on_log = [](tcpkit_log_level, const char*, void*) {};
  handlers.user_data = this;
  handlers.user_data_free = [](void* user_data) { Token::free(self(user_data).server_data_); };
  return handlers;
}

tcpkit_strategy Subject::strategy() {
  strategy_data_ = ledger_.make_token(Token::Kind::kData);
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.on_start = [](tcpkit_server*, void* user_data) { ++self(user_data).hook_starts_; };
  strategy.on_stop = [](tcpkit_server*, void* user_data) { ++self(user_data).hook_stops_; };
  strategy.user_data = this;
  strategy.user_data_free = [](void* user_data) { Token::free(self(user_data).strategy_data_); };
  return strategy;
}

// A failed call has freed what it was given, so another try needs a subject of its own.
bool Subject::create() {
  tcpkit_server_options options = settings_.options;
  const tcpkit_handlers table = handlers();
  const tcpkit_strategy hooks = strategy();
  options.strategy = &hooks;
  Token* framing_data = nullptr;
  if (settings_.cut != Cut::kNone) {
    framing_data = ledger_.make_token(Token::Kind::kData);
    options.framing.user_data = framing_data;
    options.framing.user_data_free = Token::free;
  }
  return exposed([&] { return tcpkit_server_create(&options, &table, &server_); }) == TCPKIT_OK;
}

bool Subject::listen(const char* address) {
  return exposed([&] { return tcpkit_server_listen(server_, address, nullptr); }) == TCPKIT_OK;
}

bool Subject::start() {
  if (!settings_.runs_on_thread) {
    return exposed([this] { return tcpkit_server_start(server_); }) == TCPKIT_OK;
  }
  if (runner_.joinable()) runner_.join();
  run_returned_ = loop_turned_ = false;
  runner_ = std::thread([this, server = server_] {
    const Scope spared(Mode::kSpared);
    (void)exposed([server] { return tcpkit_server_run(server); });
    run_returned_ = true;
  });
  const auto turned = [](tcpkit_loop*, void* user_data) { self(user_data).loop_turned_ = true; };
  while (!run_returned_ && !loop_turned_) {
    (void)tcpkit_loop_post(tcpkit_server_loop(server_, 0), turned, this, nullptr);
    sleep_us(50);
  }
  return !run_returned_;
}

bool Subject::is_running() const {
  return tcpkit_server_is_running(server_) != 0;
}

std::string Subject::address(size_t index) const {
  char text[300] = "";
  tcpkit_server_listener_address(server_, index, text, sizeof text);
  return text;
}

tcpkit_metrics Subject::metrics() const {
  tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_metrics(server_, &metrics));
  return metrics;
}

void Subject::calm() {
  calm_ = true;
  stop_meddling();
  const auto abort = [](tcpkit_conn* conn, void*) { (void)tcpkit_conn_abort(conn); };
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_visit(server_, abort, nullptr));
}

// ---- The end ----

bool Subject::end_on_loop(void (*task)(tcpkit_loop*, void*)) {
  tcpkit_loop* loop = tcpkit_server_loop(server_, 0);
  return exposed([&] { return tcpkit_loop_post(loop, task, this, nullptr); }) == TCPKIT_OK;
}

void Subject::end() {
  const uint64_t deadline_ms = draw(15);
  bool begun = false;
  switch (settings_.ending) {
    case Ending::kFree:
      return free();
    case Ending::kFreeOnLoop:
      stop_meddling();
      // Not without a thread to do it on: then a server can only leak.
      begun = end_on_loop([](tcpkit_loop*, void* user_data) {
        const Scope spared(Mode::kSpared);
        tcpkit_server_free(self(user_data).server_);
      });
      return begun ? wait_until_free() : free();
    case Ending::kStopOnLoop:
      begun = end_on_loop(
          [](tcpkit_loop*, void* user_data) { (void)tcpkit_server_stop(self(user_data).server_); });
      break;
    case Ending::kDrainOnLoop:
      begun = end_on_loop([](tcpkit_loop*, void* user_data) {
        (void)tcpkit_server_drain(self(user_data).server_, 5, nullptr);
      });
      break;
    case Ending::kDrain:
      EXPECT_EQ(TCPKIT_OK,
                exposed([&] { return tcpkit_server_drain(server_, deadline_ms, nullptr); }));
      break;
    case Ending::kStop:
      break;
  }
  if (!begun) return stop();
  EXPECT_EQ(TCPKIT_OK, exposed([this] { return tcpkit_server_wait(server_); }));
  if (runner_.joinable()) runner_.join();
}

void Subject::stop() {
  EXPECT_EQ(TCPKIT_OK, exposed([this] { return tcpkit_server_stop(server_); }));
  if (runner_.joinable()) runner_.join();
}

void Subject::wait_until_free() {
  while (!server_data_->is_freed()) sleep_us(50);
  if (runner_.joinable()) runner_.join();
  server_ = nullptr;
}

void Subject::free() {
  stop_meddling();
  const bool existed = server_ != nullptr;
  tcpkit_server_free(server_);
  server_ = nullptr;
  if (runner_.joinable()) runner_.join();
  EXPECT_TRUE(!existed || hook_starts_ == hook_stops_) << "hooks of the strategy";
}

// ---- Handlers ----

uint64_t Subject::draw(uint64_t end) {
  const std::lock_guard lock(mutex_);
  return random_.below(end);
}

void Subject::on_open(tcpkit_conn* conn, void* user_data) {
  const Scope spared(Mode::kSpared);
  Subject& subject = self(user_data);
  subject.ledger_.opened(tcpkit_conn_id(conn));
  if (!subject.calm_) subject.play_with(conn);
}

void Subject::on_data(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
  const Scope spared(Mode::kSpared);
  Subject& subject = self(user_data);
  subject.ledger_.used(tcpkit_conn_id(conn));
  subject.after_echo(conn, subject.echo_bytes(conn, data, size));
}

void Subject::on_packet(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
  const Scope spared(Mode::kSpared);
  Subject& subject = self(user_data);
  subject.ledger_.used(tcpkit_conn_id(conn));
  subject.after_echo(conn, exposed([&] { return tcpkit_conn_send_packet(conn, data, size); }));
}

void Subject::on_end(tcpkit_conn* conn, void* user_data) {
  const Scope spared(Mode::kSpared);
  self(user_data).ledger_.used(tcpkit_conn_id(conn));
  (void)exposed([conn] { return tcpkit_conn_close(conn); });
}

void Subject::on_close(tcpkit_conn* conn, const tcpkit_close_info* info, void* user_data) {
  const Scope spared(Mode::kSpared);
  EXPECT_STRNE("UNKNOWN", tcpkit_close_reason_name(info->reason));
  self(user_data).ledger_.closed(tcpkit_conn_id(conn));
}

void Subject::on_any(tcpkit_conn* conn, void* user_data) {
  const Scope spared(Mode::kSpared);
  self(user_data).ledger_.used(tcpkit_conn_id(conn));
}

void Subject::play_with(tcpkit_conn* conn) {
  const uint64_t choice = draw(100);
  if (choice % 3 == 0) keep(conn);
  if (choice % 4 == 0) add_close_handler(conn);
  if (choice % 5 == 0) post_to(conn);
  if (choice % 7 == 0) start_timer(tcpkit_conn_loop(conn), nullptr);
  if (choice % 6 == 0) {
    Token* token = ledger_.make_token(Token::Kind::kData);
    (void)token->taken_with(
        exposed([&] { return tcpkit_conn_set_user_data(conn, token, Token::free); }));
  }
  if (choice < 4) (void)tcpkit_conn_set_timeout(conn, TCPKIT_TIMEOUT_IDLE, 3);
  if (choice == 4) (void)tcpkit_conn_close(conn);
  if (choice == 5) (void)tcpkit_conn_abort(conn);
  if (choice == 6) (void)tcpkit_conn_pause_reading(conn);
  if (choice == 7) throw std::runtime_error("a callback that throws");
}

void Subject::play_in_event(tcpkit_conn* conn) {
  const uint64_t choice = draw(400);
  if (choice < 10 || choice > 380) (void)exposed([conn] { return tcpkit_conn_flush(conn); });
  if (choice == 10) (void)tcpkit_conn_pause_reading(conn);
  if (choice == 11) (void)tcpkit_conn_shutdown(conn);
  if (choice == 12) (void)tcpkit_conn_close(conn);
  if (choice == 13) throw std::runtime_error("a callback that throws");
  if (choice > 340 && choice <= 360) post_to(conn);
}

// In one of the ways that there are.
tcpkit_status Subject::echo_bytes(tcpkit_conn* conn, const uint8_t* data, size_t size) {
  const uint64_t choice = draw(4);
  if (choice == 0) {
    tcpkit_buffer* buffer = nullptr;
    const Scope scope(Mode::kExposed);
    tcpkit_status status = tcpkit_buffer_create(data, size, &buffer);
    if (status == TCPKIT_OK) status = tcpkit_conn_send_buffer(conn, buffer);
    tcpkit_buffer_release(buffer);
    return status;
  }
  if (choice == 1 && size >= 10) {
    tcpkit_slice slices[10];
    for (size_t i = 0; i < 10; ++i) slices[i] = {data + i, i < 9 ? 1 : size - 9};
    return exposed([&] { return tcpkit_conn_send_slices(conn, slices, 10); });
  }
  return exposed([&] { return tcpkit_conn_send(conn, data, size); });
}

// An answer that is lost must be the last one, or the peer would take the next for it.
void Subject::after_echo(tcpkit_conn* conn, tcpkit_status status) {
  if (status >= 0) {
    if (!calm_) play_in_event(conn);
    return;
  }
  const auto give_up = draw(2) == 0 ? tcpkit_conn_close : tcpkit_conn_abort;
  EXPECT_EQ(TCPKIT_OK, exposed([&] { return give_up(conn); }));
}

void Subject::keep(tcpkit_conn* conn) {
  const std::lock_guard lock(mutex_);
  if (kept_.size() < kMostKept) kept_.push_back({tcpkit_conn_retain(conn)});
}

}  // namespace faults
