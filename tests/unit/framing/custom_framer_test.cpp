// Custom framers: their state, and every way in which their callbacks can break the contract.
#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>

#include "unit/framing/counted_framer.h"
#include "unit/framing/feeder.h"

namespace tcpkit::test {
namespace {

// What the callbacks of a test answer; it is their state and their user_data.
struct Script {
  std::function<int32_t(ByteView, tcpkit_frame&)> next;
  std::function<tcpkit_status(ByteView, tcpkit_frame_envelope&)> encode;
  bool makes_no_state = false;
  int states_made = 0;
  int states_freed = 0;
};

void* create_state(void* user_data) {
  Script* script = static_cast<Script*>(user_data);
  ++script->states_made;
  return script->makes_no_state ? nullptr : script;
}

void free_state(void* state) {
  ++static_cast<Script*>(state)->states_freed;
}

int32_t next_by_script(void* state, const uint8_t* data, size_t data_size,
                       tcpkit_frame* out_frame) {
  return static_cast<Script*>(state)->next({data, data_size}, *out_frame);
}

tcpkit_status encode_by_script(const void* packet, size_t packet_size,
                               tcpkit_frame_envelope* out_envelope, void* user_data) {
  return static_cast<Script*>(user_data)->encode({static_cast<const uint8_t*>(packet), packet_size},
                                                 *out_envelope);
}

constexpr tcpkit_framing_callbacks kScriptCallbacks = {sizeof(tcpkit_framing_callbacks),
                                                       0,
                                                       create_state,
                                                       free_state,
                                                       next_by_script,
                                                       encode_by_script};

std::unique_ptr<Framing> make_scripted(Script& script, const PacketLimits& limits = kWideLimits) {
  tcpkit_framing settings = custom_framing(kScriptCallbacks);
  settings.user_data = &script;
  return make_framing(settings, limits);
}

// Status of a stream of 4 bytes of which the callback says that.
Status status_of_answer(int32_t answer, const tcpkit_frame& frame,
                        const PacketLimits& limits = kWideLimits) {
  Script script;
  script.next = [&](ByteView, tcpkit_frame& out_frame) {
    out_frame = frame;
    return answer;
  };
  return receive(*make_scripted(script, limits), "abcd").status;
}

TEST(CustomFramer, RefusesAFrameWithoutBytes) {
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {0, 0, 0, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_SKIP, {0, 0, 0, 0}), TCPKIT_E_BAD_FRAME);
}

TEST(CustomFramer, RefusesAFrameBeyondTheBytes) {
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {5, 0, 1, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_SKIP, {SIZE_MAX, 0, 0, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {4, 0, 4, 0}), TCPKIT_OK);
}

TEST(CustomFramer, RefusesAPacketBeyondItsFrame) {
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {4, 1, 4, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {2, 3, 0, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {4, 2, SIZE_MAX, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {4, SIZE_MAX, 2, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_PACKET, {4, 4, 0, 0}), TCPKIT_OK);
}

TEST(CustomFramer, RefusesAnAnswerThatIsNone) {
  EXPECT_EQ(status_of_answer(3, {4, 0, 4, 0}), TCPKIT_E_BAD_FRAME);
  EXPECT_EQ(status_of_answer(INT32_MAX, {4, 0, 4, 0}), TCPKIT_E_BAD_FRAME);
}

TEST(CustomFramer, PassesOnAStatusOfItsOwn) {
  EXPECT_EQ(status_of_answer(TCPKIT_E_BAD_VARINT, {0, 0, 0, 0}), TCPKIT_E_BAD_VARINT);
  EXPECT_EQ(status_of_answer(-12345, {0, 0, 0, 0}), -12345);
}

TEST(CustomFramer, RefusesADeclaredSizeAboveTheLimitAtOnceWithEitherPolicy) {
  const tcpkit_frame declared{0, 0, 0, 11};
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_MORE, declared, close_above(10)),
            TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_MORE, declared, discard_above(10)),
            TCPKIT_E_PACKET_TOO_BIG);
  EXPECT_EQ(status_of_answer(TCPKIT_FRAME_MORE, declared, close_above(11)), TCPKIT_OK);
}

TEST(CustomFramer, TurnsAnExceptionIntoAStatus) {
  Script script;
  script.next = [](ByteView, tcpkit_frame&) -> int32_t { throw std::runtime_error("no"); };
  script.encode = [](ByteView, tcpkit_frame_envelope&) -> tcpkit_status { throw 1; };
  const auto framing = make_scripted(script);
  EXPECT_EQ(receive(*framing, "abcd").status, TCPKIT_E_CALLBACK);
  EXPECT_EQ(encode_status(*framing, "abcd"), TCPKIT_E_CALLBACK);
}

