// The blocking calls: tcpkit_conn_detach, _read*, _write*, _set_deadline, _cancel.
#include <cstring>

#include "api/guard.h"
#include "base/clock.h"
#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/detached.h"

using namespace tcpkit;

namespace {

constexpr size_t kDefaultMaxSize = size_t{1} << 20;

// Null with a status if conn cannot do blocking calls.
Status detached_of(tcpkit_conn* conn, Detached*& out) noexcept {
  if (conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "conn is NULL");
  Conn& target = *Conn::from_handle(conn);
  const Status status = target.host().config().fork_guard.check();
  if (status != TCPKIT_OK) return status;
  out = target.detached();
  if (out != nullptr) return TCPKIT_OK;
  return fail(TCPKIT_E_NOT_SUPPORTED, "conn: blocking calls need a connection that is detached");
}

// Runs a call that gives a packet.
template <typename Call>
Status give_packet(tcpkit_conn* conn, const uint8_t** out_packet, size_t* out_size,
                   Call call) noexcept {
  if (out_packet == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_packet is NULL");
  if (out_size == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_size is NULL");
  *out_packet = nullptr;
  *out_size = 0;
  Detached* detached = nullptr;
  Status status = detached_of(conn, detached);
  if (status != TCPKIT_OK) return status;
  ByteView packet;
  status = call(*detached, packet);
  if (status != TCPKIT_OK) return status;
  *out_packet = packet.data();
  *out_size = packet.size();
  return TCPKIT_OK;
}

Status read_prefix(const tcpkit_length_prefix& given, LengthPrefix& out) noexcept {
  const uint32_t size = given.prefix_size == 0 ? 4 : given.prefix_size;
  if ((size < 1 || size > 4) && size != 8) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "prefix_size is %u, not 1, 2, 3, 4 or 8", size);
  }
  if (given.byte_order < TCPKIT_BYTE_ORDER_DEFAULT || given.byte_order > TCPKIT_LITTLE_ENDIAN) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "byte_order is %d, which is none", given.byte_order);
  }
  out = {size, given.byte_order == TCPKIT_BIG_ENDIAN,
         given.max_size == 0 ? kDefaultMaxSize : given.max_size};
  return TCPKIT_OK;
}

// Any size is accepted up to half of the address space, so that sums do not overflow.
Status check_bytes(const void* data, size_t size, const char* name) noexcept {
  if (data == nullptr && size != 0) return fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name);
  return TCPKIT_OK;
}

ByteView view_of(const void* data, size_t size) noexcept {
  return {static_cast<const uint8_t*>(data), size};
}

}  // namespace

tcpkit_status tcpkit_conn_detach(tcpkit_conn* conn) {
  if (conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "conn is NULL");
  Conn& target = *Conn::from_handle(conn);
  const Status status = target.host().config().fork_guard.check();
  if (status != TCPKIT_OK) return status;
  if (target.host().loop().is_home()) return target.detach();
  return fail(TCPKIT_E_WRONG_THREAD, "conn: only its loop can let go of it");
}

