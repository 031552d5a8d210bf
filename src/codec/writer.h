// Values into memory or into a stream. What fits into memory that is there is written inline, in a
// few instructions; all else, and every failure, is in writer.cpp.
#pragma once

#include "codec/byte_order.h"
#include "codec/varint.h"

namespace tcpkit {

// Whether size bytes fit into memory that is there. False for a stream, which has no memory, for a
// writer that failed, and for fields that a caller set to nonsense: the slow way tells which.
[[nodiscard]] inline bool has_room(const tcpkit_writer* writer, size_t size) noexcept {
  return writer != nullptr && writer->status == TCPKIT_OK && is_byte_order(writer->byte_order) &&
         writer->capacity >= size && writer->size <= writer->capacity - size;
}

// Writes size bytes as one value, or fails with nothing written to memory.
Status write_bytes(tcpkit_writer* writer, const void* data, size_t size) noexcept;

// Writes the size as a VarInt and the bytes, as one value.
Status write_byte_array(tcpkit_writer* writer, const void* data, size_t size) noexcept;

// Frees the memory that writer owns and empties it.
void free_memory(tcpkit_writer& writer) noexcept;

// Whether writer has memory of its own, or will have.
[[nodiscard]] inline bool owns_memory(const tcpkit_writer& writer) noexcept {
  return writer.write == nullptr && writer.is_borrowed == 0;
}

// Keeps status as the failure of writer, unless it is NULL or has one, and returns it.
Status keep_failure(tcpkit_writer* writer, Status status) noexcept;

// Fails if writer is NULL, was not set up or has failed before.
Status check_writer(tcpkit_writer* writer) noexcept;

// The slow ways are functions of their own, so that the quick ones need no stack frame.
template <typename Value>
[[gnu::noinline]] Status write_value_slowly(tcpkit_writer* writer, Value value) noexcept {
  const Status status = check_writer(writer);
  if (status != TCPKIT_OK) return status;
  uint8_t bytes[sizeof(Value)];
  store_value(bytes, value, writer->byte_order);
  return write_bytes(writer, bytes, sizeof bytes);
}

template <typename Value>
Status write_value(tcpkit_writer* writer, Value value) noexcept {
  if (!has_room(writer, sizeof(Value))) return write_value_slowly(writer, value);
  store_value(writer->data + writer->size, value, writer->byte_order);
  writer->size += sizeof(Value);
  return TCPKIT_OK;
}

// A varint that memory has no room for yet, or that goes to a stream.
Status write_varint_slowly(tcpkit_writer* writer, uint64_t value) noexcept;

inline Status write_varint(tcpkit_writer* writer, uint64_t value) noexcept {
  const uint32_t size = varint_size(value);
  if (!has_room(writer, size)) return write_varint_slowly(writer, value);
  encode_varint(writer->data + writer->size, size, value);
  writer->size += size;
  return TCPKIT_OK;
}

}  // namespace tcpkit
