// tcpkit_conn_*: handle checks, and on to the connection.
#include "conn/conn.h"

#include <array>

#include "api/guard.h"
#include "api/text_out.h"
#include "conn/conn_frame.h"
#include "conn/conn_host.h"

using namespace tcpkit;

namespace {

constexpr size_t kMostSlices = 1024;

Status check_conn(const tcpkit_conn* conn) noexcept {
  if (conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "conn is NULL");
  return Conn::from_handle(conn)->host().config().fork_guard.check();
}

Status check_bytes(const tcpkit_conn* conn, const void* data, size_t size,
                   const char* name) noexcept {
  if (data == nullptr && size != 0) return fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name);
  return check_conn(conn);
}

ByteView view_of(const void* data, size_t size) noexcept {
  return {static_cast<const uint8_t*>(data), size};
}

Status request(tcpkit_conn* conn, Conn::Control control) noexcept {
  const Status status = check_conn(conn);
  return status != TCPKIT_OK ? status : Conn::from_handle(conn)->request(control);
}

template <typename Text>
size_t write_conn_text(const tcpkit_conn* conn, char* buffer, size_t buffer_size,
                       Text text) noexcept {
  size_t length = 0;
  (void)guarded([&] {
    length = write_text(conn == nullptr ? "" : text(*Conn::from_handle(conn)), buffer, buffer_size);
    return TCPKIT_OK;
  });
  return length;
}

Status send_many_slices(Conn& conn, const tcpkit_slice* slices, size_t slice_count) {
  std::vector<ByteView> pieces;
  pieces.reserve(slice_count);
  for (size_t i = 0; i < slice_count; ++i) {
    pieces.push_back(view_of(slices[i].data, slices[i].size));
  }
  return conn.send(pieces);
}

}  // namespace

const char* tcpkit_close_reason_name(tcpkit_close_reason reason) {
  static constexpr std::array<const char*, 24> kNames = {"UNKNOWN",       "LOCAL",
                                                         "ABORTED",       "PEER_FIN",
                                                         "PEER_RESET",    "FRAME_TOO_BIG",
                                                         "FRAME_ERROR",   "CALLBACK",
                                                         "SHUTDOWN",      "TIMEOUT",
                                                         "IO_ERROR",      "NO_MEMORY",
                                                         "IDLE_TIMEOUT",  "READ_TIMEOUT",
                                                         "WRITE_TIMEOUT", "LIMIT",
                                                         "PROXY_ERROR",   "PROXY_TIMEOUT",
                                                         "RATE_TIMEOUT",  "TLS_ERROR",
                                                         "TLS_TRUNCATED", "HANDSHAKE_TIMEOUT",
                                                         "FILTER_ERROR",  "SLOW_CONSUMER"};
  const auto index = static_cast<size_t>(reason);
  return reason > 0 && index < kNames.size() ? kNames[index] : kNames[0];
}

tcpkit_conn* tcpkit_conn_retain(tcpkit_conn* conn) {
  if (conn != nullptr) Conn::from_handle(conn)->retain();
  return conn;
}

void tcpkit_conn_release(tcpkit_conn* conn) {
  if (conn == nullptr || Conn::from_handle(conn)->host().config().fork_guard.in_child()) return;
  Conn::from_handle(conn)->release();
}

uint64_t tcpkit_conn_id(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->id();
}

tcpkit_loop* tcpkit_conn_loop(const tcpkit_conn* conn) {
  if (conn == nullptr) return nullptr;
  return Conn::from_handle(conn)->host().loop_host().handle();
}

size_t tcpkit_conn_remote_address(const tcpkit_conn* conn, char* buffer, size_t buffer_size) {
  return write_conn_text(conn, buffer, buffer_size,
                         [](const Conn& open) { return open.remote_address(); });
}

size_t tcpkit_conn_proxy_address(const tcpkit_conn* conn, char* buffer, size_t buffer_size) {
  return write_conn_text(conn, buffer, buffer_size,
                         [](const Conn& open) { return open.proxy_address(); });
}

