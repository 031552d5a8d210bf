// TLS between the kernel and the rest of a connection: the handshake before its first callback or
// in its middle, opening of what is received, sealing of what is sent, and the goodbye.

// An account of the way of the bytes:
//
// Sealed bytes are received straight into the loop's engine and all of them are opened at once,
// into the loop's read buffer or behind a large stash; from there on nothing differs from a plain
// connection, and the engine is empty again. What is sent stays plain in the event's output or in
// the connection's queue until it is written: then it is sealed, as much as the kernel takes and at
// most one batch more. That batch waits, sealed, in ConnTls; no more is sealed before it has left.
// So what counts as queued is always the user's bytes.
#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_received.h"
#include "conn/conn_tls.h"

namespace tcpkit {
namespace {

constexpr uint8_t kAlertRecord = 21;
constexpr uint8_t kHandshakeRecord = 22;
constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kRecordBytes = 16u << 10;
constexpr size_t kEntriesPerWrite = 64;

// Takes plain bytes off a list of pieces, as few and as full records as that gives: long pieces
// where they lie, short ones copied together.
class PlainBytes {
 public:
  explicit PlainBytes(std::span<const iovec> pieces) noexcept : pieces_(pieces) {}

  // At most `most` bytes; empty at the end. Valid until the next call.
  ByteView take(size_t most) noexcept {
    skip_empty();
    if (pieces_.empty()) return {};
    if (left_in_piece() >= kRecordBytes || pieces_.size() == 1) return take_from_piece(most);
    size_t copied = 0;
    const size_t wanted = std::min(most, kRecordBytes);
    while (copied < wanted && !pieces_.empty()) {
      const ByteView part = take_from_piece(wanted - copied);
      std::memcpy(record_.data() + copied, part.data(), part.size());
      copied += part.size();
      skip_empty();
    }
    return {record_.data(), copied};
  }

 private:
  size_t left_in_piece() const noexcept { return pieces_[0].iov_len - offset_; }
  void skip_empty() noexcept {
    while (!pieces_.empty() && left_in_piece() == 0) {
      pieces_ = pieces_.subspan(1);
      offset_ = 0;
    }
  }
  ByteView take_from_piece(size_t most) noexcept {
    const ByteView taken(static_cast<const uint8_t*>(pieces_[0].iov_base) + offset_,
                         std::min(most, left_in_piece()));
    offset_ += taken.size();
    return taken;
  }

