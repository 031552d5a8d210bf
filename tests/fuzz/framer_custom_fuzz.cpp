// Custom framers: a right one, whose packets do not depend on the cuts, and one that answers
// whatever the input says, which must neither crash nor deliver bytes that are not there.
#include "../unit/framing/counted_framer.h"
#include "framer_fuzz.h"

namespace {

using tcpkit::fuzz::Input;

// A number that is small, at the end of its range, or near the size of the bytes.
size_t take_number(Input& input, size_t near) {
  const uint32_t choice = input.below(256);
  if (choice < 32) return SIZE_MAX - choice;
  if (choice < 160) return choice - 32;
  return near + choice - 208;
}

int32_t next_of_any_answer(void* state, const uint8_t*, size_t data_size, tcpkit_frame* out_frame) {
  Input& input = *static_cast<Input*>(state);
  out_frame->frame_size = take_number(input, data_size);
  out_frame->packet_offset = take_number(input, 0);
  out_frame->packet_size = take_number(input, data_size);
  out_frame->declared_size = take_number(input, 100);
  return static_cast<int32_t>(input.below(6)) - 1;
}

void* use_script(void* user_data) {
  return user_data;
}

constexpr tcpkit_framing_callbacks kAnyAnswer = {
    sizeof(tcpkit_framing_callbacks), 0, use_script, nullptr, next_of_any_answer, nullptr};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input input(data, size);
  const tcpkit::PacketLimits limits = input.take_limits();
  if (input.below(2) == 0) {
    const auto settings = tcpkit::test::custom_framing(tcpkit::test::kCountedCallbacks);
    tcpkit::fuzz::check_cuts(*tcpkit::test::make_framing(settings, limits), input);
    return 0;
  }
  tcpkit_framing settings = tcpkit::test::custom_framing(kAnyAnswer);
  settings.user_data = &input;
  const auto framing = tcpkit::test::make_framing(settings, limits);
  const std::string stream = input.take(64);
  tcpkit::fuzz::receive_cut(*framing, stream, input.take(4));
  return 0;
}