tcpkit_status tcpkit_conn_proxy_tlv(const tcpkit_conn* conn, uint32_t type,
                                    tcpkit_slice* out_value) {
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  if (out_value == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_value is NULL");
  if (type > UINT8_MAX) return fail(TCPKIT_E_INVALID_ARGUMENT, "type is %u, more than 255", type);
  const Conn& target = *Conn::from_handle(conn);
  if (!target.host().loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: its TLVs belong to its loop thread");
  }
  ByteView value;
  if (!target.find_tlv(static_cast<uint8_t>(type), value)) {
    return fail(TCPKIT_E_NOT_FOUND, "conn: no PROXY header brought a TLV of type %u", type);
  }
  *out_value = {value.data(), value.size()};
  return TCPKIT_OK;
}

size_t tcpkit_conn_local_address(const tcpkit_conn* conn, char* buffer, size_t buffer_size) {
  return write_conn_text(conn, buffer, buffer_size,
                         [](const Conn& open) { return open.local_address(); });
}

uint64_t tcpkit_conn_connected_at_ms(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->connected_at_ms();
}

int32_t tcpkit_conn_is_closed(const tcpkit_conn* conn) {
  return conn == nullptr || Conn::from_handle(conn)->is_closed() ? 1 : 0;
}

uint64_t tcpkit_conn_total_read(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->total_read();
}

uint64_t tcpkit_conn_total_written(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->total_written();
}

uint64_t tcpkit_conn_reads_per_second(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->reads_per_second();
}

uint64_t tcpkit_conn_writes_per_second(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->writes_per_second();
}

uint64_t tcpkit_conn_queued_bytes(const tcpkit_conn* conn) {
  return conn == nullptr ? 0 : Conn::from_handle(conn)->queued_bytes();
}

int32_t tcpkit_conn_fd(const tcpkit_conn* conn) {
  return conn == nullptr ? -1 : Conn::from_handle(conn)->fd();
}

tcpkit_status tcpkit_conn_set_user_data(tcpkit_conn* conn, void* user_data,
                                        tcpkit_free_fn user_data_free) {
  UserData owner(user_data, user_data_free);
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  Conn& target = *Conn::from_handle(conn);
  if (!target.host().loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: its user data belongs to its loop thread");
  }
  return target.set_user_data(std::move(owner));
}

void* tcpkit_conn_user_data(const tcpkit_conn* conn) {
  return conn == nullptr ? nullptr : Conn::from_handle(conn)->user_data();
}

tcpkit_status tcpkit_conn_send(tcpkit_conn* conn, const void* data, size_t data_size) {
  const Status status = check_bytes(conn, data, data_size, "data");
  if (status != TCPKIT_OK) return status;
  const ByteView piece = view_of(data, data_size);
  return Conn::from_handle(conn)->send({&piece, 1});
}

tcpkit_status tcpkit_conn_send_slices(tcpkit_conn* conn, const tcpkit_slice* slices,
                                      size_t slice_count) {
  Status status = check_bytes(conn, slices, slice_count, "slices");
  if (status != TCPKIT_OK) return status;
  if (slice_count > kMostSlices) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "slice_count is %zu, more than %zu", slice_count,
                kMostSlices);
  }
  for (size_t i = 0; i < slice_count; ++i) {
    if (slices[i].data != nullptr || slices[i].size == 0) continue;
    return fail(TCPKIT_E_INVALID_ARGUMENT, "slices[%zu].data is NULL", i);
  }
  std::array<ByteView, 8> few;
  if (slice_count > few.size()) {
    return guarded([&] { return send_many_slices(*Conn::from_handle(conn), slices, slice_count); });
  }
  for (size_t i = 0; i < slice_count; ++i) few[i] = view_of(slices[i].data, slices[i].size);
  return Conn::from_handle(conn)->send({few.data(), slice_count});
}

tcpkit_status tcpkit_conn_send_buffer(tcpkit_conn* conn, tcpkit_buffer* buffer) {
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  if (buffer == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "buffer is NULL");
  return Conn::from_handle(conn)->send_shared(*reinterpret_cast<SharedBuffer*>(buffer));
}

