// One value of any type that the codec knows, through the C interface. Used by the unit tests and
// the fuzz target.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tcpkit.h"

namespace tcpkit::test {

enum class Type {
  kBool,
  kByte,
  kInt16,
  kInt32,
  kInt64,
  kFloat32,
  kFloat64,
  kVarInt,
  kVarLong,
  kString,
  kByteArray,
  kBytes,
};
inline constexpr int kTypeCount = 12;

inline bool has_length(Type type) {
  return type == Type::kString || type == Type::kByteArray;
}

inline bool has_text(Type type) {
  return has_length(type) || type == Type::kBytes;
}

struct AnyValue {
  Type type = Type::kByte;
  int64_t number = 0;  // bits of a float
  std::string text;    // of strings, byte arrays and bytes

  bool operator==(const AnyValue&) const = default;
};

inline tcpkit_status write_value_of(tcpkit_writer* writer, const AnyValue& value) {
  switch (value.type) {
    case Type::kBool:
      return tcpkit_write_bool(writer, static_cast<int32_t>(value.number));
    case Type::kByte:
      return tcpkit_write_byte(writer, static_cast<uint8_t>(value.number));
    case Type::kInt16:
      return tcpkit_write_int16(writer, static_cast<int16_t>(value.number));
    case Type::kInt32:
      return tcpkit_write_int32(writer, static_cast<int32_t>(value.number));
    case Type::kInt64:
      return tcpkit_write_int64(writer, value.number);
    case Type::kFloat32:
      return tcpkit_write_float32(writer, std::bit_cast<float>(static_cast<int32_t>(value.number)));
    case Type::kFloat64:
      return tcpkit_write_float64(writer, std::bit_cast<double>(value.number));
    case Type::kVarInt:
      return tcpkit_write_var_int(writer, static_cast<int32_t>(value.number));
    case Type::kVarLong:
      return tcpkit_write_var_long(writer, value.number);
    case Type::kString:
      return tcpkit_write_string(writer, value.text.c_str());
    case Type::kByteArray:
      return tcpkit_write_byte_array(writer, value.text.data(), value.text.size());
    case Type::kBytes:
      return tcpkit_write_bytes(writer, value.text.data(), value.text.size());
  }
  return TCPKIT_E_INTERNAL;
}

template <typename Value>
tcpkit_status read_number(tcpkit_status (*function)(tcpkit_reader*, Value*), tcpkit_reader* reader,
                          int64_t& out_number) {
  Value value{};
  const tcpkit_status status = function(reader, &value);
  out_number = static_cast<int64_t>(value);
  return status;
}

// size: most bytes of a string or byte array; just that many of bytes.
inline tcpkit_status read_text(tcpkit_reader* reader, Type type, size_t size, std::string& out) {
  std::vector<char> buffer(size + 1, 'x');
  size_t read_size = size;
  const tcpkit_status status =
      type == Type::kString      ? tcpkit_read_string(reader, buffer.data(), size + 1, &read_size)
      : type == Type::kByteArray ? tcpkit_read_byte_array(reader, buffer.data(), size, &read_size)
                                 : tcpkit_read_bytes(reader, buffer.data(), size);
  if (status == TCPKIT_OK) out.assign(buffer.data(), read_size);
  return status;
}

inline tcpkit_status read_value_of(tcpkit_reader* reader, Type type, size_t size, AnyValue& out) {
  out = {type, 0, ""};
  switch (type) {
    case Type::kBool:
      return read_number(tcpkit_read_bool, reader, out.number);
    case Type::kByte:
      return read_number(tcpkit_read_byte, reader, out.number);
    case Type::kInt16:
      return read_number(tcpkit_read_int16, reader, out.number);
    case Type::kInt32:
      return read_number(tcpkit_read_int32, reader, out.number);
    case Type::kInt64:
      return read_number(tcpkit_read_int64, reader, out.number);
    case Type::kVarInt:
      return read_number(tcpkit_read_var_int, reader, out.number);
    case Type::kVarLong:
      return read_number(tcpkit_read_var_long, reader, out.number);
    case Type::kFloat32: {
      float value = 0;
      const tcpkit_status status = tcpkit_read_float32(reader, &value);
      out.number = std::bit_cast<int32_t>(value);
      return status;
    }
    case Type::kFloat64: {
      double value = 0;
      const tcpkit_status status = tcpkit_read_float64(reader, &value);
      out.number = std::bit_cast<int64_t>(value);
      return status;
    }
    default:
      return read_text(reader, type, size, out.text);
  }
}

// What a writer with memory of its own makes of values.
inline std::string encode_values(const std::vector<AnyValue>& values,
                                 tcpkit_byte_order order = TCPKIT_BIG_ENDIAN) {
  tcpkit_writer writer = TCPKIT_WRITER_INIT;
  writer.byte_order = order;
  for (const AnyValue& value : values) write_value_of(&writer, value);
  std::string encoded(reinterpret_cast<const char*>(writer.data), writer.size);
  if (writer.status != TCPKIT_OK) encoded = "failed";
  tcpkit_writer_free(&writer);
  return encoded;
}

inline tcpkit_reader reader_of(std::string_view bytes,
                               tcpkit_byte_order order = TCPKIT_BIG_ENDIAN) {
  tcpkit_reader reader = tcpkit_reader_over_memory(bytes.data(), bytes.size());
  reader.byte_order = order;
  return reader;
}

}  // namespace tcpkit::test