  std::span<const iovec> pieces_;
  size_t offset_ = 0;
  std::array<uint8_t, kRecordBytes> record_;
};

size_t total_size(std::span<const iovec> pieces) noexcept {
  size_t total = 0;
  for (const iovec& piece : pieces) total += piece.iov_len;
  return total;
}

}  // namespace

// ---- Before the first callback ----

// What comes before the user gets to know the connection, behind a PROXY header.
void Conn::begin_transport() noexcept {
  const TlsConfig& tls = host_.config().tls;
  if (!is_tls_wanted_) return announce();
  if (!tls.or_plain) {
    (void)begin_handshake(tls.credentials, TCPKIT_TLS_SERVER, nullptr);
    return;
  }
  prelude_ = Prelude::kFirstByte;
  arm_handshake_timer();
}

void Conn::arm_handshake_timer() noexcept {
  const uint64_t timeout_ms = host_.config().tls.handshake_timeout_ms;
  if (timeout_ms == TCPKIT_UNLIMITED) return;
  host_.loop().timers().arm(*this, host_.loop().deadline_in(timeout_ms));
}

// True: what is left of received is the user's, who knows the connection now.
bool Conn::take_prelude(Received& received) {
  if (prelude_ == Prelude::kProxyHeader && !take_proxy_header(received)) return false;
  if (received.bytes.empty() || state() != ConnState::kOpen) return prelude_ == Prelude::kNone;
  if (prelude_ == Prelude::kFirstByte) {
    prelude_ = Prelude::kNone;
    disarm_timer();
    if (received.bytes[0] != kHandshakeRecord) {
      announce();
      return true;
    }
    (void)begin_handshake(host_.config().tls.credentials, TCPKIT_TLS_SERVER, nullptr);
  }
  if (state() != ConnState::kOpen) return false;  // no room for one more handshake
  if (prelude_ == Prelude::kNone) return true;
  tls_->peer_began = true;
  host_.loop_host().tls_engine()->put_input(received.bytes);
  received.bytes = {};
  drop_stash();
  step_handshake();
  return false;
}

// Nobody has said anything in the time that was given for it.
void Conn::prelude_overdue() noexcept {
  if (prelude_ == Prelude::kProxyHeader) return proxy_overdue();
  if (prelude_ == Prelude::kHandshake) {
    host_.own_counters().tls_failures.add(1);
    return fail_now({TCPKIT_CLOSE_HANDSHAKE_TIMEOUT, TCPKIT_E_TIMED_OUT, 0});
  }
  in_event_ = true;
  prelude_ = Prelude::kNone;
  announce();
  end_event();
}

// ---- The handshake ----

// An error leaves the connection as it was, but for one that the limit ends.
Status Conn::begin_handshake(const Ref<TlsCredentials>& credentials, tcpkit_tls_role role,
                             const char* host) noexcept {
  TlsEngine* engine = host_.loop_host().tls_engine();
  ssl_st* ssl = engine == nullptr ? nullptr : credentials->new_ssl(role);
  if (ssl != nullptr) tls_.reset(new (std::nothrow) ConnTls(credentials, *engine, ssl));
  if (tls_ == nullptr) {
    if (!is_announced()) fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    return fail(TCPKIT_E_NO_MEMORY, "out of memory for a TLS session");
  }
  if (host != nullptr && !tls_->session.expect_host(host)) {
    tls_.reset();
    return fail(TCPKIT_E_INVALID_ARGUMENT, "server_name is \"%s\", which is no host name", host);
  }
  prelude_ = Prelude::kHandshake;
  if (!host_.config().handshakes.add_up_to(1, host_.config().tls.max_handshakes)) {
    host_.own_counters().refused_by_handshakes.add(1);
    host_.config().warn_of_limit(ServerLimit::kHandshakes);
    reset_at_close(fd());
    fail_now({TCPKIT_CLOSE_LIMIT, TCPKIT_E_LIMIT, 0});
    return TCPKIT_OK;
  }
  tls_->counted_handshake = true;
  disarm_timer();
  arm_handshake_timer();
  return TCPKIT_OK;
}

Status Conn::start_tls(const Ref<TlsCredentials>& credentials, tcpkit_tls_role role,
                       const char* host) noexcept {
  if (is_closed()) return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
  if (tls_ != nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "conn: it speaks TLS already");
  if (lent_) return fail(TCPKIT_E_NOT_SUPPORTED, "conn: it is detached");
  if (has_output() && !waits_writable_) flush_output();
  const Status encoded = filters() == nullptr ? TCPKIT_OK : encode_all();
  if (encoded != TCPKIT_OK) return encoded;
  const Status status = begin_handshake(credentials, role, host);
  if (status != TCPKIT_OK || state() != ConnState::kOpen) return status;
  tls_->clear_bytes = lower_queue().bytes();
  if (role == TCPKIT_TLS_CLIENT) step_handshake();
  touch();
  return TCPKIT_OK;
}

void Conn::read_handshake() {
  // The kernel reminds us in the next turn.
  if (!host_.may_handshake()) return;
  TlsEngine& engine = *host_.loop_host().tls_engine();
  const std::span<uint8_t> space = engine.input_space();
  const IoResult result = receive(fd(), space.data(), std::min(space.size(), host_.read_size()));
  if (result.bytes > 0) {
    // OpenSSL would wait for the rest of a header.
    const bool too_few_to_tell = !tls_->peer_began && result.bytes < kRecordHeaderBytes;
    if (too_few_to_tell && space[0] != kHandshakeRecord && space[0] != kAlertRecord) {
      tls_->session.set_failure(TCPKIT_E_TLS_NOT_TLS, "the first byte begins no handshake of TLS");
      return tls_failed();
    }
    engine.input_came(result.bytes);
    tls_->peer_began = true;
    return step_handshake();
  }
  if (result.error_number == EAGAIN) return;
  // Whoever looks whether there is a server has not failed.
  if (tls_->peer_began) host_.own_counters().tls_failures.add(1);
  if (result.error_number != 0) return receive_failed(result.error_number);
  if (!tls_->peer_began) return fail_now({TCPKIT_CLOSE_PEER_FIN, TCPKIT_OK, 0});
  tls_->session.set_failure(TCPKIT_E_TLS_TRUNCATED, "the stream ended inside the handshake");
  fail_now({TCPKIT_CLOSE_TLS_TRUNCATED, TCPKIT_E_TLS_TRUNCATED, 0});
}

void Conn::step_handshake() {
  const uint64_t begin_ns = monotonic_ns();
  const TlsSession::Progress progress = tls_->session.handshake();
  host_.loop_host().count_handshake_time(monotonic_ns() - begin_ns);
  take_sealed_output();
  if (progress == TlsSession::Progress::kFailed) return tls_failed();
  if (progress == TlsSession::Progress::kDone && state() == ConnState::kOpen) finish_handshake();
}

void Conn::uncount_handshake() noexcept {
  if (!tls_->counted_handshake) return;
  tls_->counted_handshake = false;
  host_.config().handshakes.remove_one();
}

// What came behind the handshake in the same read is opened here, whether the user wants it now or
// not: the engine is for everybody.
void Conn::finish_handshake() {
  const ConnConfig& config = host_.config();
  LoopCounters& counters = host_.own_counters();
  counters.tls_handshakes.add(1);
  if (tls_->session.resumed()) counters.tls_resumed.add(1);
  uncount_handshake();
  prelude_ = Prelude::kNone;
  disarm_timer();
  Received received{Quantum(config.read_quantum_ns), {}};
  const bool opened = open_input(received, 0);
  if (!is_announced()) {
    announce();
  } else {
    begin_reading_time();
    if (config.handlers.on_tls != nullptr) {
      config.handlers.on_tls(handle(), config.handlers.user_data);
    }
  }
  if (opened && state() == ConnState::kOpen) {
    if (filters() != nullptr) {
      decode_received(received);
    } else if (may_deliver()) {
      deliver(received);
    } else {
      has_undelivered_ = true;
      keep_rest(received);
    }
  }
  tell_tls_end();
}

void Conn::tls_failed() noexcept {
  const TlsFailure* failure = tls_->session.failure();
  if (prelude_ == Prelude::kHandshake) host_.own_counters().tls_failures.add(1);
  host_.config().log.write(TCPKIT_LOG_INFO, "connection %llu is closed: TLS: %s",
                           static_cast<unsigned long long>(id_),
                           failure == nullptr ? "out of memory" : failure->detail.c_str());
  fail_now({TCPKIT_CLOSE_TLS_ERROR, failure == nullptr ? TCPKIT_E_NO_MEMORY : failure->status, 0});
}

// After start_tls: what had come in clear by then may be of somebody else.
void Conn::refuse_clear_bytes() noexcept {
  tls_->session.set_failure(TCPKIT_E_TLS, "bytes came in clear after TLS had begun");
  tls_failed();
}

// ---- Receiving ----

bool Conn::receive_sealed(Received& received) noexcept {
  if (tls_->next != TlsSession::Opening::kMore) return false;
  TlsEngine& engine = *host_.loop_host().tls_engine();
  const std::span<uint8_t> space = engine.input_space();
  const size_t size = std::min(space.size(), host_.read_size());
  const IoResult result = receive(fd(), space.data(), size);
  if (result.bytes == 0) {
    note_no_bytes(received, result.error_number);
    return false;
  }
  note_arrival(result.bytes);
  engine.input_came(result.bytes);
  received.filled = result.bytes == size;
  return open_input(received, result.bytes);
}

// False if no plain bytes came of it.
bool Conn::open_input(Received& received, size_t sealed_bytes) noexcept {
  begin_receiving(received);
  const size_t most = sealed_bytes + LoopHost::kRecordRoom;
  if (received.in_stash && !grow_stash(most)) {
    host_.loop_host().tls_engine()->clear_input();
    return false;
  }
  const std::span<uint8_t> room =
      received.in_stash
          ? std::span<uint8_t>(stash_->bytes() + stash_->end, stash_->room())
          : std::span<uint8_t>(host_.read_buffer(), host_.read_size() + LoopHost::kRecordRoom);
  const TlsSession::Opened opened = tls_->session.open(room);
  tls_->next = opened.then;
  take_sealed_output();
  if (opened.bytes == 0) return false;
  count_read(opened.bytes);
  join_received(received, opened.bytes);
  return true;
}

bool Conn::has_untold_end() const noexcept {
  return tls_ != nullptr && tls_->next != TlsSession::Opening::kMore && !peer_ended_;
}

// Once everything before it is delivered.
void Conn::tell_tls_end() {
  if (!has_untold_end() || !may_deliver() || has_undelivered_) return;
  if (tls_->next == TlsSession::Opening::kFailed) return tls_failed();
  tls_->peer_said_goodbye = true;
  end_of_stream();
}

// At the end of the stream. True: its sender did not say that it is one.
bool Conn::is_truncated() noexcept {
  if (tls_ == nullptr || tls_->peer_said_goodbye) return false;
  tls_->session.set_failure(TCPKIT_E_TLS_TRUNCATED, "the stream ended without close_notify");
  return true;
}

// ---- Sending ----

// What the kernel takes of pieces now; counts it.
IoResult Conn::transmit(std::span<iovec> pieces) noexcept {
  if (tls_ != nullptr) [[unlikely]]
    return transmit_sealed(pieces);
  const IoResult result = send_gathered(fd(), pieces);
  account_written(result.bytes);
  return result;
}

// Bytes that were sealed count as taken, since they cannot be taken back; account_written() gets
// them when the kernel has all of them.
IoResult Conn::transmit_sealed(std::span<const iovec> pieces) noexcept {
  PlainBytes plain(pieces);
  const size_t total = total_size(pieces);
  size_t taken = 0;
  while (taken < total && flush_sealed()) {
    size_t batch = 0;
    while (batch < TlsEngine::kMostPlainBytes) {
      const ByteView record = plain.take(TlsEngine::kMostPlainBytes - batch);
      if (record.empty()) break;
      if (!tls_->session.seal(record)) {
        tls_failed();
        return {taken, EAGAIN};
      }
      batch += record.size();
    }
    taken += batch;
    tls_->sealed_plain += batch;
    take_sealed_output();
    if (state() == ConnState::kClosed || write_broken_) break;
  }
  return {taken, taken < total ? EAGAIN : 0};
}

// Hands what the engine has sealed to the kernel, or keeps it.
void Conn::take_sealed_output() noexcept {
  TlsEngine& engine = tls_->session.engine();
  for (ByteView bytes = engine.output(); !bytes.empty(); bytes = engine.output()) {
    const size_t sent = send_sealed_now(bytes);
    const ByteView rest = bytes.subspan(sent);
    const bool kept = rest.empty() || write_broken_ ||
                      tls_->sealed.append(host_.blocks(), {&rest, 1}, rest.size());
    engine.output_taken(bytes.size());
    if (!kept) fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
  }
  if (tls_->sealed.empty()) return sealed_has_left();
  if (!waits_writable_ && tls_->clear_bytes == 0) begin_waiting();
}

size_t Conn::send_sealed_now(ByteView bytes) noexcept {
  if (!tls_->sealed.empty() || tls_->clear_bytes > 0 || waits_writable_ || write_broken_) return 0;
  iovec entry{const_cast<uint8_t*>(bytes.data()), bytes.size()};
  const IoResult result = send_gathered(fd(), {&entry, 1});
  if (result.error_number != 0 && result.error_number != EAGAIN) write_failed(result.error_number);
  return result.bytes;
}

void Conn::sealed_has_left() noexcept {
  const size_t plain = tls_->sealed_plain;
  tls_->sealed_plain = 0;
  if (!write_broken_) account_written(plain);
}

// True if nothing sealed waits any more.
bool Conn::flush_sealed() noexcept {
  std::array<iovec, kEntriesPerWrite> entries;
  while (!tls_->sealed.empty()) {
    if (waits_writable_) return false;
    const size_t count = tls_->sealed.gather(entries);
    const IoResult result = send_gathered(fd(), {entries.data(), count});
    if (result.error_number != 0 && result.error_number != EAGAIN) {
      write_failed(result.error_number);
      return false;
    }
    const size_t offered = total_size({entries.data(), count});
    tls_->sealed.consume(host_.blocks(), result.bytes);
    if (result.bytes > 0) note_progress();
    if (result.bytes < offered) {
      begin_waiting();
      return false;
    }
  }
  sealed_has_left();
  return true;
}

// False: nothing may be sealed now, and what the event has sent is kept.
bool Conn::may_seal() noexcept {
  if (prelude_ != Prelude::kHandshake && tls_->clear_bytes == 0) return flush_sealed();
  if (!keep_event_output()) return false;
  if (tls_->clear_bytes > 0) write_clear();
  if (tls_->clear_bytes == 0) (void)flush_sealed();
  return false;
}

// What was sent before TLS began.
void Conn::write_clear() noexcept {
  std::array<iovec, kEntriesPerWrite> entries;
  while (tls_->clear_bytes > 0 && !waits_writable_) {
    size_t count = lower_queue().gather(entries);
    size_t offered = 0;
    for (size_t i = 0; i < count; ++i) {
      entries[i].iov_len = std::min(entries[i].iov_len, tls_->clear_bytes - offered);
      offered += entries[i].iov_len;
      if (offered == tls_->clear_bytes) count = i + 1;
    }
    const IoResult result = send_gathered(fd(), {entries.data(), count});
    if (result.error_number != 0 && result.error_number != EAGAIN) {
      return write_failed(result.error_number);
    }
    account_written(result.bytes);
    lower_queue().consume(host_.blocks(), result.bytes);
    tls_->clear_bytes -= result.bytes;
    if (result.bytes < offered) begin_waiting();
  }
}

// Not where bytes are missing: the peer would take what it has for all.
bool Conn::may_end_orderly() const noexcept {
  if (write_broken_ || write_shut_ || encoding_has_failed()) return false;
  if (!queue_.empty() || encoded_bytes() > 0) return false;
  return cause_.reason != TCPKIT_CLOSE_ABORTED && cause_.reason != TCPKIT_CLOSE_LIMIT;
}

// Seals close_notify, once; it leaves before the end of our stream.
void Conn::say_goodbye() noexcept {
  if (tls_ == nullptr || !may_end_orderly()) return;
  if (tls_->session.close_notify()) take_sealed_output();
}

void Conn::drop_tls_output() noexcept {
  if (tls_ == nullptr) return;
  unsent_bytes_ += tls_->sealed_plain;
  tls_->sealed_plain = 0;
  tls_->sealed.clear(host_.blocks());
}

size_t Conn::sealed_plain_of_tls() const noexcept {
  return tls_->sealed_plain;
}

bool Conn::tls_has_sealed_rest() const noexcept {
  return !tls_->sealed.empty();
}

// ---- Facts ----

TlsSession* Conn::tls_session() const noexcept {
  const bool agreed = tls_ != nullptr && tls_->session.handshake_done();
  return agreed && tls_->session.native() != nullptr ? &tls_->session : nullptr;
}

ssl_st* Conn::native_tls() const noexcept {
  return tls_ == nullptr ? nullptr : tls_->session.native();
}

}  // namespace tcpkit
