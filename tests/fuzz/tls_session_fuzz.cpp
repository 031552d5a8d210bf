// Two TLS sessions that talk to each other while the input drops, changes and adds bytes between
// them. Whatever happens, nothing is read twice, and an undisturbed stream arrives as it was
// sealed.
#include <algorithm>
#include <cstdlib>
#include <deque>
#include <vector>

#include "tls/credentials.h"
#include "tls/engine.h"
#include "tls/session.h"

namespace tcpkit::fuzz {
namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

Ref<TlsCredentials> make_credentials() {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.self_signed = "localhost";
  options.insecure_accept_any_certificate = TCPKIT_ON;
  Ref<TlsCredentials> made;
  check(TlsCredentials::create(options, made) == TCPKIT_OK);
  return made;
}

TlsCredentials& credentials() {
  static const Ref<TlsCredentials> shared = make_credentials();
  return *shared;
}

// One end, with what is on its way to it.
class Side {
 public:
  explicit Side(tcpkit_tls_role role) : session_(open(engine_), credentials().new_ssl(role)) {}

  // Works on up to `most` of the bytes that have come.
  void step(size_t most) {
    if (over_) return;
    const size_t size = std::min(most, coming_.size());
    std::vector<uint8_t> bytes(coming_.begin(), coming_.begin() + static_cast<long>(size));
    coming_.erase(coming_.begin(), coming_.begin() + static_cast<long>(size));
    engine_.put_input(bytes);
    if (!session_.handshake_done()) {
      const TlsSession::Progress progress = session_.handshake();
      over_ = progress == TlsSession::Progress::kFailed;
      if (progress != TlsSession::Progress::kDone) return check_failure();
    }
    open_all(size);
  }
  // Seals some bytes if it may.
  void say(uint8_t first, size_t size) {
    if (over_ || !session_.handshake_done() || said_goodbye_) return;
    std::vector<uint8_t> plain(size);
    for (size_t i = 0; i < size; ++i) plain[i] = static_cast<uint8_t>(first + i);
    if (!session_.seal(plain)) {
      over_ = true;
      return check_failure();
    }
    sealed_.insert(sealed_.end(), plain.begin(), plain.end());
  }
  void say_goodbye() { said_goodbye_ = session_.close_notify() || said_goodbye_; }

  void move_output_to(Side& other) {
    for (ByteView bytes = engine_.output(); !bytes.empty(); bytes = engine_.output()) {
      other.coming_.insert(other.coming_.end(), bytes.begin(), bytes.end());
      engine_.output_taken(bytes.size());
    }
  }
  void add(ByteView bytes) { coming_.insert(coming_.end(), bytes.begin(), bytes.end()); }
  void change(size_t index, uint8_t mask) {
    if (!coming_.empty()) coming_[index % coming_.size()] ^= mask;
  }
  void drop(size_t size) {
    size = std::min(size, coming_.size());
    coming_.erase(coming_.begin(), coming_.begin() + static_cast<long>(size));
  }

  const std::vector<uint8_t>& opened() const { return opened_; }
  const std::vector<uint8_t>& sealed() const { return sealed_; }
  bool failed() const { return over_; }

 private:
  static constexpr size_t kRecordRoom = (16u << 10) + 1;

  static TlsEngine& open(TlsEngine& engine) {
    check(engine.open());
    return engine;
  }
  void open_all(size_t input_size) {
    std::vector<uint8_t> room(input_size + kRecordRoom);
    const TlsSession::Opened result = session_.open(room);
    check(result.bytes < room.size());
    check(engine_.input_space().size() == TlsEngine::kBufferBytes);  // it took all of it
    opened_.insert(opened_.end(), room.begin(), room.begin() + static_cast<long>(result.bytes));
    over_ = result.then != TlsSession::Opening::kMore;
    if (result.then == TlsSession::Opening::kFailed) check_failure();
  }
  void check_failure() const {
    if (over_) check(session_.failure() != nullptr && session_.failure()->status < 0);
  }

  TlsEngine engine_;
  TlsSession session_;
  std::deque<uint8_t> coming_;
  std::vector<uint8_t> opened_;
  std::vector<uint8_t> sealed_;
  bool over_ = false;
  bool said_goodbye_ = false;
};

bool is_begin_of(const std::vector<uint8_t>& part, const std::vector<uint8_t>& whole) {
  return part.size() <= whole.size() && std::equal(part.begin(), part.end(), whole.begin());
}

// Runs the rest of a handshake and of a conversation.
void settle(Side& client, Side& server) {
  constexpr int kTurns = 12;
  for (int turn = 0; turn < kTurns; ++turn) {
    client.step(TlsEngine::kBufferBytes / 2);
    client.move_output_to(server);
    server.step(TlsEngine::kBufferBytes / 2);
    server.move_output_to(client);
  }
}

void run(ByteView script) {
  Side server(TCPKIT_TLS_SERVER);
  Side client(TCPKIT_TLS_CLIENT);
  bool tampered = false;
  size_t at = 0;
  const auto next = [&]() -> uint8_t { return at < script.size() ? script[at++] : 0; };
  while (at < script.size()) {
    const uint8_t order = next();
    Side& side = (order & 1) != 0 ? server : client;
    Side& other = (order & 1) != 0 ? client : server;
    const size_t size = next();
    switch ((order >> 1) % 8) {
      case 0:
        side.step(size);
        break;
      case 1:
        side.step(TlsEngine::kBufferBytes / 2);
        side.move_output_to(other);
        break;
      case 2:
        side.say(next(), size * 97);
        side.move_output_to(other);
        break;
      case 3:
        side.say_goodbye();
        side.move_output_to(other);
        break;
      case 4:
        settle(client, server);
        break;
      case 5: {
        const size_t rest = std::min(size, script.size() - at);
        side.add(script.subspan(at, rest));
        at += rest;
        tampered = tampered || rest > 0;
        break;
      }
      case 6:
        side.change(size, next());
        tampered = true;
        break;
      default:
        side.drop(size);
        tampered = true;
    }
  }
  settle(client, server);
  check(is_begin_of(server.opened(), client.sealed()));
  check(is_begin_of(client.opened(), server.sealed()));
  if (!tampered) check(server.opened() == client.sealed() && client.opened() == server.sealed());
}

}  // namespace
}  // namespace tcpkit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  constexpr size_t kLongestScript = 4096;
  if (size <= kLongestScript) tcpkit::fuzz::run({data, size});
  return 0;
}
