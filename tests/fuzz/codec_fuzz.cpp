// The codec: any bytes, read as any types, give the same from memory and from a stream in pieces;
// what is read, written again, is read as the same; nothing is read beyond the memory.
#include <cstdio>
#include <cstdlib>

#include "../unit/codec/any_value.h"
#include "../unit/codec/streams.h"

using namespace tcpkit::test;

namespace {

void require(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", rule);
  std::abort();
}

// What came out of the bytes until a read failed.
struct Outcome {
  std::vector<AnyValue> values;
  tcpkit_status status = TCPKIT_OK;
  size_t position = 0;  // behind the last whole value
};

// A type and a size for each value: bytes of plan, over and over.
Outcome read_all(tcpkit_reader reader, std::string_view plan, size_t value_count) {
  Outcome outcome;
  for (size_t i = 0; i < value_count; ++i) {
    const auto step = static_cast<uint8_t>(plan[i % plan.size()]);
    const auto type = static_cast<Type>(step % kTypeCount);
    AnyValue value;
    outcome.status = read_value_of(&reader, type, step / kTypeCount * 7, value);
    require(reader.status == outcome.status, "the first failure stays");
    if (outcome.status != TCPKIT_OK) break;
    outcome.values.push_back(value);
    outcome.position = reader.position;
  }
  return outcome;
}

bool is_failure_of_bytes(tcpkit_status status) {
  return status == TCPKIT_E_UNEXPECTED_EOF || status == TCPKIT_E_BAD_VARINT ||
         status == TCPKIT_E_PACKET_TOO_BIG;
}

void check_round_trip(const Outcome& outcome, tcpkit_byte_order order, size_t read_size) {
  const std::string encoded = encode_values(outcome.values, order);
  require(encoded.size() <= read_size, "the shortest form is written");
  tcpkit_reader reader = reader_of(encoded, order);
  for (const AnyValue& value : outcome.values) {
    // A string that is written ends at its first NUL.
    AnyValue expected = value;
    if (value.type == Type::kString) expected.text = value.text.c_str();
    AnyValue read;
    const size_t size = value.text.size();
    require(read_value_of(&reader, value.type, size, read) == TCPKIT_OK, "what is written is read");
    require(read == expected, "and it is the same");
  }
  require(reader.position == encoded.size(), "nothing is left");
}

}  // namespace

// The first byte has the byte order and the number of bytes of the plan, which follow; then come
// the sizes of two pieces, then the bytes that are read.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 4) return 0;
  const tcpkit_byte_order order = data[0] % 3;
  const size_t plan_size = 1 + (data[0] / 3) % 16;
  const std::vector<size_t> pieces = {1 + data[1] % size_t{9}, size_t{1} + data[2]};
  const std::string_view input(reinterpret_cast<const char*>(data) + 3, size - 3);
  const std::string_view plan = input.substr(0, plan_size);
  // A block of just their size, so that a sanitizer sees every step beyond it.
  const std::string_view rest = input.substr(plan.size());
  const std::vector<char> bytes(rest.begin(), rest.end());

  const size_t value_count = bytes.size() + 1;
  const Outcome memory =
      read_all(reader_of({bytes.data(), bytes.size()}, order), plan, value_count);
  SourceStream source(std::string(rest), pieces);
  Outcome stream = read_all(source.reader(order), plan, value_count);
  require(memory.status == TCPKIT_OK || is_failure_of_bytes(memory.status), "no other failure");
  if (stream.status == TCPKIT_E_END) stream.status = TCPKIT_E_UNEXPECTED_EOF;
  require(stream.status == memory.status, "a stream fails like memory");
  require(stream.values == memory.values, "pieces do not matter");
  require(stream.position == memory.position, "a value takes as many bytes from both");
  check_round_trip(memory, order, memory.position);
  return 0;
}
