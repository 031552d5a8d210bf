// tcpkit_reader_* and tcpkit_read_*. Nothing in them throws; the functions of a stream, which may,
// are called in src/codec/ and guarded there.
#include "codec/reader.h"

#include "api/guard.h"

using namespace tcpkit;

void tcpkit_reader_init(tcpkit_reader* reader) {
  if (reader == nullptr) return;
  *reader = TCPKIT_READER_INIT;
}

tcpkit_reader tcpkit_reader_over_memory(const void* data, size_t data_size) {
  tcpkit_reader reader = TCPKIT_READER_INIT;
  if (data == nullptr && data_size > 0) {
    keep_failure(&reader, check_not_null(data, "data"));
    return reader;
  }
  reader.data = static_cast<const uint8_t*>(data);
  reader.size = data_size;
  return reader;
}

tcpkit_reader tcpkit_reader_over_stream(tcpkit_read_fn read, void* user_data) {
  tcpkit_reader reader = TCPKIT_READER_INIT;
  reader.read = read;
  reader.user_data = user_data;
  if (read == nullptr) {
    keep_failure(&reader, fail(TCPKIT_E_INVALID_ARGUMENT, "read is NULL"));
  }
  return reader;
}

tcpkit_status tcpkit_read_bytes(tcpkit_reader* reader, void* buffer, size_t size) {
  return read_bytes(reader, buffer, size);
}

tcpkit_status tcpkit_read_bool(tcpkit_reader* reader, uint8_t* out_value) {
  const Status status = read_value(reader, out_value);
  if (status == TCPKIT_OK) *out_value = *out_value != 0 ? 1 : 0;
  return status;
}

tcpkit_status tcpkit_read_byte(tcpkit_reader* reader, uint8_t* out_value) {
  return read_value(reader, out_value);
}

tcpkit_status tcpkit_read_int16(tcpkit_reader* reader, int16_t* out_value) {
  return read_value(reader, out_value);
}

tcpkit_status tcpkit_read_int32(tcpkit_reader* reader, int32_t* out_value) {
  return read_value(reader, out_value);
}

tcpkit_status tcpkit_read_int64(tcpkit_reader* reader, int64_t* out_value) {
  return read_value(reader, out_value);
}

tcpkit_status tcpkit_read_float32(tcpkit_reader* reader, float* out_value) {
  return read_value(reader, out_value);
}

tcpkit_status tcpkit_read_float64(tcpkit_reader* reader, double* out_value) {
  return read_value(reader, out_value);
}

tcpkit_status tcpkit_read_var_int(tcpkit_reader* reader, int32_t* out_value) {
  return read_varint(reader, out_value);
}

tcpkit_status tcpkit_read_var_long(tcpkit_reader* reader, int64_t* out_value) {
  return read_varint(reader, out_value);
}

tcpkit_status tcpkit_read_length(tcpkit_reader* reader, size_t max_size, size_t* out_size) {
  return read_length(reader, max_size, out_size);
}

tcpkit_status tcpkit_read_byte_array(tcpkit_reader* reader, void* buffer, size_t buffer_size,
                                     size_t* out_size) {
  if (buffer == nullptr && buffer_size > 0) return refuse_null(reader, "buffer");
  if (out_size == nullptr) return refuse_null(reader, "out_size");
  size_t size = 0;
  Status status = read_length(reader, buffer_size, &size);
  if (status == TCPKIT_OK) status = read_bytes(reader, buffer, size);
  if (status == TCPKIT_OK) *out_size = size;
  return status;
}

tcpkit_status tcpkit_read_string(tcpkit_reader* reader, char* buffer, size_t buffer_size,
                                 size_t* out_length) {
  if (buffer == nullptr) return refuse_null(reader, "buffer");
  if (out_length == nullptr) return refuse_null(reader, "out_length");
  if (buffer_size == 0) {
    const Status status = check_reader(reader);
    if (status != TCPKIT_OK) return status;
    return keep_failure(reader, fail(TCPKIT_E_INVALID_ARGUMENT,
                                     "buffer_size is 0, a string needs one for its NUL"));
  }
  const Status status = tcpkit_read_byte_array(reader, buffer, buffer_size - 1, out_length);
  if (status == TCPKIT_OK) buffer[*out_length] = '\0';
  return status;
}

tcpkit_status tcpkit_read_bytes_view(tcpkit_reader* reader, size_t size, const uint8_t** out_data) {
  return view_bytes(reader, size, out_data);
}

tcpkit_status tcpkit_read_byte_array_view(tcpkit_reader* reader, size_t max_size,
                                          tcpkit_slice* out_bytes) {
  if (out_bytes == nullptr) return refuse_null(reader, "out_bytes");
  // Asked first, so that a stream loses nothing.
  const uint8_t* data = nullptr;
  Status status = view_bytes(reader, 0, &data);
  size_t size = 0;
  if (status == TCPKIT_OK) status = read_length(reader, max_size, &size);
  if (status == TCPKIT_OK) status = view_bytes(reader, size, &data);
  if (status == TCPKIT_OK) *out_bytes = {data, size};
  return status;
}
