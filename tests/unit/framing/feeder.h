// A stand-in for a connection: gives reads to a framing, keeps what it does not consume, and holds
// every answer against the contract of Framing::next. Used by the unit tests and the fuzz targets.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "framing/framing.h"

namespace tcpkit::test {

inline ByteView view_bytes(std::string_view text) {
  static constexpr char kNothing = 0;
  const char* data = text.data() == nullptr ? &kNothing : text.data();
  return {reinterpret_cast<const uint8_t*>(data), text.size()};
}

inline std::string to_text(ByteView bytes) {
  return std::string(bytes.begin(), bytes.end());
}

inline void require(bool holds, const char* rule) {
  if (holds) return;
  std::fprintf(stderr, "broken: %s\n", rule);
  std::abort();
}

// What came out of a stream.
struct Received {
  std::vector<std::string> packets;
  uint64_t discarded_packets = 0;
  Status status = TCPKIT_OK;  // why the stream was lost

  bool operator==(const Received&) const = default;
};

class Feeder {
 public:
  explicit Feeder(const Framing& framing) : framing_(framing) {
    require(framing_.open_state(state_) == TCPKIT_OK, "the framer has a state");
  }
  ~Feeder() { framing_.close_state(state_); }
  Feeder(const Feeder&) = delete;
  Feeder& operator=(const Feeder&) = delete;

  // One read of a connection. The bytes are in a block of just their size, so that a sanitizer sees
  // every step beyond them.
  void read(std::string_view chunk) {
    if (received_.status != TCPKIT_OK) return;
    const std::string joined = kept_ + std::string(chunk);
    const std::vector<uint8_t> block(joined.begin(), joined.end());
    ByteView rest(block);
    while (!rest.empty() && cut(rest)) {
    }
    kept_ = to_text(rest);
    if (kept_.size() > most_kept_bytes_) most_kept_bytes_ = kept_.size();
  }

  const Received& received() const { return received_; }
  const std::string& kept() const { return kept_; }
  size_t most_kept_bytes() const { return most_kept_bytes_; }
  size_t needed_size() const { return needed_size_; }
  const FramerState& state() const { return state_; }

 private:
  // Takes one answer; false: no more until the next read.
  bool cut(ByteView& rest) {
    const CutResult result = framing_.next(state_, rest);
    require(result.consumed_size <= rest.size(), "no more is consumed than is there");
    received_.discarded_packets += result.discards_packet ? 1 : 0;
    needed_size_ = result.needed_size;
    if (result.cut == Cut::kFail) {
      require(result.status < 0, "a failure has a status");
      received_.status = result.status;
      return false;
    }
    if (result.cut == Cut::kMore) {
      require(result.consumed_size == 0, "kMore consumes nothing");
      require(result.needed_size == 0 || result.needed_size > rest.size(), "more bytes are needed");
      return false;
    }
    require(result.consumed_size >= 1, "kPacket and kSkip consume");
    if (result.cut == Cut::kPacket) take_packet(result, rest);
    rest = rest.subspan(result.consumed_size);
    return true;
  }

  void take_packet(const CutResult& result, ByteView rest) {
    const uint8_t* begin = result.packet.data();
    require(begin >= rest.data(), "the packet is in the frame");
    require(begin + result.packet.size() <= rest.data() + result.consumed_size,
            "the packet ends in the frame");
    require(result.packet.size() <= framing_.max_packet_size(), "no packet is above the limit");
    received_.packets.push_back(to_text(result.packet));
  }

  const Framing& framing_;
  FramerState state_;
  Received received_;
  std::string kept_;
  size_t most_kept_bytes_ = 0;
  size_t needed_size_ = 0;
};

inline constexpr PacketLimits kWideLimits{size_t{1} << 20, TCPKIT_OVERSIZE_CLOSE};

inline PacketLimits close_above(size_t max_packet_size) {
  return {max_packet_size, TCPKIT_OVERSIZE_CLOSE};
}

inline PacketLimits discard_above(size_t max_packet_size) {
  return {max_packet_size, TCPKIT_OVERSIZE_DISCARD};
}

inline std::unique_ptr<Framing> make_framing(const tcpkit_framing& settings,
                                             const PacketLimits& limits = kWideLimits) {
  std::unique_ptr<Framing> framing;
  require(Framing::create(settings, limits, framing) == TCPKIT_OK, "the framing is valid");
  return framing;
}

// The stream in one read.
inline Received receive(const Framing& framing, std::string_view stream) {
  Feeder feeder(framing);
  feeder.read(stream);
  return feeder.received();
}

// The stream one byte at a time.
inline Received receive_bytewise(const Framing& framing, std::string_view stream) {
  Feeder feeder(framing);
  for (size_t i = 0; i < stream.size(); ++i) feeder.read(stream.substr(i, 1));
  return feeder.received();
}

// The frame of packet as one text; "" with status if it is refused.
inline std::string encode_frame(const Framing& framing, std::string_view packet,
                                Status* out_status = nullptr) {
  Envelope envelope;
  const Status status = framing.encode(view_bytes(packet), envelope);
  if (out_status != nullptr) *out_status = status;
  if (status != TCPKIT_OK) return "";
  return to_text({envelope.header, envelope.header_size}) + std::string(packet) +
         to_text({envelope.trailer, envelope.trailer_size});
}

inline Status encode_status(const Framing& framing, std::string_view packet) {
  Status status = TCPKIT_OK;
  encode_frame(framing, packet, &status);
  return status;
}

// A binary number of size bytes.
inline std::string binary(uint64_t value, size_t size, tcpkit_byte_order order) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) {
    bytes[order == TCPKIT_BIG_ENDIAN ? size - 1 - i : i] =
        static_cast<char>(static_cast<uint8_t>(value >> (8 * i)));
  }
  return bytes;
}

inline std::string big_endian(uint64_t value, size_t size) {
  return binary(value, size, TCPKIT_BIG_ENDIAN);
}

// A number in base 128, in its shortest form.
inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

}  // namespace tcpkit::test
