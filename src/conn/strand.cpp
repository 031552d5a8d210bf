// From the loop to the workers and back.
#include "conn/strand.h"

#include <cstring>
#include <new>

#include "conn/conn_host.h"
#include "conn/conn_tasks.h"

namespace tcpkit {
namespace {

// Memory that a strand keeps while it rests, and output that is handed over before its batch ends.
constexpr size_t kKeptBytes = 4096;
constexpr size_t kMostOutput = 64u << 10;

void give_up_memory(std::vector<uint8_t>& bytes) noexcept {
  bytes.clear();
  if (bytes.capacity() > kKeptBytes) std::vector<uint8_t>().swap(bytes);
}

bool append_bytes(std::vector<uint8_t>& target, ByteView bytes) noexcept {
  try {
    target.insert(target.end(), bytes.begin(), bytes.end());
    return true;
  } catch (const std::bad_alloc&) {
    return false;
  }
}

ByteView view_of(const uint8_t* data, size_t size) noexcept {
  return {data, size};
}

}  // namespace

// ---- The loop ----

void Strand::on_data(tcpkit_conn* conn, const uint8_t* data, size_t size, void* /*user_data*/) {
  Conn::from_handle(conn)->strand()->push(What::kData, view_of(data, size));
}

void Strand::on_packet(tcpkit_conn* conn, const uint8_t* data, size_t size, void* /*user_data*/) {
  Conn::from_handle(conn)->strand()->push(What::kPacket, view_of(data, size));
}

// Without a callback for it the connection closes, once what came before has been answered.
void Strand::on_end(tcpkit_conn* conn, void* /*user_data*/) {
  Conn& ended = *Conn::from_handle(conn);
  if (ended.host().config().worker_handlers.on_end != nullptr) {
    return ended.strand()->push(What::kEnd, {});
  }
  const CloseCause cause{TCPKIT_CLOSE_PEER_FIN, TCPKIT_OK, 0};
  if (!ended.strand()->defer_close(cause)) ended.close_for(cause);
}

bool Strand::defer_close(const CloseCause& cause) noexcept {
  if (is_close_due_ || (rests() && deferred_.reason == 0)) return false;
  if (deferred_.reason != 0) return true;
  deferred_ = cause;
  push(What::kClose, {});
  return true;
}

bool Strand::append(What what, ByteView bytes) noexcept {
  const Record record{bytes.size(), what, 0};
  const size_t before = inbox_.size();
  const auto* header = reinterpret_cast<const uint8_t*>(&record);
  if (append_bytes(inbox_, {header, sizeof record}) && append_bytes(inbox_, bytes)) return true;
  inbox_.resize(before);
  return false;
}

void Strand::push(What what, ByteView bytes) noexcept {
  bool fills = false;
  {
    const std::lock_guard lock(mutex_);
    if (!append(what, bytes)) {
      return conn_.close_for({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
    }
    fills = !is_full_ && inbox_.size() > conn_.host().config().worker_queue_bytes;
    if (fills) is_full_ = true;
  }
  if (fills) conn_.set_worker_pause(true);
  if (is_scheduled_.exchange(true)) return;
  conn_.retain();
  runner_.submit(*this);
}

void Strand::run() noexcept {
  const Ref<Conn> keep = Ref<Conn>::adopt(&conn_);
  told_.store(false);
  if (has_room_.exchange(false)) keep->set_worker_pause(false);
  if (threw_.exchange(false)) keep->worker_threw();
  if (reached_close_.exchange(false)) {
    is_close_due_ = true;
    keep->close_for(deferred_);
  }
  keep->strand_went_on();
}

// ---- The worker ----

// Clears the mark of rest last: from then on another worker may run it, or the loop end it.
void Strand::run_batch() noexcept {
  const Ref<Conn> keep = Ref<Conn>::adopt(&conn_);
  {
    const std::lock_guard lock(mutex_);
    batch_.swap(inbox_);
    if (is_full_) has_room_.store(true);
    is_full_ = false;
  }
  runs_on_.store(this_thread(), std::memory_order_relaxed);
  if (!deliver_batch()) {
    threw_.store(true);
    discards_.store(true);
  }
  flush();
  runs_on_.store(0, std::memory_order_relaxed);
  give_up_memory(batch_);
  give_up_memory(output_);
  end_batch();
}

void Strand::end_batch() noexcept {
  bool more = false;
  {
    const std::lock_guard lock(mutex_);
    more = !inbox_.empty();
    if (!more) is_scheduled_.store(false);
  }
  if (more) {
    conn_.retain();
    runner_.submit(*this);
  }
  const bool tells = has_room_.load() || threw_.load() || reached_close_.load();
  if (tells || (!more && is_awaited_.load())) tell_loop();
}

// False: a callback threw.
bool Strand::deliver_batch() noexcept {
  const uint8_t* at = batch_.data();
  const uint8_t* const end = at + batch_.size();
  try {
    while (at < end && !discards_.load(std::memory_order_relaxed)) {
      Record record;
      std::memcpy(&record, at, sizeof record);
      at += sizeof record;
      deliver(record, at);
      at += record.size;
    }
    return true;
  } catch (...) {
    return false;
  }
}

void Strand::deliver(const Record& record, const uint8_t* bytes) {
  const tcpkit_handlers& handlers = conn_.host().config().worker_handlers;
  const auto size = static_cast<size_t>(record.size);
  switch (record.what) {
    case What::kData:
      if (handlers.on_data != nullptr) {
        handlers.on_data(conn_.handle(), bytes, size, handlers.user_data);
      }
      break;
    case What::kPacket:
      if (handlers.on_packet != nullptr) {
        handlers.on_packet(conn_.handle(), bytes, size, handlers.user_data);
      }
      break;
    case What::kEnd:
      handlers.on_end(conn_.handle(), handlers.user_data);
      break;
    case What::kClose:
      reached_close_.store(true);
      break;
  }
}

void Strand::tell_loop() noexcept {
  if (told_.exchange(true)) return;
  conn_.retain();
  if (conn_.host().loop().post(this)) return;
  conn_.release();
}

// ---- Sending ----

// The answer is that of a send of another thread; the bytes leave with the batch.
Status Strand::send(std::span<const ByteView> pieces, size_t total_bytes, size_t packets) noexcept {
  if (output_.size() + total_bytes > kMostOutput) flush();
  const Status room = conn_.reserve_posted(total_bytes);
  if (room < 0) return room;
  const size_t before = output_.size();
  for (const ByteView& piece : pieces) {
    if (append_bytes(output_, piece)) continue;
    output_.resize(before);
    conn_.unreserve_posted(total_bytes);
    return fail(TCPKIT_E_NO_MEMORY, "out of memory for %zu bytes", total_bytes);
  }
  output_packets_ += packets;
  return room;
}

void Strand::flush() noexcept {
  if (output_.empty()) return;
  if (!post_reserved(conn_, {output_.data(), output_.size()}, output_packets_)) {
    conn_.unreserve_posted(output_.size());
    threw_.store(true);  // what was promised cannot be sent
  }
  output_.clear();
  output_packets_ = 0;
}

}  // namespace tcpkit
