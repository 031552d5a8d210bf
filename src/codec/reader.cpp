// The slow half of reading: streams, values of any length, and failures. Nothing here allocates.
#include "codec/reader.h"

#include <cstring>

#include "codec/failure.h"

namespace tcpkit {
namespace {

bool is_stream(const tcpkit_reader& reader) noexcept {
  return reader.read != nullptr;
}

size_t left_in_memory(const tcpkit_reader& reader) noexcept {
  return reader.size - reader.position;
}

Status refuse_truncated(tcpkit_reader& reader, uint64_t wanted) noexcept {
  return keep_failure(
      &reader,
      fail(TCPKIT_E_UNEXPECTED_EOF, "the value at position %zu needs %llu bytes, %zu are left",
           reader.position, static_cast<unsigned long long>(wanted), left_in_memory(reader)));
}

Status refuse_varint(tcpkit_reader& reader, VarintLimits limits) noexcept {
  return keep_failure(&reader, fail(TCPKIT_E_BAD_VARINT,
                                    "a varint has more than %u bytes or %u bits, by position %zu",
                                    limits.size, limits.value_bits, reader.position));
}

// One call of the read function: the number of bytes that it gave, or a negative status.
Status call_read(const tcpkit_reader& reader, uint8_t* target, size_t size,
                 size_t& out_size) noexcept {
  out_size = 0;
  Status status = TCPKIT_OK;
  try {
    status = reader.read(target, size, &out_size, reader.user_data);
  } catch (...) {
    return fail(TCPKIT_E_CALLBACK, "the read function threw an exception");
  }
  if (status < 0) return pass_failure(status, "the read function failed");
  if (out_size == 0 || out_size > size) {
    return fail(TCPKIT_E_CALLBACK, "the read function gave %zu bytes, from 1 to %zu were asked for",
                out_size, size);
  }
  return TCPKIT_OK;
}

// Takes size bytes of the stream. Whether its end is one between two values or one inside of a
// value depends on what came before: inside_value, or bytes of this call.
Status read_stream(tcpkit_reader& reader, uint8_t* target, size_t size) noexcept {
  for (size_t filled = 0; filled < size;) {
    size_t given = 0;
    Status status = call_read(reader, target + filled, size - filled, given);
    if (status == TCPKIT_E_END && (filled > 0 || reader.inside_value != 0)) {
      status = fail(TCPKIT_E_UNEXPECTED_EOF, "the stream ended inside a value, at position %zu",
                    reader.position);
    }
    if (status != TCPKIT_OK) return keep_failure(&reader, status);
    filled += given;
    reader.position += given;
  }
  if (size > 0) reader.inside_value = 0;
  return TCPKIT_OK;
}

// Byte by byte, because the bytes behind the varint are not ours to take.
Status read_stream_varint(tcpkit_reader& reader, VarintLimits limits,
                          uint64_t* out_value) noexcept {
  uint8_t bytes[kMaxVarlongSize];
  for (uint32_t size = 1;; ++size) {
    const Status status = read_stream(reader, bytes + size - 1, 1);
    if (status != TCPKIT_OK) return status;
    const Varint varint = decode_varint(bytes, size, limits);
    if (varint.status != TCPKIT_OK) return refuse_varint(reader, limits);
    reader.inside_value = varint.size == 0 ? 1 : 0;
    if (varint.size == 0) continue;
    *out_value = varint.value;
    return TCPKIT_OK;
  }
}

Status refuse_length(tcpkit_reader& reader, int32_t length, size_t max_size) noexcept {
  return keep_failure(
      &reader, fail(TCPKIT_E_PACKET_TOO_BIG,
                    "a length of %d bytes is declared, at most %zu are taken", length, max_size));
}

}  // namespace

Status keep_failure(tcpkit_reader* reader, Status status) noexcept {
  if (reader != nullptr && reader->status == TCPKIT_OK) reader->status = status;
  return status;
}

Status check_reader(tcpkit_reader* reader) noexcept {
  if (reader == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "reader is NULL");
  if (reader->struct_size < sizeof(tcpkit_reader)) {
    return fail(TCPKIT_E_STRUCT_SIZE, "reader: struct_size is %u, at least %zu is needed",
                reader->struct_size, sizeof(tcpkit_reader));
  }
  if (reader->status != TCPKIT_OK) return pass_failure(reader->status, "the reader failed before");
  if (!is_byte_order(reader->byte_order)) {
    return keep_failure(reader, fail(TCPKIT_E_INVALID_ARGUMENT,
                                     "reader.byte_order is %d, which is none", reader->byte_order));
  }
  if (!is_stream(*reader) && reader->position > reader->size) {
    return keep_failure(reader,
                        fail(TCPKIT_E_INVALID_ARGUMENT, "reader.position is %zu, reader.size %zu",
                             reader->position, reader->size));
  }
  return TCPKIT_OK;
}

Status refuse_null(tcpkit_reader* reader, const char* name) noexcept {
  const Status status = check_reader(reader);
  if (status != TCPKIT_OK) return status;
  return keep_failure(reader, fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name));
}

