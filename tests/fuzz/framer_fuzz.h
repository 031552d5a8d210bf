// What the fuzz targets of the framers share: the input taken apart, and the rule that packets do
// not depend on how the bytes were cut into reads. Feeder checks the rest: limits, and the contract
// of Framing::next.
#pragma once

#include <algorithm>

#include "../unit/framing/feeder.h"

namespace tcpkit::fuzz {

// The first bytes of an input are settings; what is left is the stream.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(test::to_text({data, size})) {}

  // A number below bound, at most 256; 0 once the input is used up.
  uint32_t below(uint32_t bound) {
    if (rest_.empty()) return 0;
    const uint32_t value = static_cast<uint8_t>(rest_.front()) % bound;
    rest_.erase(0, 1);
    return value;
  }

  std::string take(size_t size) {
    const std::string taken = rest_.substr(0, size);
    rest_.erase(0, taken.size());
    return taken;
  }

  PacketLimits take_limits() {
    constexpr size_t kLimits[] = {1, 4, 17, 100, 1000, TCPKIT_UNLIMITED_SIZE};
    const size_t max_packet_size = kLimits[below(6)];
    return below(2) == 0 ? test::close_above(max_packet_size)
                         : test::discard_above(max_packet_size);
  }

  const std::string& rest() const { return rest_; }

 private:
  std::string rest_;
};

// Feeds stream in reads whose sizes the bytes of cuts say, over and over.
inline test::Received receive_cut(const Framing& framing, std::string_view stream,
                                  std::string_view cuts) {
  test::Feeder feeder(framing);
  for (size_t i = 0; !stream.empty(); ++i) {
    const size_t wanted =
        cuts.empty() ? 1 : size_t{1} + static_cast<uint8_t>(cuts[i % cuts.size()]);
    const size_t size = std::min(stream.size(), wanted);
    feeder.read(stream.substr(0, size));
    stream.remove_prefix(size);
  }
  return feeder.received();
}

// The stream gives the same in one read, in reads of one byte, and in those that its begin says.
inline void check_cuts(const Framing& framing, Input& input) {
  const std::string cuts = input.take(4);
  const std::string& stream = input.rest();
  const test::Received whole = test::receive(framing, stream);
  test::require(receive_cut(framing, stream, cuts) == whole, "cuts do not matter");
  test::require(receive_cut(framing, stream, "") == whole, "one-byte reads do not matter");
}

// Settings that create may refuse; NULL then.
inline std::unique_ptr<Framing> try_framing(const tcpkit_framing& settings,
                                            const PacketLimits& limits) {
  std::unique_ptr<Framing> framing;
  const Status status = Framing::create(settings, limits, framing);
  test::require((status == TCPKIT_OK) == (framing != nullptr), "there is a framing or a failure");
  return framing;
}

// Sends what is left of the input as packets; those that the encoder takes must come out again.
inline void check_round_trip(const Framing& framing, Input& input) {
  test::Received sent;
  std::string stream;
  const std::string cuts = input.take(4);
  while (!input.rest().empty()) {
    const std::string packet = input.take(input.below(256));
    Status status = TCPKIT_OK;
    const std::string frame = test::encode_frame(framing, packet, &status);
    if (status != TCPKIT_OK) continue;
    sent.packets.push_back(packet);
    stream += frame;
  }
  test::require(receive_cut(framing, stream, cuts) == sent, "what is sent comes out");
}

}  // namespace tcpkit::fuzz
