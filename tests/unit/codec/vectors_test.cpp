// Values that other implementations have encoded: tests/data/.
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "unit/codec/any_value.h"
#include "unit/codec/streams.h"

namespace tcpkit::test {
namespace {

struct Vector {
  std::string line;
  AnyValue value;
  tcpkit_byte_order order;
  std::string bytes;
};

std::string from_hex(const std::string& hex) {
  if (hex == "-") return "";
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

const std::map<std::string, Type> kTypes = {
    {"bool", Type::kBool},
    {"byte", Type::kByte},
    {"int16", Type::kInt16},
    {"int32", Type::kInt32},
    {"int64", Type::kInt64},
    {"float32", Type::kFloat32},
    {"float64", Type::kFloat64},
    {"var_int", Type::kVarInt},
    {"var_long", Type::kVarLong},
    {"string", Type::kString},
    {"byte_array", Type::kByteArray},
};

AnyValue parse_value(Type type, const std::string& text) {
  if (has_text(type)) return {type, 0, from_hex(text)};
  if (type == Type::kFloat32) {
    return {type, static_cast<int32_t>(std::stoul(text, nullptr, 16)), ""};
  }
  if (type == Type::kFloat64) {
    return {type, static_cast<int64_t>(std::stoull(text, nullptr, 16)), ""};
  }
  return {type, std::stoll(text), ""};
}

std::vector<Vector> read_vectors(const std::string& file) {
  std::ifstream stream(std::string(TCPKIT_TEST_DATA) + "/" + file);
  std::vector<Vector> vectors;
  for (std::string line; std::getline(stream, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream words(line);
    std::string type, text, hex;
    words >> type >> text >> hex;
    tcpkit_byte_order order = TCPKIT_BIG_ENDIAN;
    if (type.ends_with("_le")) order = TCPKIT_LITTLE_ENDIAN;
    if (type.ends_with("_le") || type.ends_with("_be")) type.resize(type.size() - 3);
    const auto found = kTypes.find(type);
    if (found == kTypes.end()) {
      ADD_FAILURE() << file << ": " << line;
      continue;
    }
    vectors.push_back({line, parse_value(found->second, text), order, from_hex(hex)});
  }
  return vectors;
}

void expect_all_agree(const std::string& file, size_t least_count) {
  const std::vector<Vector> vectors = read_vectors(file);
  EXPECT_GE(vectors.size(), least_count);
  for (const Vector& vector : vectors) {
    EXPECT_EQ(encode_values({vector.value}, vector.order), vector.bytes) << vector.line;
    AnyValue read;
    tcpkit_reader reader = reader_of(vector.bytes, vector.order);
    EXPECT_EQ(read_value_of(&reader, vector.value.type, 1000, read), TCPKIT_OK) << vector.line;
    EXPECT_EQ(read, vector.value) << vector.line;
    EXPECT_EQ(reader.position, vector.bytes.size()) << vector.line;
    SourceStream stream(vector.bytes, {1, 2, 3});
    reader = stream.reader(vector.order);
    EXPECT_EQ(read_value_of(&reader, vector.value.type, 1000, read), TCPKIT_OK) << vector.line;
    EXPECT_EQ(read, vector.value) << vector.line;
    EXPECT_EQ(stream.rest(), "") << vector.line;
  }
}

TEST(CodecVectors, OfGoAreReadAndWrittenAlike) {
  expect_all_agree("go_values.txt", 900);
}

TEST(CodecVectors, OfProtobufAreReadAndWrittenAlike) {
  expect_all_agree("protobuf_varints.txt", 600);
}

TEST(CodecVectors, OfMinecraftAreReadAndWrittenAlike) {
  expect_all_agree("minecraft_varints.txt", 22);
}

}  // namespace
}  // namespace tcpkit::test
