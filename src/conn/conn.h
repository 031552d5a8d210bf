// One connection: the pipeline from the kernel to the user's callback and back, its state, and its
// end. Lives in the slab of its loop's host.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/ref.h"
#include "base/user_data.h"
#include "buffer/shared_buffer.h"
#include "buffer/write_queue.h"
#include "conn/close_cause.h"
#include "conn/close_handlers.h"
#include "conn/conn_config.h"
#include "conn/conn_extras.h"
#include "conn/conn_frames.h"
#include "conn/conn_state.h"
#include "conn/off_loop.h"
#include "conn/proxy_info.h"
#include "loop/loop.h"
#include "loop/socket.h"
#include "metrics/rate_meter.h"

namespace tcpkit {

class ConnHost;
class FilterBuffer;
class FilterSpec;
class Detached;
class Strand;
class TlsSession;
struct ConnFilters;
struct ConnTls;
struct FilterFailure;

// Who reads and writes a connection that its loop has let go of.
enum class DetachedBy : uint8_t { kHandlerThread, kUser };

// Home thread: that of its loop, but for the calls marked "any". The loop holds one reference from
// open() to the end of finish_close().
class Conn final : public Watch, public TimerNode, public RefCounted<Conn> {
  // Size of the frame that the stash begins, if its header told. Here, where the bases leave room.
  uint32_t needed_bytes_ = 0;

 public:
  Conn(ConnHost& host, uint64_t id, int fd, const SocketAddress& peer) noexcept;
  Conn(const Conn&) = delete;
  Conn& operator=(const Conn&) = delete;
  ~Conn();

  static Conn* from_handle(tcpkit_conn* handle) noexcept { return reinterpret_cast<Conn*>(handle); }
  static const Conn* from_handle(const tcpkit_conn* handle) noexcept {
    return reinterpret_cast<const Conn*>(handle);
  }
  tcpkit_conn* handle() noexcept { return reinterpret_cast<tcpkit_conn*>(this); }

  // Any thread: facts.
  uint64_t id() const noexcept { return id_; }
  ConnHost& host() const noexcept { return host_; }
  std::string remote_address() const;
  std::string proxy_address() const;
  std::string local_address() const;
  uint64_t connected_at_ms() const noexcept { return connected_at_ms_; }
  bool is_closed() const noexcept {
    return state() != ConnState::kOpen || close_requested_.load(std::memory_order_relaxed);
  }
  uint64_t total_read() const noexcept { return total_read_.load(std::memory_order_relaxed); }
  uint64_t total_written() const noexcept { return total_written_.load(std::memory_order_relaxed); }
  uint64_t reads_per_second() const noexcept;
  uint64_t writes_per_second() const noexcept;
  uint64_t queued_bytes() const noexcept;
  // False while the PROXY header is awaited: the user knows nothing of it then.
  bool is_announced() const noexcept { return announced_.load(std::memory_order_acquire); }

  // Any thread: sending (conn_write.cpp, conn_tasks.cpp).
  Status send(std::span<const ByteView> pieces) noexcept;
  Status send_shared(SharedBuffer& buffer) noexcept;
  Status send_packet(ByteView packet) noexcept;
  bool put_frame(ByteView packet) noexcept;  // conn_frame.h
  Status flush() noexcept;

  // Any thread: control.
  enum class Control : uint8_t { kPause, kResume, kShutdown, kClose, kAbort };
  Status request(Control control) noexcept;
  Status post(tcpkit_conn_fn function, UserData user_data) noexcept;
  Status add_close_handler(tcpkit_close_fn function, UserData user_data) noexcept;

  // Any thread: blocking calls (detached.h); null while the loop drives it.
  Detached* detached() const noexcept;
  Status cancel() noexcept;

  // Any thread; null: its callbacks run on the loop. Made before it is announced.
  Strand* strand() const noexcept;

  // Home thread.
  Status detach() noexcept;
  int fd() const noexcept { return fd_.load(std::memory_order_relaxed); }
  Status set_user_data(UserData user_data) noexcept;
  void* user_data() const noexcept { return user_data_.get(); }
  // ms: TimeoutLimits::kNever for none.
  Status set_timeout(tcpkit_timeout timeout, uint32_t ms) noexcept;
  Status set_receive_rate(uint32_t bytes_per_second, uint32_t grace_ms) noexcept;
  bool find_tlv(uint8_t type, ByteView& value) const noexcept;
  // host may be null; it is copied.
  Status start_tls(const Ref<TlsCredentials>& credentials, tcpkit_tls_role role,
                   const char* host) noexcept;
  Status add_filter(std::unique_ptr<const FilterSpec> spec) noexcept;
  // Null if it is plain, or the handshake is not done.
  TlsSession* tls_session() const noexcept;
  ssl_st* native_tls() const noexcept;