Status read_bytes(tcpkit_reader* reader, void* target, size_t size) noexcept {
  const Status status = check_reader(reader);
  if (status != TCPKIT_OK || size == 0) return status;
  if (target == nullptr) return refuse_null(reader, "buffer");
  if (is_stream(*reader)) return read_stream(*reader, static_cast<uint8_t*>(target), size);
  if (left_in_memory(*reader) < size) return refuse_truncated(*reader, size);
  std::memcpy(target, reader->data + reader->position, size);
  reader->position += size;
  return TCPKIT_OK;
}

Status read_odd_varint(tcpkit_reader* reader, VarintLimits limits, uint64_t* out_value) noexcept {
  const Status status = check_reader(reader);
  if (status != TCPKIT_OK) return status;
  if (is_stream(*reader)) return read_stream_varint(*reader, limits, out_value);
  const size_t left = left_in_memory(*reader);
  const Varint varint = decode_varint(reader->data + reader->position, left, limits);
  if (varint.status != TCPKIT_OK) return refuse_varint(*reader, limits);
  return refuse_truncated(*reader, uint64_t{left} + 1);
}

// The length is held against the limit first: a peer that declares too much is told so, however
// little it sent. In memory nothing is taken unless all of it is there.
Status read_length(tcpkit_reader* reader, size_t max_size, size_t* out_size) noexcept {
  if (out_size == nullptr) return refuse_null(reader, "out_size");
  const size_t begin = reader == nullptr ? 0 : reader->position;
  int32_t length = 0;
  const Status status = read_varint(reader, &length);
  if (status != TCPKIT_OK) return status;
  const bool is_memory = !is_stream(*reader);
  const size_t left = is_memory ? left_in_memory(*reader) : 0;
  if (is_memory) reader->position = begin;
  if (length < 0 || static_cast<uint32_t>(length) > max_size) {
    return refuse_length(*reader, length, max_size);
  }
  const size_t size = static_cast<uint32_t>(length);
  if (is_memory) {
    const size_t prefix_size = left_in_memory(*reader) - left;
    if (left < size) return refuse_truncated(*reader, uint64_t{prefix_size} + size);
    reader->position += prefix_size;
  } else {
    reader->inside_value = size > 0 ? 1 : 0;
  }
  *out_size = size;
  return TCPKIT_OK;
}

Status view_bytes(tcpkit_reader* reader, size_t size, const uint8_t** out_data) noexcept {
  if (out_data == nullptr) return refuse_null(reader, "out_data");
  const Status status = check_reader(reader);
  if (status != TCPKIT_OK) return status;
  if (is_stream(*reader)) {
    return keep_failure(reader, fail(TCPKIT_E_NOT_SUPPORTED,
                                     "only memory can be viewed, this reader is of a stream"));
  }
  if (left_in_memory(*reader) < size) return refuse_truncated(*reader, size);
  *out_data = reader->data + reader->position;
  reader->position += size;
  return TCPKIT_OK;
}

}  // namespace tcpkit
