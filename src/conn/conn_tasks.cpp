// One task per call from another thread; it keeps the connection alive until it has run.
#include "conn/conn_tasks.h"

#include <cstring>
#include <new>

#include "conn/conn_host.h"
#include "conn/strand.h"

namespace tcpkit {
namespace {

// A payload up to this size is copied once more, into the connection's block, so that small sends
// leave together; a larger one is referenced.
constexpr size_t kCopiedPayloadBytes = 8192;

Status not_running() noexcept {
  return fail(TCPKIT_E_NOT_RUNNING, "conn: its loop does not run any more");
}

Status refused() noexcept {
  return fail(TCPKIT_E_CLOSED, "conn: it is closed");
}

// Its bytes were counted by reserve_posted(); send_posted() uncounts them.
class SendTask final : public Task {
 public:
  SendTask(Conn& conn, Ref<SharedBuffer> payload, size_t packets) noexcept
      : conn_(Ref<Conn>::share(&conn)), payload_(std::move(payload)), packets_(packets) {}

  void run() noexcept override {
    conn_->send_posted(*payload_, payload_->view().size() <= kCopiedPayloadBytes
                                      ? Conn::Payload::kCopy
                                      : Conn::Payload::kShare);
    if (packets_ > 0) conn_->count_packets_written(packets_);
    delete this;
  }

 private:
  Ref<Conn> conn_;
  Ref<SharedBuffer> payload_;
  size_t packets_;
};

class ControlTask final : public Task {
 public:
  ControlTask(Conn& conn, Conn::Control control) noexcept
      : conn_(Ref<Conn>::share(&conn)), control_(control) {}
  void run() noexcept override {
    conn_->apply(control_);
    delete this;
  }

 private:
  Ref<Conn> conn_;
  Conn::Control control_;
};

class UserTask final : public Task {
 public:
  UserTask(Conn& conn, tcpkit_conn_fn function, UserData user_data) noexcept
      : conn_(Ref<Conn>::share(&conn)), function_(function), user_data_(std::move(user_data)) {}
  void run() noexcept override {
    conn_->run_user_task(function_, user_data_.get());
    delete this;
  }

 private:
  Ref<Conn> conn_;
  tcpkit_conn_fn function_;
  UserData user_data_;
};

// The answer is that of reserve_posted(), unless something fails; then nothing stays counted. What
// takes memory comes first: bytes that were counted and never come would hold up the on_writable of
// other threads.
Status post_payload(Conn& conn, Ref<SharedBuffer> payload, Counted counted) noexcept {
  const size_t bytes = payload->view().size();
  auto* task = new (std::nothrow) SendTask(conn, std::move(payload), counted == Counted::kPacket);
  if (task == nullptr) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a send");
  const Status room = conn.reserve_posted(bytes);
  if (room >= 0) {
    if (conn.host().loop().post(task)) return room;
    conn.unreserve_posted(bytes);
  }
  delete task;
  return room < 0 ? room : refused();
}

// On a worker what its strand has collected goes before what must come after it.
bool is_on_strand(const Conn& conn) noexcept {
  return conn.strand() != nullptr && conn.strand()->runs_here();
}

void flush_strand(const Conn& conn) noexcept {
  if (is_on_strand(conn)) conn.strand()->flush();
}

}  // namespace

bool post_reserved(Conn& conn, ByteView bytes, size_t packets) noexcept {
  Ref<SharedBuffer> payload = SharedBuffer::copy(bytes);
  if (!payload) return false;
  auto* task = new (std::nothrow) SendTask(conn, std::move(payload), packets);
  if (task == nullptr) return false;
  if (conn.host().loop().post(task)) return true;
  delete task;
  return false;
}

Status post_send(Conn& conn, std::span<const ByteView> pieces, size_t total_bytes,
                 Counted counted) noexcept {
  if (is_on_strand(conn)) {
    return conn.strand()->send(pieces, total_bytes, counted == Counted::kPacket ? 1 : 0);
  }
  Ref<SharedBuffer> payload = SharedBuffer::with_size(total_bytes);
  if (!payload) return fail(TCPKIT_E_NO_MEMORY, "out of memory for %zu bytes", total_bytes);
  uint8_t* target = payload->writable_bytes();
  for (const ByteView& piece : pieces) {
    if (!piece.empty()) std::memcpy(target, piece.data(), piece.size());
    target += piece.size();
  }
  return post_payload(conn, std::move(payload), counted);
}

Status post_send_shared(Conn& conn, SharedBuffer& buffer) noexcept {
  flush_strand(conn);
  return post_payload(conn, Ref<SharedBuffer>::share(&buffer), Counted::kBytes);
}

Status Conn::request(Control control) noexcept {
  flush_strand(*this);
  const bool ends = control == Control::kClose || control == Control::kAbort;
  if (state_.load(std::memory_order_acquire) == ConnState::kClosed) {
    return ends ? TCPKIT_OK : refused();
  }
  if (!ends && control != Control::kShutdown && is_closed()) return refused();
  if (host_.loop().is_home()) {
    apply(control);
    return TCPKIT_OK;
  }
  auto* task = new (std::nothrow) ControlTask(*this, control);
  if (task == nullptr) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a request");
  if (!host_.loop().post(task)) {
    delete task;
    return ends ? TCPKIT_OK : refused();
  }
  if (ends) close_requested_.store(true, std::memory_order_relaxed);
  if (ends || control == Control::kShutdown) sends_refused_.store(true, std::memory_order_relaxed);
  return TCPKIT_OK;
}

Status Conn::post(tcpkit_conn_fn function, UserData user_data) noexcept {
  flush_strand(*this);
  auto* task = new (std::nothrow) UserTask(*this, function, std::move(user_data));
  if (task == nullptr) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a task");
  if (host_.loop().post(task)) return TCPKIT_OK;
  delete task;
  return not_running();
}

}  // namespace tcpkit