tcpkit_status tcpkit_conn_send_packet(tcpkit_conn* conn, const void* packet, size_t packet_size) {
  if (conn != nullptr && packet != nullptr) [[likely]] {
    Conn& target = *Conn::from_handle(conn);
    const bool in_child = target.host().config().fork_guard.in_child();
    if (!in_child && target.put_frame(view_of(packet, packet_size))) return TCPKIT_OK;
  }
  const Status status = check_bytes(conn, packet, packet_size, "packet");
  if (status != TCPKIT_OK) return status;
  return Conn::from_handle(conn)->send_packet(view_of(packet, packet_size));
}

tcpkit_status tcpkit_conn_flush(tcpkit_conn* conn) {
  const Status status = check_conn(conn);
  return status != TCPKIT_OK ? status : Conn::from_handle(conn)->flush();
}

tcpkit_status tcpkit_conn_pause_reading(tcpkit_conn* conn) {
  return request(conn, Conn::Control::kPause);
}

tcpkit_status tcpkit_conn_resume_reading(tcpkit_conn* conn) {
  return request(conn, Conn::Control::kResume);
}

tcpkit_status tcpkit_conn_set_timeout(tcpkit_conn* conn, tcpkit_timeout timeout,
                                      uint64_t timeout_ms) {
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  if (timeout < TCPKIT_TIMEOUT_IDLE || timeout > TCPKIT_TIMEOUT_WRITE) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "timeout is %d, which is none of its constants",
                timeout);
  }
  const bool unlimited = timeout_ms == TCPKIT_UNLIMITED;
  if (!unlimited && (timeout_ms == 0 || timeout_ms > INT32_MAX)) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "timeout_ms is %llu, outside 1 to %d",
                static_cast<unsigned long long>(timeout_ms), INT32_MAX);
  }
  Conn& target = *Conn::from_handle(conn);
  if (!target.host().loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: its timeouts belong to its loop thread");
  }
  return target.set_timeout(timeout,
                            unlimited ? TimeoutLimits::kNever : static_cast<uint32_t>(timeout_ms));
}

tcpkit_status tcpkit_conn_set_min_receive_rate(tcpkit_conn* conn, uint64_t bytes_per_second,
                                               uint64_t grace_ms) {
  constexpr uint64_t kMostRate = uint64_t{1} << 30;
  constexpr uint64_t kMostGraceMs = 1'800'000;
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  if (bytes_per_second > kMostRate) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "bytes_per_second is %llu, more than %llu",
                static_cast<unsigned long long>(bytes_per_second),
                static_cast<unsigned long long>(kMostRate));
  }
  if (grace_ms == 0 || grace_ms > kMostGraceMs) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "grace_ms is %llu, outside 1 to %llu",
                static_cast<unsigned long long>(grace_ms),
                static_cast<unsigned long long>(kMostGraceMs));
  }
  Conn& target = *Conn::from_handle(conn);
  if (!target.host().loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: its receive rate belongs to its loop thread");
  }
  return target.set_receive_rate(static_cast<uint32_t>(bytes_per_second),
                                 static_cast<uint32_t>(grace_ms));
}

tcpkit_status tcpkit_conn_shutdown(tcpkit_conn* conn) {
  return request(conn, Conn::Control::kShutdown);
}

tcpkit_status tcpkit_conn_close(tcpkit_conn* conn) {
  return request(conn, Conn::Control::kClose);
}

tcpkit_status tcpkit_conn_abort(tcpkit_conn* conn) {
  return request(conn, Conn::Control::kAbort);
}

tcpkit_status tcpkit_conn_add_close_handler(tcpkit_conn* conn, tcpkit_close_fn handler,
                                            void* user_data, tcpkit_free_fn user_data_free) {
  UserData owner(user_data, user_data_free);
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  if (handler == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "handler is NULL");
  return Conn::from_handle(conn)->add_close_handler(handler, std::move(owner));
}

tcpkit_status tcpkit_conn_post(tcpkit_conn* conn, tcpkit_conn_fn task, void* user_data,
                               tcpkit_free_fn user_data_free) {
  UserData owner(user_data, user_data_free);
  const Status status = check_conn(conn);
  if (status != TCPKIT_OK) return status;
  if (task == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "task is NULL");
  return Conn::from_handle(conn)->post(task, std::move(owner));
}