  // For the host and the tasks, on the home thread.
  bool attach() noexcept;  // false: it cannot be served; errno or a log line says why
  void open(Transport transport) noexcept;
  // Dialled, and not announced yet: its time is over.
  void give_up(Status status) noexcept;
  void stop_now() noexcept;
  void drain() noexcept;
  void detached_went_on() noexcept;
  void set_worker_pause(bool paused) noexcept;
  void worker_threw() noexcept;
  void close_for(const CloseCause& cause) noexcept;
  void strand_went_on() noexcept;
  void finish_turn() noexcept;
  void continue_delivery() noexcept;
  void apply(Control control) noexcept;
  enum class Payload : uint8_t { kCopy, kShare };
  void send_posted(SharedBuffer& payload, Payload how) noexcept;
  void run_user_task(tcpkit_conn_fn function, void* user_data) noexcept;
  // Any thread: room for bytes that are on their way to the loop, or TCPKIT_E_QUEUE_FULL.
  Status reserve_posted(size_t bytes) noexcept;
  void unreserve_posted(size_t bytes) noexcept;
  // Home thread: those bytes are queued now; the budget has counted them already.
  void posted_arrived(size_t bytes) noexcept;
  void count_packet_written() noexcept { count_packets_written(1); }
  void count_packets_written(size_t packets) noexcept;

  // For broadcasts, on the home thread.
  //
  // False once it is closing, by the order of the loop's tasks: another thread may have asked for a
  // close after what is about to be done here was asked for.
  bool takes_frames() const noexcept {
    return state() == ConnState::kOpen && !shutdown_wanted_ && !write_shut_ && !write_broken_;
  }
  // The scope of a group, or of none; made if it is not there. Null if memory ran out or the
  // connection has ended.
  FrameScope* take_scope(ConnGroup* group) noexcept;
  FrameScope* find_scope(const ConnGroup* group) const noexcept;
  // Frees a scope that nothing needs any more.
  void give_back_scope(FrameScope& scope) noexcept;
  // scope: of this connection. frame: not empty, and no larger than max_bytes.
  FrameOutcome queue_frame(SharedFrame& frame, FrameScope& scope, const FrameRules& rules) noexcept;
  // Its turn has come to be written.
  void write_in_turn() noexcept {
    listed_to_write_ = false;
    list_in_turn();
  }

  void on_ready(uint32_t events) noexcept override;
  void on_timer() noexcept override;
  void destroy() noexcept;

  // Here, behind the count of references, there is room for it.
 private:
  uint32_t partial_bytes_ = 0;  // of a packet, so they fit

 public:
  Conn* next_in_turn = nullptr;     // of the host's list of connections to finish
  Conn* next_to_deliver = nullptr;  // of the host's list of connections with undelivered bytes

 private:
  friend class Detached;  // its blocking calls, on other threads, while the loop has let go of it

  // conn_read.cpp
  struct Received;
  void read_ready();
  bool receive_into(Received& received) noexcept;
  void begin_receiving(Received& received) noexcept;
  void note_no_bytes(Received& received, int error_number) noexcept;
  void join_received(Received& received, size_t bytes) noexcept;
  void note_arrival(size_t bytes) noexcept;
  void count_read(size_t bytes) noexcept;
  void deliver(Received& received);
  void deliver_packets(Received& received);
  bool cut_next(ByteView& rest, WholeFrame& frame) noexcept;
  void stop_cutting(const CutResult& cut) noexcept;
  void keep_rest(const Received& received) noexcept;
  bool grow_stash(size_t least_room) noexcept;
  Block* take_stash(size_t bytes) noexcept;
  bool can_keep(size_t bytes) const noexcept;
  void drop_stash() noexcept;
  void give_back_kept(Block* block) noexcept;
  void list_to_deliver() noexcept;
  void deliver_kept();
  void discard_input() noexcept;
  void end_of_stream();
  void deliver_tail();
  void receive_failed(int error_number) noexcept;
  void hung_up() noexcept;
  void framing_failed(Status status) noexcept;
  void pause_reading(uint8_t reason) noexcept;
  void resume_reading(uint8_t reason) noexcept;
  bool may_deliver() const noexcept {
    return state() == ConnState::kOpen && pauses_ == 0 && prelude_ != Prelude::kHandshake;
  }
  bool wants_input() const noexcept {
    if (peer_ended_ || lent_) return false;
    return state() != ConnState::kOpen || pauses_ == 0 || prelude_ == Prelude::kHandshake;
  }

