// Properties: what is written is read again, from memory and from a stream in any pieces, in both
// byte orders; and whatever is cut off is missed.
#include <gtest/gtest.h>

#include <random>

#include "unit/codec/any_value.h"
#include "unit/codec/streams.h"

namespace tcpkit::test {
namespace {

constexpr int kSeeds = 2000;
constexpr size_t kMaxText = 400;

class Generator {
 public:
  explicit Generator(uint32_t seed) : engine_(seed) {}

  size_t below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(engine_);
  }

  // Small and large ones are as likely; so are those around the borders of varints.
  int64_t number() {
    const uint64_t bits = (static_cast<uint64_t>(engine_()) << 32 | engine_()) >> below(64);
    return static_cast<int64_t>(below(2) == 0 ? bits : ~bits);
  }

  std::string text(Type type) {
    std::string made(below(4) == 0 ? below(kMaxText) : below(20), '\0');
    // A string of C has no NUL inside.
    for (char& c : made) c = static_cast<char>(type == Type::kString ? 1 + below(255) : below(256));
    return made;
  }

  AnyValue value() {
    const Type type = static_cast<Type>(below(kTypeCount));
    if (has_text(type)) return {type, 0, text(type)};
    return {type, in_range(type, number()), ""};
  }

  std::vector<AnyValue> values() {
    std::vector<AnyValue> made(1 + below(12));
    for (AnyValue& one : made) one = value();
    return made;
  }

 private:
  static int64_t in_range(Type type, int64_t number) {
    switch (type) {
      case Type::kBool:
        return number & 1;
      case Type::kByte:
        return number & 0xff;
      case Type::kInt16:
        return static_cast<int16_t>(number);
      case Type::kInt32:
      case Type::kFloat32:
      case Type::kVarInt:
        return static_cast<int32_t>(number);
      default:
        return number;
    }
  }

  std::mt19937 engine_;
};

// Both orders are as likely.
tcpkit_byte_order order_of(uint32_t seed) {
  return seed % 2 == 0 ? TCPKIT_BIG_ENDIAN : TCPKIT_LITTLE_ENDIAN;
}

size_t read_size_of(const AnyValue& value) {
  return value.type == Type::kBytes ? value.text.size() : kMaxText;
}

void expect_values(tcpkit_reader* reader, const std::vector<AnyValue>& values, uint32_t seed) {
  for (const AnyValue& value : values) {
    AnyValue read;
    ASSERT_EQ(read_value_of(reader, value.type, read_size_of(value), read), TCPKIT_OK) << seed;
    ASSERT_EQ(read, value) << seed;
  }
}

TEST(CodecRoundTrip, GivesBackFromMemoryWhatWasWritten) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const std::vector<AnyValue> values = Generator(seed).values();
    const std::string encoded = encode_values(values, order_of(seed));
    tcpkit_reader reader = reader_of(encoded, order_of(seed));
    expect_values(&reader, values, seed);
    ASSERT_EQ(reader.position, encoded.size()) << seed;
  }
}

TEST(CodecRoundTrip, GivesBackFromAStreamInAnyPiecesWhatWasWritten) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    Generator generator(seed);
    const std::vector<AnyValue> values = generator.values();
    const std::string encoded = encode_values(values, order_of(seed));
    const std::vector<size_t> pieces = {1 + generator.below(9), 1 + generator.below(3)};
    for (const std::vector<size_t>& sizes : {pieces, {1}, {SIZE_MAX}}) {
      SourceStream stream(encoded, sizes);
      tcpkit_reader reader = stream.reader(order_of(seed));
      expect_values(&reader, values, seed);
      ASSERT_EQ(reader.position, encoded.size()) << seed;
      uint8_t more = 0;
      ASSERT_EQ(tcpkit_read_byte(&reader, &more), TCPKIT_E_END) << seed;
    }
  }
}

TEST(CodecRoundTrip, WritesTheSameToEveryKindOfWriter) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const std::vector<AnyValue> values = Generator(seed).values();
    const std::string encoded = encode_values(values, order_of(seed));
    std::string memory(encoded.size(), '?');
    tcpkit_writer fixed = tcpkit_writer_over_memory(memory.data(), memory.size());
    SinkStream sink;
    tcpkit_writer streamed = sink.writer(order_of(seed));
    fixed.byte_order = order_of(seed);
    size_t writes = 0;
    for (const AnyValue& value : values) {
      ASSERT_EQ(write_value_of(&fixed, value), TCPKIT_OK) << seed;
      ASSERT_EQ(write_value_of(&streamed, value), TCPKIT_OK) << seed;
      writes += value.type == Type::kBytes && value.text.empty() ? 0 : 1;
      ASSERT_EQ(sink.writes.size(), writes) << "one value is one write";
    }
    std::string joined;
    for (const std::string& write : sink.writes) joined += write;
    ASSERT_EQ(memory, encoded) << seed;
    ASSERT_EQ(joined, encoded) << seed;
    ASSERT_EQ(streamed.size, encoded.size()) << seed;
  }
}

TEST(CodecTruncation, IsUnexpectedEofAtEveryByteOfEveryValueInMemory) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const AnyValue value = Generator(seed).value();
    const std::string encoded = encode_values({value});
    for (size_t size = 0; size < encoded.size(); ++size) {
      // In memory of just that size, so that a sanitizer sees every step beyond it.
      const std::vector<char> cut(encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(size));
      tcpkit_reader reader = reader_of({cut.data(), cut.size()});
      AnyValue read;
      ASSERT_EQ(read_value_of(&reader, value.type, read_size_of(value), read),
                TCPKIT_E_UNEXPECTED_EOF);
      ASSERT_EQ(reader.status, TCPKIT_E_UNEXPECTED_EOF);
      ASSERT_EQ(reader.position, 0u) << "a failed read takes nothing";
    }
  }
}

TEST(CodecTruncation, OfAStreamIsTheEndBeforeAValueAndUnexpectedEofInsideOne) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const AnyValue value = Generator(seed).value();
    const std::string encoded = encode_values({value});
    for (size_t size = 0; size < encoded.size(); ++size) {
      SourceStream stream(encoded.substr(0, size), {1 + seed % 3});
      tcpkit_reader reader = stream.reader();
      AnyValue read;
      const tcpkit_status expected = size == 0 ? TCPKIT_E_END : TCPKIT_E_UNEXPECTED_EOF;
      ASSERT_EQ(read_value_of(&reader, value.type, read_size_of(value), read), expected);
      ASSERT_EQ(reader.status, expected);
    }
  }
}

TEST(CodecTruncation, OfRoomIsBufferTooSmallForEveryValueAndWritesNothing) {
  for (uint32_t seed = 0; seed < kSeeds; ++seed) {
    const AnyValue value = Generator(seed).value();
    const size_t size = encode_values({value}).size();
    if (size == 0) continue;
    std::vector<char> memory(size - 1, '?');
    tcpkit_writer writer = tcpkit_writer_over_memory(memory.data(), memory.size());
    ASSERT_EQ(write_value_of(&writer, value), TCPKIT_E_BUFFER_TOO_SMALL);
    ASSERT_EQ(writer.size, 0u);
    ASSERT_EQ(memory, std::vector<char>(size - 1, '?'));
  }
}

}  // namespace
}  // namespace tcpkit::test
