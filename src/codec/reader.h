// Values out of memory or out of a stream. What memory holds in full is read inline, in a few
// instructions; all else, and every failure, is in reader.cpp.
#pragma once

#include "codec/byte_order.h"
#include "codec/varint.h"

namespace tcpkit {

// Whether size bytes can be taken from memory at once. False for a stream, which has no memory, for
// a reader that failed, and for fields that a caller set to nonsense: the slow way tells which.
[[nodiscard]] inline bool has_bytes(const tcpkit_reader* reader, size_t size) noexcept {
  return reader != nullptr && reader->status == TCPKIT_OK && is_byte_order(reader->byte_order) &&
         reader->size >= size && reader->position <= reader->size - size;
}

// Fills target, or fails with nothing taken from memory.
Status read_bytes(tcpkit_reader* reader, void* target, size_t size) noexcept;

// A varint that memory does not hold whole and right: one of a stream, or a failure to tell.
Status read_odd_varint(tcpkit_reader* reader, VarintLimits limits, uint64_t* out_value) noexcept;

// A VarInt that is the size of what follows it; see tcpkit_read_length.
Status read_length(tcpkit_reader* reader, size_t max_size, size_t* out_size) noexcept;

// Points into memory; fails for a stream.
Status view_bytes(tcpkit_reader* reader, size_t size, const uint8_t** out_data) noexcept;

// Keeps status as the failure of reader, unless it is NULL or has one, and returns it.
Status keep_failure(tcpkit_reader* reader, Status status) noexcept;

// Fails if reader is NULL, was not set up or has failed before.
Status check_reader(tcpkit_reader* reader) noexcept;

// The failure of a call whose argument name is NULL.
Status refuse_null(tcpkit_reader* reader, const char* name) noexcept;

// The slow ways are functions of their own, so that the quick ones need no stack frame.
template <typename Value>
[[gnu::noinline]] Status read_value_slowly(tcpkit_reader* reader, Value* out_value) noexcept {
  if (out_value == nullptr) return refuse_null(reader, "out_value");
  uint8_t bytes[sizeof(Value)];
  const Status status = read_bytes(reader, bytes, sizeof bytes);
  if (status == TCPKIT_OK) *out_value = load_value<Value>(bytes, reader->byte_order);
  return status;
}

template <typename Value>
Status read_value(tcpkit_reader* reader, Value* out_value) noexcept {
  if (!has_bytes(reader, sizeof(Value)) || out_value == nullptr) {
    return read_value_slowly(reader, out_value);
  }
  *out_value = load_value<Value>(reader->data + reader->position, reader->byte_order);
  reader->position += sizeof(Value);
  return TCPKIT_OK;
}

// Value is int32_t or int64_t.
template <typename Value>
[[gnu::noinline]] Status read_varint_slowly(tcpkit_reader* reader, Value* out_value) noexcept {
  if (out_value == nullptr) return refuse_null(reader, "out_value");
  constexpr uint32_t kBits = 8 * sizeof(Value);
  constexpr VarintLimits kLimits{kBits == 32 ? kMaxVarintSize : kMaxVarlongSize, kBits};
  if (has_bytes(reader, 1)) {
    const size_t left = reader->size - reader->position;
    const Varint varint = decode_varint(reader->data + reader->position, left, kLimits);
    if (varint.size > 0) {
      reader->position += varint.size;
      *out_value = static_cast<Value>(varint.value);
      return TCPKIT_OK;
    }
  }
  uint64_t value = 0;
  const Status status = read_odd_varint(reader, kLimits, &value);
  if (status == TCPKIT_OK) *out_value = static_cast<Value>(value);
  return status;
}

template <typename Value>
Status read_varint(tcpkit_reader* reader, Value* out_value) noexcept {
  const bool is_short = has_bytes(reader, 1) && reader->data[reader->position] < 0x80;
  if (!is_short || out_value == nullptr) return read_varint_slowly(reader, out_value);
  *out_value = reader->data[reader->position++];
  return TCPKIT_OK;
}

}  // namespace tcpkit