  // conn_write.cpp
  Status post_packet(const Framing& framing, ByteView packet) noexcept;
  Status packet_sent() noexcept;
  Status send_frame(const Envelope& envelope, ByteView packet) noexcept;
  Status send_here(std::span<const ByteView> pieces, size_t total_bytes) noexcept;
  bool enqueue(std::span<const ByteView> pieces, size_t total_bytes) noexcept;
  bool enqueue_shared(SharedBuffer& buffer) noexcept;
  void write_through(std::span<const ByteView> pieces, size_t total_bytes) noexcept;
  uint8_t* claim_output(size_t bytes) noexcept;
  uint8_t* claim_after_flush(size_t bytes) noexcept;
  bool has_output() const noexcept { return pending_bytes() > 0; }
  size_t pending_bytes() const noexcept;
  bool spill_event_output() noexcept;
  void drop_event_output() noexcept;
  void flush_output() noexcept;
  void settle_output() noexcept;
  void flush_in_turn() noexcept;
  bool keep_event_output() noexcept;
  void write_all_output() noexcept;
  void write_event_output() noexcept;
  void write_queue(WriteQueue& queue) noexcept;
  void account_written(size_t bytes) noexcept;
  void note_progress() noexcept;
  void write_failed(int error_number) noexcept;
  void drop_all_output() noexcept;
  // Whether bytes can still leave: those that other threads sent before a close may come after it.
  bool write_open() const noexcept {
    return state() <= ConnState::kFlushing && !write_shut_ && !write_broken_;
  }
  // Nothing is queued here, or on its way here from other threads.
  bool all_sent() const noexcept {
    return queue_.empty() && posted_bytes_.load(std::memory_order_relaxed) == 0 &&
           !has_sealed_rest() && encoded_bytes() == 0;
  }

  // conn_frames.cpp
  bool may_drop_frames() const noexcept;
  bool is_behind(const FrameBacklog& backlog, const SharedFrame& frame,
                 const FrameRules& rules) const noexcept;
  FrameOutcome queue_pinned(SharedFrame& frame, FrameScope& scope,
                            const FrameRules& rules) noexcept;
  FrameOutcome append_frame(SharedFrame& frame, FrameScope& scope,
                            const FrameRules& rules) noexcept;
  FrameOutcome apply_policy(SharedFrame& frame, FrameScope& scope,
                            const FrameRules& rules) noexcept;
  void frame_queued(const FrameRules& rules) noexcept;
  bool replace_frame(SharedFrame& frame, FrameScope& scope, const FrameRules& rules) noexcept;
  bool make_room(const SharedFrame& frame, FrameScope& scope, const FrameRules& rules) noexcept;
  void frames_dropped() noexcept;
  void end_scopes() noexcept;

  // conn_tls.cpp
  void begin_transport() noexcept;
  void arm_handshake_timer() noexcept;
  bool take_prelude(Received& received);
  void prelude_overdue() noexcept;
  Status begin_handshake(const Ref<TlsCredentials>& credentials, tcpkit_tls_role role,
                         const char* host) noexcept;
  void read_handshake();
  void step_handshake();
  void finish_handshake();
  void uncount_handshake() noexcept;
  void tls_failed() noexcept;
  void refuse_clear_bytes() noexcept;
  bool receive_sealed(Received& received) noexcept;
  bool open_input(Received& received, size_t sealed_bytes) noexcept;
  bool has_untold_end() const noexcept;
  void tell_tls_end();
  bool is_truncated() noexcept;
  IoResult transmit(std::span<iovec> pieces) noexcept;
  IoResult transmit_sealed(std::span<const iovec> pieces) noexcept;
  void take_sealed_output() noexcept;
  size_t send_sealed_now(ByteView bytes) noexcept;
  void sealed_has_left() noexcept;
  bool flush_sealed() noexcept;
  bool may_seal() noexcept;
  void write_clear() noexcept;
  bool may_end_orderly() const noexcept;
  void say_goodbye() noexcept;
  void drop_tls_output() noexcept;
  // Asked in every event, so a plain connection calls nothing.
  size_t sealed_plain_bytes() const noexcept { return tls_ == nullptr ? 0 : sealed_plain_of_tls(); }
  bool has_sealed_rest() const noexcept { return tls_ != nullptr && tls_has_sealed_rest(); }
  size_t sealed_plain_of_tls() const noexcept;
  bool tls_has_sealed_rest() const noexcept;

