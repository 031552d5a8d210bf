// The slow half of writing: streams, memory that grows, values of any length, and failures.
#include "codec/writer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "codec/failure.h"

namespace tcpkit {
namespace {

constexpr size_t kFirstCapacity = 64;
// malloc gives no more than that to anybody.
constexpr size_t kMaxCapacity = PTRDIFF_MAX;
// Byte arrays up to this size, with their length, are put together on the stack for a stream.
constexpr size_t kMaxOnStack = 1024;

Status write_stream(tcpkit_writer& writer, const void* data, size_t size) noexcept {
  Status status = TCPKIT_OK;
  try {
    status = writer.write(data, size, writer.user_data);
  } catch (...) {
    return keep_failure(&writer, fail(TCPKIT_E_CALLBACK, "the write function threw an exception"));
  }
  if (status < 0) return keep_failure(&writer, pass_failure(status, "the write function failed"));
  writer.size += size;
  return TCPKIT_OK;
}

Status refuse_growth(tcpkit_writer& writer, size_t size) noexcept {
  return keep_failure(&writer, fail(TCPKIT_E_NO_MEMORY, "out of memory for %zu more bytes", size));
}

Status grow(tcpkit_writer& writer, size_t size) noexcept {
  if (size > kMaxCapacity - writer.size) return refuse_growth(writer, size);
  const size_t needed = writer.size + size;
  const size_t doubled = std::min(writer.capacity, kMaxCapacity / 2) * 2;
  const size_t capacity = std::max({needed, doubled, kFirstCapacity});
  void* memory = std::realloc(writer.data, capacity);
  if (memory == nullptr) return refuse_growth(writer, size);
  writer.data = static_cast<uint8_t*>(memory);
  writer.capacity = capacity;
  return TCPKIT_OK;
}

// Makes room for size bytes behind what is in memory.
Status make_room(tcpkit_writer& writer, size_t size) noexcept {
  if (writer.capacity - writer.size >= size) return TCPKIT_OK;
  if (owns_memory(writer)) return grow(writer, size);
  return keep_failure(
      &writer, fail(TCPKIT_E_BUFFER_TOO_SMALL, "%zu more bytes do not fit: %zu of %zu are left",
                    size, writer.capacity - writer.size, writer.capacity));
}

void put_byte_array(uint8_t* target, uint32_t prefix_size, const void* data, size_t size) noexcept {
  encode_varint(target, prefix_size, size);
  if (size > 0) std::memcpy(target + prefix_size, data, size);
}

// A stream gets length and bytes in one call, so that they leave in one packet.
Status stream_byte_array(tcpkit_writer& writer, const void* data, size_t size) noexcept {
  uint8_t on_stack[kMaxOnStack];
  const uint32_t prefix_size = varint_size(size);
  const size_t whole_size = prefix_size + size;
  if (whole_size <= sizeof on_stack) {
    put_byte_array(on_stack, prefix_size, data, size);
    return write_stream(writer, on_stack, whole_size);
  }
  auto* on_heap = static_cast<uint8_t*>(std::malloc(whole_size));
  if (on_heap == nullptr) return refuse_growth(writer, whole_size);
  put_byte_array(on_heap, prefix_size, data, size);
  const Status status = write_stream(writer, on_heap, whole_size);
  std::free(on_heap);
  return status;
}

Status refuse_null_data(tcpkit_writer& writer) noexcept {
  return keep_failure(&writer, fail(TCPKIT_E_INVALID_ARGUMENT, "data is NULL"));
}

}  // namespace

Status keep_failure(tcpkit_writer* writer, Status status) noexcept {
  if (writer != nullptr && writer->status == TCPKIT_OK) writer->status = status;
  return status;
}

Status check_writer(tcpkit_writer* writer) noexcept {
  if (writer == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "writer is NULL");
  if (writer->struct_size < sizeof(tcpkit_writer)) {
    return fail(TCPKIT_E_STRUCT_SIZE, "writer: struct_size is %u, at least %zu is needed",
                writer->struct_size, sizeof(tcpkit_writer));
  }
  if (writer->status != TCPKIT_OK) return pass_failure(writer->status, "the writer failed before");
  if (!is_byte_order(writer->byte_order)) {
    return keep_failure(writer, fail(TCPKIT_E_INVALID_ARGUMENT,
                                     "writer.byte_order is %d, which is none", writer->byte_order));
  }
  if (writer->write == nullptr && writer->size > writer->capacity) {
    return keep_failure(writer,
                        fail(TCPKIT_E_INVALID_ARGUMENT, "writer.size is %zu, writer.capacity %zu",
                             writer->size, writer->capacity));
  }
  return TCPKIT_OK;
}

Status write_bytes(tcpkit_writer* writer, const void* data, size_t size) noexcept {
  Status status = check_writer(writer);
  if (status != TCPKIT_OK || size == 0) return status;
  if (data == nullptr) return refuse_null_data(*writer);
  if (writer->write != nullptr) return write_stream(*writer, data, size);
  status = make_room(*writer, size);
  if (status != TCPKIT_OK) return status;
  std::memcpy(writer->data + writer->size, data, size);
  writer->size += size;
  return TCPKIT_OK;
}

Status write_varint_slowly(tcpkit_writer* writer, uint64_t value) noexcept {
  const uint32_t size = varint_size(value);
  uint8_t bytes[kMaxVarlongSize];
  encode_varint(bytes, size, value);
  return write_bytes(writer, bytes, size);
}

Status write_byte_array(tcpkit_writer* writer, const void* data, size_t size) noexcept {
  Status status = check_writer(writer);
  if (status != TCPKIT_OK) return status;
  if (data == nullptr && size > 0) return refuse_null_data(*writer);
  if (size > INT32_MAX) {
    return keep_failure(
        writer, fail(TCPKIT_E_PACKET_TOO_BIG, "a VarInt cannot say a length of %zu bytes", size));
  }
  if (writer->write != nullptr) return stream_byte_array(*writer, data, size);
  const uint32_t prefix_size = varint_size(size);
  status = make_room(*writer, prefix_size + size);
  if (status != TCPKIT_OK) return status;
  put_byte_array(writer->data + writer->size, prefix_size, data, size);
  writer->size += prefix_size + size;
  return TCPKIT_OK;
}

void free_memory(tcpkit_writer& writer) noexcept {
  if (owns_memory(writer)) {
    std::free(writer.data);
    writer.data = nullptr;
    writer.capacity = 0;
  }
  writer.size = 0;
  writer.status = TCPKIT_OK;
}

}  // namespace tcpkit
