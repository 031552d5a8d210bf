// The framer object of tcpkit.h.
#include <gtest/gtest.h>

#include <cstring>

#include "unit/framing/counted_framer.h"
#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

using Owner = std::unique_ptr<tcpkit_framer, decltype(&tcpkit_framer_free)>;

tcpkit_framer_options options_with(const tcpkit_framing& framing) {
  tcpkit_framer_options options = TCPKIT_FRAMER_OPTIONS_INIT;
  options.framing = framing;
  return options;
}

Owner make_framer(const tcpkit_framer_options& options) {
  tcpkit_framer* framer = nullptr;
  EXPECT_EQ(tcpkit_framer_create(&options, &framer), TCPKIT_OK);
  return Owner(framer, tcpkit_framer_free);
}

Owner make_framer(const tcpkit_framing& framing) {
  return make_framer(options_with(framing));
}

Status push(const Owner& framer, std::string_view bytes) {
  return tcpkit_framer_push(framer.get(), bytes.data(), bytes.size());
}

// The next packet in brackets, "none", or the name of the status.
std::string next(const Owner& framer) {
  const uint8_t* packet = nullptr;
  size_t packet_size = 0;
  const Status status = tcpkit_framer_next(framer.get(), &packet, &packet_size);
  if (status != TCPKIT_OK) return status_name(status);
  return packet == nullptr ? "none" : "[" + to_text({packet, packet_size}) + "]";
}

// What is left in brackets, only its size, or the name of the status.
std::string finish(const Owner& framer) {
  const uint8_t* packet = nullptr;
  size_t packet_size = 0;
  const Status status = tcpkit_framer_finish(framer.get(), &packet, &packet_size);
  if (status != TCPKIT_OK) return status_name(status);
  return packet == nullptr ? std::to_string(packet_size)
                           : "[" + to_text({packet, packet_size}) + "]";
}

TEST(Framer, GivesThePacketsOfWhatWasPushed) {
  const Owner framer = make_framer(tcpkit_framing_line());
  EXPECT_EQ(next(framer), "none");
  push(framer, "a\n\nb");
  EXPECT_EQ(next(framer), "[a]");
  EXPECT_EQ(next(framer), "[]");
  EXPECT_EQ(next(framer), "none");
  push(framer, "c\n");
  EXPECT_EQ(next(framer), "[bc]");
  EXPECT_EQ(next(framer), "none");
}

TEST(Framer, KeepsAPacketUntilTheNextCall) {
  const Owner framer = make_framer(tcpkit_framing_line());
  push(framer, "first\nsecond\n");
  const uint8_t* packet = nullptr;
  size_t packet_size = 0;
  ASSERT_EQ(tcpkit_framer_next(framer.get(), &packet, &packet_size), TCPKIT_OK);
  EXPECT_EQ(to_text({packet, packet_size}), "first");
}

TEST(Framer, TakesALargePacketByteByByte) {
  const Owner framer = make_framer(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN));
  const std::string packet(1u << 18, 'x');
  const std::string stream = big_endian(packet.size(), 4) + packet;
  for (const char& byte : stream) {
    ASSERT_EQ(next(framer), "none");
    ASSERT_EQ(push(framer, {&byte, 1}), TCPKIT_OK);
  }
  EXPECT_EQ(next(framer), "[" + packet + "]");
}

TEST(Framer, GivesManySmallPacketsOfOneLargePush) {
  const Owner framer = make_framer(tcpkit_framing_line());
  std::string stream;
  for (int i = 0; i < 200000; ++i) stream += "packet\n";
  push(framer, stream);
  for (int i = 0; i < 200000; ++i) ASSERT_EQ(next(framer), "[packet]");
  EXPECT_EQ(next(framer), "none");
}