TEST(CustomFramer, SeesTheBytesThatAreLeftAndTheirSuccessors) {
  Script script;
  std::vector<std::string> shown;
  script.next = [&](ByteView bytes, tcpkit_frame& frame) -> int32_t {
    shown.push_back(to_text(bytes));
    if (bytes.size() < 3) return TCPKIT_FRAME_MORE;
    frame = {3, 1, 1, 0};
    return TCPKIT_FRAME_PACKET;
  };
  const auto framing = make_scripted(script);
  Feeder feeder(*framing);
  feeder.read("ab");
  feeder.read("cd");
  EXPECT_EQ(shown, (std::vector<std::string>{"ab", "abcd", "d"}));
  EXPECT_EQ(feeder.received().packets, std::vector<std::string>{"b"});
}

TEST(CustomFramer, MakesAndFreesOneStatePerConnection) {
  Script script;
  const auto framing = make_scripted(script);
  FramerState first;
  FramerState second;
  EXPECT_EQ(framing->open_state(first), TCPKIT_OK);
  EXPECT_EQ(framing->open_state(second), TCPKIT_OK);
  framing->close_state(first);
  framing->close_state(first);
  EXPECT_EQ(script.states_made, 2);
  EXPECT_EQ(script.states_freed, 1);
  framing->close_state(second);
  EXPECT_EQ(script.states_freed, 2);
}

TEST(CustomFramer, ReportsAStateThatWasNotMade) {
  Script script;
  script.makes_no_state = true;
  const auto framing = make_scripted(script);
  FramerState state;
  EXPECT_EQ(framing->open_state(state), TCPKIT_E_CALLBACK);
  framing->close_state(state);
  EXPECT_EQ(script.states_freed, 0);
}

TEST(CustomFramer, NeedsNoState) {
  const auto framing = make_framing(custom_framing(kCountedCallbacks));
  EXPECT_EQ(receive(*framing, "1a;").packets, std::vector<std::string>{"a"});
}

TEST(CustomEncoder, PutsHeaderAndTrailerAroundThePacket) {
  EXPECT_EQ(encode_frame(*make_framing(custom_framing(kCountedCallbacks)), "abc"), "3abc;");
}

TEST(CustomEncoder, RefusesAnEnvelopeThatIsTooBig) {
  Script script;
  const auto framing = make_scripted(script);
  script.encode = [](ByteView, tcpkit_frame_envelope& envelope) {
    envelope.header_size = 65;
    return TCPKIT_OK;
  };
  EXPECT_EQ(encode_status(*framing, "a"), TCPKIT_E_BAD_FRAME);
  script.encode = [](ByteView, tcpkit_frame_envelope& envelope) {
    envelope.trailer_size = UINT32_MAX;
    return TCPKIT_OK;
  };
  EXPECT_EQ(encode_status(*framing, "a"), TCPKIT_E_BAD_FRAME);
}

TEST(CustomEncoder, PassesOnAStatusOfItsOwnAndRefusesAPositiveOne) {
  Script script;
  const auto framing = make_scripted(script);
  script.encode = [](ByteView, tcpkit_frame_envelope&) { return TCPKIT_E_LIMIT; };
  EXPECT_EQ(encode_status(*framing, "a"), TCPKIT_E_LIMIT);
  script.encode = [](ByteView, tcpkit_frame_envelope&) { return 7; };
  EXPECT_EQ(encode_status(*framing, "a"), TCPKIT_E_BAD_FRAME);
}

TEST(CustomEncoder, IsNotSupportedWithoutItsCallback) {
  tcpkit_framing_callbacks callbacks = kCountedCallbacks;
  callbacks.encode = nullptr;
  EXPECT_EQ(encode_status(*make_framing(custom_framing(callbacks)), "a"), TCPKIT_E_NOT_SUPPORTED);
}

TEST(CustomEncoder, IsNotAskedAboutAPacketAboveTheLimit) {
  const auto framing = make_framing(custom_framing(kCountedCallbacks), close_above(2));
  EXPECT_EQ(encode_status(*framing, "abc"), TCPKIT_E_PACKET_TOO_BIG);
}

}  // namespace
}  // namespace tcpkit::test
