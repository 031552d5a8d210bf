// What Framing::create takes and refuses, naming the field, and that it frees user_data once.
#include <gtest/gtest.h>

#include "unit/framing/counted_framer.h"
#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

// Expects that settings are refused and that the text names field.
void expect_refused(const tcpkit_framing& settings, const std::string& field,
                    Status status = TCPKIT_E_INVALID_ARGUMENT) {
  std::unique_ptr<Framing> framing;
  EXPECT_EQ(Framing::create(settings, close_above(1000), framing), status);
  EXPECT_EQ(framing, nullptr);
  EXPECT_NE(std::string(last_error().message).find(field), std::string::npos)
      << "\"" << last_error().message << "\" does not name " << field;
}

tcpkit_framing with_strip(tcpkit_framing framing, uint32_t length_offset, uint32_t strip_size) {
  framing.length_offset = length_offset;
  framing.strip_size = strip_size;
  return framing;
}

TEST(FramingSettings, RefusesAnEmptySeparator) {
  expect_refused(tcpkit_framing_separator("x", 0), "separator_size");
  expect_refused(tcpkit_framing_separator(nullptr, 0), "separator_size");
  expect_refused(tcpkit_framing_separator(nullptr, 2), "separator_size");
}

TEST(FramingSettings, RefusesASeparatorThatIsNowhere) {
  tcpkit_framing settings = tcpkit_framing_line();
  settings.separator_size = 33;
  expect_refused(settings, "framing.separator is NULL");
}

TEST(FramingSettings, RefusesAKindThatIsNone) {
  tcpkit_framing settings = TCPKIT_FRAMING_INIT;
  expect_refused(settings, "TCPKIT_FRAMING_NONE");
  settings.kind = 7;
  expect_refused(settings, "framing.kind");
  settings.kind = -1;
  expect_refused(settings, "framing.kind");
}

TEST(FramingSettings, RefusesALengthSizeThatIsNone) {
  for (const uint32_t size : {0u, 5u, 6u, 7u, 9u, UINT32_MAX}) {
    expect_refused(tcpkit_framing_length(size, TCPKIT_BIG_ENDIAN), "length_size");
  }
  tcpkit_framing varint = tcpkit_framing_varint();
  varint.length_size = 6;
  expect_refused(varint, "length_size");
  tcpkit_framing varlong = tcpkit_framing_varlong();
  varlong.length_size = 11;
  expect_refused(varlong, "length_size");
}

TEST(FramingSettings, RefusesAByteOrderThatIsNone) {
  expect_refused(tcpkit_framing_length(4, 3), "byte_order");
  expect_refused(tcpkit_framing_length(4, -1), "byte_order");
}

TEST(FramingSettings, RefusesALengthFieldTooFarBehind) {
  tcpkit_framing settings = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  settings.length_offset = 65;
  expect_refused(settings, "length_offset");
  settings.length_offset = 64;
  make_framing(settings);
}

TEST(FramingSettings, RefusesToStripAPartOfTheLengthField) {
  const tcpkit_framing length4 = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  for (const uint32_t strip : {0u, 1u, 10u, 14u, 128u, TCPKIT_STRIP_NONE}) {
    make_framing(with_strip(length4, 10, strip));
  }
  for (const uint32_t strip : {11u, 12u, 13u, 129u, UINT32_MAX - 1}) {
    expect_refused(with_strip(length4, 10, strip), "strip_size");
  }
}

TEST(FramingSettings, RefusesAFixedSizeOfZeroOrAboveTheLimit) {
  expect_refused(tcpkit_framing_fixed(0), "fixed_size");
  expect_refused(tcpkit_framing_fixed(1001), "max_packet_size");
  make_framing(tcpkit_framing_fixed(1000), close_above(1000));
}

TEST(FramingSettings, RefusesReservedFieldsThatAreSet) {
  tcpkit_framing settings = tcpkit_framing_line();
  settings.reserved[3] = 1;
  expect_refused(settings, "reserved");
}

TEST(FramingSettings, RefusesAStructSizeThatIsNotSet) {
  tcpkit_framing settings = tcpkit_framing_line();
  settings.struct_size = 0;
  expect_refused(settings, "struct_size", TCPKIT_E_STRUCT_SIZE);
  settings.struct_size = sizeof(tcpkit_framing) - 1;
  expect_refused(settings, "struct_size", TCPKIT_E_STRUCT_SIZE);
}

TEST(FramingSettings, RefusesAnOversizePolicyThatIsNone) {
  std::unique_ptr<Framing> framing;
  EXPECT_EQ(Framing::create(tcpkit_framing_line(), {10, 3}, framing), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(last_error().message).find("oversize"), std::string::npos);
}

TEST(FramingSettings, RefusesCallbacksThatAreMissing) {
  tcpkit_framing_callbacks callbacks = kCountedCallbacks;
  tcpkit_framing settings = custom_framing(callbacks);
  callbacks.next = nullptr;
  expect_refused(settings, "next");
  callbacks = kCountedCallbacks;
  callbacks.reserved = 1;
  expect_refused(settings, "reserved");
  callbacks.struct_size = 8;
  expect_refused(settings, "struct_size", TCPKIT_E_STRUCT_SIZE);
  settings.callbacks = nullptr;
  expect_refused(settings, "callbacks");
}

void count_free(void* user_data) {
  ++*static_cast<int*>(user_data);
}

TEST(FramingSettings, FreesUserDataOnceWithTheFraming) {
  int frees = 0;
  tcpkit_framing settings = custom_framing(kCountedCallbacks);
  settings.user_data = &frees;
  settings.user_data_free = count_free;
  auto framing = make_framing(settings);
  EXPECT_EQ(frees, 0);
  framing.reset();
  EXPECT_EQ(frees, 1);
}

TEST(FramingSettings, FreesUserDataOnceWhenTheSettingsAreRefused) {
  tcpkit_framing_callbacks callbacks = kCountedCallbacks;
  callbacks.next = nullptr;
  int frees = 0;
  tcpkit_framing settings = custom_framing(callbacks);
  settings.user_data = &frees;
  settings.user_data_free = count_free;
  expect_refused(settings, "next");
  EXPECT_EQ(frees, 1);
  settings.reserved[0] = 1;
  expect_refused(settings, "reserved");
  EXPECT_EQ(frees, 2);
}

TEST(FramingSettings, FreesUserDataOnRequestForCallsThatFailEarlier) {
  int frees = 0;
  tcpkit_framing settings = custom_framing(kCountedCallbacks);
  settings.user_data = &frees;
  settings.user_data_free = count_free;
  Framing::free_user_data(settings);
  EXPECT_EQ(frees, 1);
  Framing::free_user_data(tcpkit_framing_line());
}

}  // namespace
}  // namespace tcpkit::test