  // Any thread; null: none.
  ConnExtras* extras() const noexcept { return extras_.load(std::memory_order_acquire); }
  ConnExtras* make_extras() noexcept;  // null if memory ran out
  const ProxyInfo* proxy() const noexcept {
    return extras() == nullptr ? nullptr : extras()->proxy.load(std::memory_order_acquire);
  }
  OffLoop* off_loop() const noexcept {
    return extras() == nullptr ? nullptr : extras()->off_loop.load(std::memory_order_acquire);
  }
  ConnFilters* filters() const noexcept {
    return extras() == nullptr ? nullptr : extras()->filters.get();
  }

  // conn_filters.cpp
  bool make_filters() noexcept;
  bool install_filters() noexcept;
  void begin_new_filters() noexcept;
  void decode_received(Received& received);
  ByteView decode_and_deliver(Received& received, ByteView bytes, size_t first_stage);
  void deliver_decoded(Received& received, FilterBuffer& decoded);
  void keep_undecoded(ByteView bytes) noexcept;
  void deliver_kept_decoded();
  void settle_decoding() noexcept;
  void drop_undecoded() noexcept;
  bool end_decoding();
  void decoding_failed() noexcept;
  void tell_filter_failure(const FilterFailure& failure) noexcept;
  const char* filter_detail() const noexcept;
  void end_filters() noexcept;

  // conn_encode.cpp
  void write_filtered() noexcept;
  bool encode_event_output() noexcept;
  bool encode_batch() noexcept;
  bool encode(ByteView bytes) noexcept;
  bool flush_filters() noexcept;
  bool write_encoded() noexcept;
  bool keep_encoded(ByteView rest) noexcept;
  Status encode_all() noexcept;
  bool end_encoding() noexcept;
  void encoding_failed() noexcept;
  bool encoding_has_failed() const noexcept;
  void drop_encoded() noexcept;
  WriteQueue& lower_queue() noexcept;
  size_t encoded_bytes() const noexcept { return filters() == nullptr ? 0 : encoded_of_filters(); }
  size_t encoded_of_filters() const noexcept;

  // conn_detached.cpp
  bool leave_loop(DetachedBy who) noexcept;
  void detach_for_handler() noexcept;
  bool is_handed_over() const noexcept;
  void hand_over() noexcept;
  void end_detached_event() noexcept;
  void end_stream_if_wanted() noexcept;
  void flush_tls_answers() noexcept;
  void recall() noexcept;
  void take_back() noexcept;

  // conn_strand.cpp
  bool make_strand() noexcept;
  bool is_for_strand(const CloseCause& cause) noexcept;
  void discard_deliveries(const CloseCause& cause) noexcept;
  void finish_when_strand_rests() noexcept;

  // conn_proxy.cpp
  bool expect_proxy_header() noexcept;
  bool take_proxy_header(Received& received);
  bool keep_proxy_header(const ProxyHeader& header) noexcept;
  bool admit_proxied() noexcept;
  bool end_in_prelude();
  PeerAddress counted_peer() const noexcept;
  void proxy_failed(tcpkit_close_reason reason, const char* why) noexcept;
  void proxy_done() noexcept;
  void proxy_overdue() noexcept;

  // conn_dialled.cpp
  bool send_proxy_header() noexcept;
  void begin_dialled() noexcept;
  void tell_end(const tcpkit_close_info& info) noexcept;

  // conn_flow.cpp
  bool find_room(size_t bytes) noexcept;
  Status admit(size_t bytes) noexcept;
  Status refuse_full(size_t bytes) noexcept;
  Status after_queueing() noexcept;
  Status note_level() noexcept;
  void leave_high() noexcept;
  void publish_queued() noexcept;
  bool take_room(size_t bytes) noexcept;
  bool take_room_here(size_t bytes) noexcept;
  void out_of_room() noexcept;
  bool take_room_below_high(size_t bytes) noexcept;
  void begin_waiting() noexcept;
  bool owes_bytes() const noexcept;
  ConnTimeouts::Running running_timeouts() const noexcept;
  void begin_reading_time() noexcept;
  void schedule_timeouts() noexcept;
  void check_timeouts() noexcept;
  void timed_out(ConnTimeouts::Kind kind) noexcept;
  Status set_detached_timeout(tcpkit_timeout timeout, uint32_t ms) noexcept;