TEST(Framer, LimitsPacketsToOneMebibyteByDefault) {
  const Owner framer = make_framer(tcpkit_framing_kafka());
  push(framer, big_endian((1u << 20) + 1, 4));
  EXPECT_EQ(next(framer), "TCPKIT_E_PACKET_TOO_BIG");
}

TEST(Framer, TakesNoLimitWhenAskedTo) {
  tcpkit_framer_options options = options_with(tcpkit_framing_kafka());
  options.max_packet_size = TCPKIT_UNLIMITED_SIZE;
  const Owner framer = make_framer(options);
  push(framer, big_endian(UINT32_MAX, 4));
  EXPECT_EQ(next(framer), "none");
}

TEST(Framer, FailsForGoodAfterABadFrame) {
  const Owner framer = make_framer(tcpkit_framing_varint());
  push(framer, "\1a\x80\x80\x80\x80\x80\1b");
  EXPECT_EQ(next(framer), "[a]");
  EXPECT_EQ(next(framer), "TCPKIT_E_BAD_VARINT");
  EXPECT_EQ(next(framer), "TCPKIT_E_BAD_VARINT");
  EXPECT_EQ(push(framer, "\1c"), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(finish(framer), "TCPKIT_E_BAD_VARINT");
  EXPECT_EQ(last_error().status, TCPKIT_E_BAD_VARINT);
}

TEST(Framer, CountsThePacketsThatItDiscards) {
  tcpkit_framer_options options = options_with(tcpkit_framing_crlf());
  options.max_packet_size = 2;
  options.oversize = TCPKIT_OVERSIZE_DISCARD;
  const Owner framer = make_framer(options);
  push(framer, "ab\r\nabcdef\r");
  EXPECT_EQ(next(framer), "[ab]");
  EXPECT_EQ(next(framer), "none");
  EXPECT_EQ(tcpkit_framer_discarded(framer.get()), 1u);
  push(framer, "\nx\r\nabc\r\n");
  EXPECT_EQ(next(framer), "[x]");
  EXPECT_EQ(next(framer), "none");
  EXPECT_EQ(tcpkit_framer_discarded(framer.get()), 2u);
}

TEST(FramerFinish, CountsTheTail) {
  const Owner framer = make_framer(tcpkit_framing_line());
  push(framer, "a\nrest");
  EXPECT_EQ(next(framer), "[a]");
  EXPECT_EQ(finish(framer), "4");
  EXPECT_EQ(finish(framer), "0");
}

TEST(FramerFinish, DeliversTheTailOnRequest) {
  tcpkit_framer_options options = options_with(tcpkit_framing_line());
  options.deliver_tail = TCPKIT_ON;
  const Owner framer = make_framer(options);
  EXPECT_EQ(finish(framer), "0");
  push(framer, "rest");
  EXPECT_EQ(finish(framer), "[rest]");
  EXPECT_EQ(finish(framer), "0");
}

TEST(FramerFinish, DeliversNoTailAboveTheLimit) {
  tcpkit_framer_options options = options_with(tcpkit_framing_crlf());
  options.deliver_tail = TCPKIT_ON;
  options.max_packet_size = 4;
  const Owner framer = make_framer(options);
  push(framer, "abcd\r");
  EXPECT_EQ(finish(framer), "5");
}

TEST(FramerFinish, DeliversNothingOfADiscardedPacket) {
  tcpkit_framer_options options = options_with(tcpkit_framing_crlf());
  options.deliver_tail = TCPKIT_ON;
  options.max_packet_size = 4;
  options.oversize = TCPKIT_OVERSIZE_DISCARD;
  const Owner framer = make_framer(options);
  push(framer, "abcdefg\r");
  EXPECT_EQ(finish(framer), "0");
  EXPECT_EQ(tcpkit_framer_discarded(framer.get()), 1u);
}

TEST(FramerFinish, RefusesWhilePacketsAreLeftAndLosesNone) {
  const Owner framer = make_framer(tcpkit_framing_line());
  push(framer, "a\nb\n");
  EXPECT_EQ(finish(framer), "TCPKIT_E_INVALID_ARGUMENT");
  push(framer, std::string(1000, 'x'));
  EXPECT_EQ(next(framer), "[a]");
  EXPECT_EQ(next(framer), "[b]");
  EXPECT_EQ(next(framer), "none");
  EXPECT_EQ(finish(framer), "1000");
}

TEST(FramerEncode, WritesTheFrame) {
  const Owner framer = make_framer(custom_framing(kCountedCallbacks));
  char buffer[16];
  size_t frame_size = 0;
  ASSERT_EQ(tcpkit_framer_encode(framer.get(), {"abc", 3}, buffer, sizeof buffer, &frame_size),
            TCPKIT_OK);
  EXPECT_EQ(std::string(buffer, frame_size), "3abc;");
}

TEST(FramerEncode, TellsTheNeededSize) {
  const Owner framer = make_framer(tcpkit_framing_crlf());
  char buffer[5];
  size_t frame_size = 0;
  EXPECT_EQ(tcpkit_framer_encode(framer.get(), {"abc", 3}, nullptr, 0, &frame_size),
            TCPKIT_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(frame_size, 5u);
  EXPECT_EQ(tcpkit_framer_encode(framer.get(), {"abc", 3}, buffer, 4, &frame_size),
            TCPKIT_E_BUFFER_TOO_SMALL);
  EXPECT_EQ(tcpkit_framer_encode(framer.get(), {"abc", 3}, buffer, 5, &frame_size), TCPKIT_OK);
  EXPECT_EQ(tcpkit_framer_encode(framer.get(), {nullptr, 0}, buffer, 5, &frame_size), TCPKIT_OK);
  EXPECT_EQ(frame_size, 2u);
}

TEST(FramerEncode, WorksAfterTheStreamFailed) {
  const Owner framer = make_framer(tcpkit_framing_minecraft());
  push(framer, "\xff\xff\xff");
  EXPECT_EQ(next(framer), "TCPKIT_E_BAD_VARINT");
  char buffer[8];
  size_t frame_size = 0;
  EXPECT_EQ(tcpkit_framer_encode(framer.get(), {"abc", 3}, buffer, 8, &frame_size), TCPKIT_OK);
}

void count_free(void* user_data) {
  ++*static_cast<int*>(user_data);
}

TEST(FramerCreate, FreesUserDataOnceHoweverItEnds) {
  int frees = 0;
  tcpkit_framer_options options = options_with(custom_framing(kCountedCallbacks));
  options.framing.user_data = &frees;
  options.framing.user_data_free = count_free;
  make_framer(options).reset();
  EXPECT_EQ(frees, 1);
  EXPECT_EQ(tcpkit_framer_create(&options, nullptr), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(frees, 2);
  tcpkit_framer* framer = nullptr;
  options.oversize = 9;
  EXPECT_EQ(tcpkit_framer_create(&options, &framer), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(frees, 3);
  options.oversize = TCPKIT_OVERSIZE_DEFAULT;
  options.framing.callbacks = nullptr;
  EXPECT_EQ(tcpkit_framer_create(&options, &framer), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(frees, 4);
  EXPECT_EQ(framer, nullptr);
}

void* create_no_state(void*) {
  return nullptr;
}

TEST(FramerCreate, ReportsAStateThatWasNotMade) {
  tcpkit_framing_callbacks callbacks = kCountedCallbacks;
  callbacks.state_create = create_no_state;
  const tcpkit_framer_options options = options_with(custom_framing(callbacks));
  tcpkit_framer* framer = nullptr;
  EXPECT_EQ(tcpkit_framer_create(&options, &framer), TCPKIT_E_CALLBACK);
  EXPECT_EQ(framer, nullptr);
}

// Expects that create refuses options and that the text names field.
void expect_refused(const tcpkit_framer_options& options, const char* field) {
  tcpkit_framer* framer = nullptr;
  EXPECT_EQ(tcpkit_framer_create(&options, &framer), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_NE(std::strstr(last_error().message, field), nullptr) << last_error().message;
}

TEST(FramerCreate, NamesTheOptionThatItRefuses) {
  tcpkit_framer_options options = TCPKIT_FRAMER_OPTIONS_INIT;
  expect_refused(options, "framing.kind");
  options.framing = tcpkit_framing_line();
  options.deliver_tail = 3;
  expect_refused(options, "deliver_tail");
  options.deliver_tail = TCPKIT_OFF;
  options.reserved = 1;
  expect_refused(options, "reserved");
  options.reserved = 0;
  options.oversize = -1;
  expect_refused(options, "oversize");
}

TEST(FramerCreate, RefusesAStructSizeThatIsNotSet) {
  tcpkit_framer_options options = options_with(tcpkit_framing_line());
  options.struct_size = 0;
  tcpkit_framer* framer = nullptr;
  EXPECT_EQ(tcpkit_framer_create(&options, &framer), TCPKIT_E_STRUCT_SIZE);
}

TEST(FramerCreate, TakesAStructOfALaterRelease) {
  struct LaterOptions {
    tcpkit_framer_options options;
    uint64_t unknown[4];
  } later = {options_with(tcpkit_framing_line()), {1, 2, 3, 4}};
  later.options.struct_size = sizeof later;
  const Owner framer = make_framer(later.options);
  EXPECT_NE(framer, nullptr);
}

TEST(FramerOptionsInit, EqualsItsMacro) {
  tcpkit_framer_options options;
  std::memset(&options, 0xff, sizeof options);
  tcpkit_framer_options_init(&options);
  const tcpkit_framer_options expected = TCPKIT_FRAMER_OPTIONS_INIT;
  EXPECT_EQ(std::memcmp(&options, &expected, sizeof options), 0);
  tcpkit_framer_options_init(nullptr);
}

// Expects that a call was refused because the argument of that name is NULL.
void expect_null_named(Status status, const std::string& name) {
  EXPECT_EQ(status, TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(last_error().message, name + " is NULL");
}

TEST(FramerArguments, NullIsRefusedAndNamed) {
  const Owner owner = make_framer(tcpkit_framing_line());
  tcpkit_framer* framer = owner.get();
  const uint8_t* packet = nullptr;
  size_t size = 0;
  char buffer[4];
  expect_null_named(tcpkit_framer_create(nullptr, &framer), "options");
  expect_null_named(tcpkit_framer_push(nullptr, "a", 1), "framer");
  expect_null_named(tcpkit_framer_push(framer, nullptr, 1), "data");
  expect_null_named(tcpkit_framer_next(nullptr, &packet, &size), "framer");
  expect_null_named(tcpkit_framer_next(framer, nullptr, &size), "out_packet");
  expect_null_named(tcpkit_framer_next(framer, &packet, nullptr), "out_packet_size");
  expect_null_named(tcpkit_framer_finish(nullptr, &packet, &size), "framer");
  expect_null_named(tcpkit_framer_encode(nullptr, {"a", 1}, buffer, 4, &size), "framer");
  expect_null_named(tcpkit_framer_encode(framer, {nullptr, 1}, buffer, 4, &size), "packet.data");
  expect_null_named(tcpkit_framer_encode(framer, {"a", 1}, nullptr, 4, &size), "buffer");
  expect_null_named(tcpkit_framer_encode(framer, {"a", 1}, buffer, 4, nullptr), "out_frame_size");
  EXPECT_EQ(tcpkit_framer_discarded(nullptr), 0u);
  EXPECT_EQ(tcpkit_framer_push(framer, nullptr, 0), TCPKIT_OK);
  tcpkit_framer_free(nullptr);
}

}  // namespace
}  // namespace tcpkit::test
