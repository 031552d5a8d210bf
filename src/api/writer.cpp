// tcpkit_writer_* and tcpkit_write_*. Nothing in them throws; the functions of a stream, which may,
// are called in src/codec/ and guarded there.
#include "codec/writer.h"

#include "api/guard.h"
#include "buffer/shared_buffer.h"

using namespace tcpkit;

void tcpkit_writer_init(tcpkit_writer* writer) {
  if (writer == nullptr) return;
  *writer = TCPKIT_WRITER_INIT;
}

tcpkit_writer tcpkit_writer_over_memory(void* buffer, size_t buffer_size) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  writer.is_borrowed = 1;
  if (buffer == nullptr && buffer_size > 0) {
    keep_failure(&writer, check_not_null(buffer, "buffer"));
    return writer;
  }
  writer.data = static_cast<uint8_t*>(buffer);
  writer.capacity = buffer_size;
  return writer;
}

tcpkit_writer tcpkit_writer_over_stream(tcpkit_write_fn write, void* user_data) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  writer.is_borrowed = 1;
  writer.write = write;
  writer.user_data = user_data;
  if (write == nullptr) {
    keep_failure(&writer, fail(TCPKIT_E_INVALID_ARGUMENT, "write is NULL"));
  }
  return writer;
}

void tcpkit_writer_free(tcpkit_writer* writer) {
  if (writer == nullptr || writer->struct_size < sizeof(tcpkit_writer)) return;
  free_memory(*writer);
}

tcpkit_status tcpkit_writer_take_buffer(tcpkit_writer* writer, tcpkit_buffer** out_buffer) {
  Status status = check_writer(writer);
  if (status == TCPKIT_OK) status = check_not_null(out_buffer, "out_buffer");
  if (status != TCPKIT_OK) return status;
  if (!owns_memory(*writer)) {
    return fail(TCPKIT_E_NOT_SUPPORTED, "the writer has no memory of its own");
  }
  Ref<SharedBuffer> buffer = SharedBuffer::take_allocated(writer->data, writer->size);
  if (!buffer) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a buffer");
  *out_buffer = reinterpret_cast<tcpkit_buffer*>(buffer.detach());
  writer->data = nullptr;
  free_memory(*writer);
  return TCPKIT_OK;
}

tcpkit_status tcpkit_write_bytes(tcpkit_writer* writer, const void* data, size_t size) {
  return write_bytes(writer, data, size);
}

tcpkit_status tcpkit_write_bool(tcpkit_writer* writer, int32_t value) {
  return write_value(writer, static_cast<uint8_t>(value != 0));
}

tcpkit_status tcpkit_write_byte(tcpkit_writer* writer, uint8_t value) {
  return write_value(writer, value);
}

tcpkit_status tcpkit_write_int16(tcpkit_writer* writer, int16_t value) {
  return write_value(writer, value);
}

tcpkit_status tcpkit_write_int32(tcpkit_writer* writer, int32_t value) {
  return write_value(writer, value);
}

tcpkit_status tcpkit_write_int64(tcpkit_writer* writer, int64_t value) {
  return write_value(writer, value);
}

tcpkit_status tcpkit_write_float32(tcpkit_writer* writer, float value) {
  return write_value(writer, value);
}

tcpkit_status tcpkit_write_float64(tcpkit_writer* writer, double value) {
  return write_value(writer, value);
}

tcpkit_status tcpkit_write_var_int(tcpkit_writer* writer, int32_t value) {
  return write_varint(writer, static_cast<uint32_t>(value));
}

tcpkit_status tcpkit_write_var_long(tcpkit_writer* writer, int64_t value) {
  return write_varint(writer, static_cast<uint64_t>(value));
}

tcpkit_status tcpkit_write_byte_array(tcpkit_writer* writer, const void* data, size_t size) {
  return write_byte_array(writer, data, size);
}

tcpkit_status tcpkit_write_string(tcpkit_writer* writer, const char* text) {
  if (text != nullptr) return write_byte_array(writer, text, std::strlen(text));
  const Status status = check_writer(writer);
  if (status != TCPKIT_OK) return status;
  return keep_failure(writer, fail(TCPKIT_E_INVALID_ARGUMENT, "text is NULL"));
}
