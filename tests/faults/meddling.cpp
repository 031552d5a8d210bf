// What a thread that is none of the server's does to it during a run.
#include <chrono>

#include "faults/subject.h"

namespace faults {
namespace {

void run_token(tcpkit_loop*, void* token) {
  static_cast<Token*>(token)->ran();
}

}  // namespace

void Subject::add_close_handler(tcpkit_conn* conn) {
  Token* token = ledger_.make_token(Token::Kind::kTask);
  const auto closed = [](tcpkit_conn*, const tcpkit_close_info*, void* handler) {
    static_cast<Token*>(handler)->ran();
  };
  (void)token->taken_with(
      exposed([&] { return tcpkit_conn_add_close_handler(conn, closed, token, Token::free); }));
}

void Subject::post_to(tcpkit_conn* conn) {
  Token* token = ledger_.make_token(Token::Kind::kTask);
  const auto task = [](tcpkit_conn*, void* posted) { static_cast<Token*>(posted)->ran(); };
  (void)token->taken_with(
      exposed([&] { return tcpkit_conn_post(conn, task, token, Token::free); }));
}

void Subject::start_timer(tcpkit_loop* loop, uint64_t* id) {
  tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
  options.delay_ms = draw(4);
  options.repeat_ms = draw(3) == 0 ? 1 : 0;
  const auto kind = options.repeat_ms == 0 ? Token::Kind::kTimer : Token::Kind::kTicker;
  Token* token = ledger_.make_token(kind);
  options.on_timer = run_token;
  options.user_data = token;
  options.user_data_free = Token::free;
  (void)token->taken_with(exposed([&] { return tcpkit_loop_start_timer(loop, &options, id); }));
}

void Subject::start_meddling() {
  meddling_ = true;
  meddler_ = std::thread([this] {
    const Scope spared(Mode::kSpared);
    meddle();
  });
}

void Subject::stop_meddling() {
  meddling_ = false;
  if (meddler_.joinable()) meddler_.join();
}

void Subject::meddle() {
  Random random(settings_.seed + 2);
  std::vector<KeptConn> mine;
  while (meddling_) {
    {
      const std::lock_guard lock(mutex_);
      mine.insert(mine.end(), kept_.begin(), kept_.end());
      kept_.clear();
    }
    meddle_with_server(random);
    if (!mine.empty()) {
      const size_t chosen = random.below(mine.size());
      meddle_with(mine[chosen], random);
      if (random.chance(5)) {
        tcpkit_conn_release(mine[chosen].conn);
        mine.erase(mine.begin() + static_cast<ptrdiff_t>(chosen));
      }
    }
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(150)));
  }
  for (const KeptConn& kept : mine) tcpkit_conn_release(kept.conn);
}

void Subject::announce(KeptConn& kept, Random& random) {
  if (settings_.cut == Cut::kNone) return;
  const std::string packet = announcement(tcpkit_conn_id(kept.conn), kept.announced);
  tcpkit_status status = TCPKIT_OK;
  if (random.chance(70)) {
    status =
        exposed([&] { return tcpkit_conn_send_packet(kept.conn, packet.data(), packet.size()); });
  } else {
    const std::string frame = framed_packet(settings_.cut, packet);
    const Scope scope(Mode::kExposed);
    tcpkit_buffer* buffer = nullptr;
    status = tcpkit_buffer_create(frame.data(), frame.size(), &buffer);
    if (status == TCPKIT_OK) status = tcpkit_conn_send_buffer(kept.conn, buffer);
    tcpkit_buffer_release(buffer);
  }
  if (status >= 0) ++kept.announced;
}

void Subject::meddle_with(KeptConn& kept, Random& random) {
  tcpkit_conn* conn = kept.conn;
  const uint64_t action = random.below(100);
  if (action < 50) return announce(kept, random);
  if (action < 60) return post_to(conn);
  if (action < 65) return add_close_handler(conn);
  const Scope scope(Mode::kExposed);
  char text[100];
  if (action < 75) return void(tcpkit_conn_pause_reading(conn));
  if (action < 90) return void(tcpkit_conn_resume_reading(conn));
  if (action < 94) return void(tcpkit_conn_remote_address(conn, text, sizeof text));
  if (action < 96) return void(tcpkit_conn_flush(conn));
  if (action < 97) return void(tcpkit_conn_shutdown(conn));
  if (action < 98) return void(tcpkit_conn_close(conn));
  if (action < 99) (void)tcpkit_conn_abort(conn);
}

void Subject::meddle_with_server(Random& random) {
  tcpkit_loop* loop = tcpkit_server_loop(server_, random.below(tcpkit_server_loop_count(server_)));
  const uint64_t action = random.below(100);
  if (action < 20) {
    Token* token = ledger_.make_token(Token::Kind::kTask);
    (void)token->taken_with(
        exposed([&] { return tcpkit_loop_post(loop, run_token, token, Token::free); }));
  } else if (action < 35) {
    start_timer(loop, &timer_id_);
  } else if (action < 45) {
    (void)exposed([&] { return tcpkit_loop_stop_timer(loop, timer_id_); });
  } else if (action < 50) {
    // A wrapped buffer that nobody sends.
    Token* token = ledger_.make_token(Token::Kind::kData);
    tcpkit_buffer* buffer = nullptr;
    (void)exposed([&] {
      return tcpkit_buffer_wrap({token, sizeof *token}, token, Token::free, &buffer);
    });
    tcpkit_buffer_release(buffer);
  } else if (action < 60) {
    tcpkit_conn* conns[4];
    size_t count = 0;
    if (exposed([&] { return tcpkit_server_list(server_, conns, 4, &count); }) != TCPKIT_OK) return;
    for (size_t i = 0; i < count && i < 4; ++i) tcpkit_conn_release(conns[i]);
  }
}

}  // namespace faults