  // conn.cpp
  ConnState state() const noexcept { return state_.load(std::memory_order_relaxed); }
  void announce() noexcept;
  void step(ConnStep step) noexcept;
  void begin_close(const CloseCause& cause) noexcept;
  void fail_now(const CloseCause& cause) noexcept;
  // Outside an event of its own a connection finishes at the end of the turn.
  void touch() noexcept {
    if (!in_event_) list_in_turn();
  }
  void list_in_turn() noexcept;
  // Something came between an orderly end that was begun and its success.
  void forget_orderly_cause() noexcept {
    const bool orderly =
        cause_.reason == TCPKIT_CLOSE_LOCAL || cause_.reason == TCPKIT_CLOSE_PEER_FIN;
    if (orderly) cause_.reason = 0;
  }
  void end_event() noexcept;
  bool is_settled() const noexcept;
  void close_if_idle() noexcept;
  void advance_close() noexcept;
  void arm_close_timer() noexcept;
  void disarm_timer() noexcept;
  void update_interest() noexcept;
  void finish_close() noexcept;
  void count_drained() noexcept;
  void give_up_descriptor() noexcept;
  void run_close_handlers(const tcpkit_close_info& info) noexcept;
  tcpkit_close_info close_info() const noexcept;
  void callback_threw() noexcept;

  // Of watched_events_: the descriptor is not in the epoll set.
  static constexpr uint32_t kNotWatched = UINT32_MAX;
  // What is awaited before the user's bytes.
  enum class Prelude : uint8_t { kNone, kProxyHeader, kFirstByte, kHandshake };
  // Bits of pauses_.
  static constexpr uint8_t kPausedByUser = 1;
  static constexpr uint8_t kPausedByOutput = 2;
  // Filters were added: what lies behind the packet in hand is for them. Until the event ends.
  static constexpr uint8_t kPausedByNewFilters = 4;
  static constexpr uint8_t kPausedDetached = 8;
  static constexpr uint8_t kPausedByWorkers = 16;

  ConnHost& host_;
  const uint64_t id_;
  const uint64_t connected_at_ms_;
  const PeerAddress peer_;
  std::atomic<int> fd_;  // -1 once closed; changed under the slab's lock
  uint32_t watched_events_ = kNotWatched;

  std::atomic<ConnState> state_{ConnState::kOpen};
  // What calls from any thread look at. The loop goes by the order of posted tasks instead: what
  // was sent before a close was asked for is still sent.
  std::atomic<bool> sends_refused_{false};
  std::atomic<bool> close_requested_{false};
  // More than high_watermark bytes were queued, or were on their way here. Set by the thread whose
  // send found that, cleared by the loop; see leave_high().
  std::atomic<bool> above_high_{false};
  uint8_t pauses_ = 0;  // why nothing is read
  std::atomic<bool> announced_{false};
  // In bits, since a connection has 384 bytes.
  bool has_undelivered_ : 1 = false;  // the stash holds bytes that the framer was not shown yet
  bool listed_to_deliver_ : 1 = false;
  bool listed_in_turn_ : 1 = false;
  bool listed_to_write_ : 1 = false;
  bool peer_ended_ : 1 = false;
  bool shutdown_wanted_ : 1 = false;
  bool write_shut_ : 1 = false;    // our FIN is sent
  bool write_broken_ : 1 = false;  // a write failed; reading finds the end
  bool ended_ : 1 = false;         // the last callback has run
  bool drained_by_force_ : 1 = false;
  bool is_tls_wanted_ : 1 = false;  // of the listener
  bool lent_ : 1 = false;           // detached, and not taken back yet
  bool in_event_ : 1 = false;
  bool flushing_ : 1 = false;        // the free function of a sent buffer must not write
  bool waits_writable_ : 1 = false;  // the kernel's buffer is full
  Prelude prelude_ : 2 = Prelude::kNone;

  WriteQueue queue_;
  Block* stash_ = nullptr;  // received bytes that are no whole packet, or not delivered yet
  FramerState framer_;
  std::unique_ptr<ConnTls> tls_;              // null: plain
  std::atomic<ConnExtras*> extras_{nullptr};  // owned; written once
  UserData user_data_;
  CloseHandlers close_handlers_;
  ConnTimeouts timeouts_;
  CloseCause cause_{0, TCPKIT_OK, 0};
  uint64_t unsent_bytes_ = 0;

  std::atomic<uint64_t> total_read_{0};
  std::atomic<uint64_t> total_written_{0};
  // For every thread: what is queued here as of the last publish_queued(), and what was sent
  // elsewhere. One number, so that what arrives from elsewhere is never seen twice, nor not at all.
  std::atomic<uint64_t> total_queued_{0};
  uint64_t published_bytes_ = 0;           // the part of total_queued_ that is queued here
  std::atomic<uint64_t> posted_bytes_{0};  // the other part: on their way to the loop
  RateMeter read_rate_;
  RateMeter write_rate_;
};

}  // namespace tcpkit