tcpkit_status tcpkit_conn_read(tcpkit_conn* conn, void* buffer, size_t buffer_size,
                               size_t* out_size) {
  if (out_size == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_size is NULL");
  *out_size = 0;
  if (buffer == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "buffer is NULL");
  if (buffer_size == 0) return fail(TCPKIT_E_INVALID_ARGUMENT, "buffer_size is 0");
  Detached* detached = nullptr;
  const Status status = detached_of(conn, detached);
  if (status != TCPKIT_OK) return status;
  return detached->read({static_cast<uint8_t*>(buffer), buffer_size}, *out_size);
}

tcpkit_status tcpkit_conn_read_exactly(tcpkit_conn* conn, void* buffer, size_t size) {
  Status status = check_bytes(buffer, size, "buffer");
  Detached* detached = nullptr;
  if (status == TCPKIT_OK) status = detached_of(conn, detached);
  if (status != TCPKIT_OK) return status;
  return detached->read_exactly({static_cast<uint8_t*>(buffer), size});
}

tcpkit_status tcpkit_conn_read_packet(tcpkit_conn* conn, const uint8_t** out_packet,
                                      size_t* out_size) {
  return give_packet(conn, out_packet, out_size, [](Detached& detached, ByteView& packet) {
    return detached.read_packet(packet);
  });
}

void tcpkit_length_prefix_init(tcpkit_length_prefix* prefix) {
  if (prefix != nullptr) *prefix = TCPKIT_LENGTH_PREFIX_INIT;
}

tcpkit_status tcpkit_conn_read_length_prefixed(tcpkit_conn* conn,
                                               const tcpkit_length_prefix* prefix,
                                               const uint8_t** out_packet, size_t* out_size) {
  tcpkit_length_prefix copy = TCPKIT_LENGTH_PREFIX_INIT;
  LengthPrefix known{};
  Status status = prefix == nullptr ? TCPKIT_OK : copy_struct(prefix, copy, "prefix");
  if (status == TCPKIT_OK) status = read_prefix(copy, known);
  if (status != TCPKIT_OK) return status;
  return give_packet(conn, out_packet, out_size, [&](Detached& detached, ByteView& packet) {
    return detached.read_prefixed(known, packet);
  });
}

tcpkit_status tcpkit_conn_read_separated(tcpkit_conn* conn, tcpkit_slice separator, size_t max_size,
                                         const uint8_t** out_packet, size_t* out_size) {
  if (separator.data == nullptr || separator.size == 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "separator is empty");
  }
  const size_t most = max_size == 0 ? kDefaultMaxSize : max_size;
  return give_packet(conn, out_packet, out_size, [&](Detached& detached, ByteView& packet) {
    return detached.read_separated(view_of(separator.data, separator.size), most, packet);
  });
}

tcpkit_status tcpkit_conn_write(tcpkit_conn* conn, const void* data, size_t data_size) {
  Status status = check_bytes(data, data_size, "data");
  Detached* detached = nullptr;
  if (status == TCPKIT_OK) status = detached_of(conn, detached);
  if (status != TCPKIT_OK) return status;
  const ByteView piece = view_of(data, data_size);
  return detached->write({&piece, 1});
}

tcpkit_status tcpkit_conn_write_packet(tcpkit_conn* conn, const void* packet, size_t packet_size) {
  Status status = check_bytes(packet, packet_size, "packet");
  Detached* detached = nullptr;
  if (status == TCPKIT_OK) status = detached_of(conn, detached);
  return status != TCPKIT_OK ? status : detached->write_packet(view_of(packet, packet_size));
}

tcpkit_status tcpkit_conn_set_deadline(tcpkit_conn* conn, tcpkit_timeout timeout,
                                       uint64_t timeout_ms) {
  if (timeout != TCPKIT_TIMEOUT_READ && timeout != TCPKIT_TIMEOUT_WRITE) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "timeout is %d, not TCPKIT_TIMEOUT_READ or _WRITE",
                timeout);
  }
  Detached* detached = nullptr;
  const Status status = detached_of(conn, detached);
  if (status != TCPKIT_OK) return status;
  const uint64_t now_ns = monotonic_ns();
  const bool is_never = timeout_ms > (UINT64_MAX - now_ns) / 1'000'000;
  const uint64_t deadline_ns = is_never ? UINT64_MAX : now_ns + timeout_ms * 1'000'000;
  if (timeout == TCPKIT_TIMEOUT_READ) {
    detached->set_read_deadline(deadline_ns);
  } else {
    detached->set_write_deadline(deadline_ns);
  }
  return TCPKIT_OK;
}

tcpkit_status tcpkit_conn_cancel(tcpkit_conn* conn) {
  Detached* detached = nullptr;
  const Status status = detached_of(conn, detached);
  return status != TCPKIT_OK ? status : Conn::from_handle(conn)->cancel();
}
