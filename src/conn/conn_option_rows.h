// The options of connections, which servers and clients have alike: a default stands in one place.
#pragma once

#include <cstddef>

#include "base/option_row.h"
#include "framing/framing_option.h"

namespace tcpkit {

inline constexpr uint64_t kMaxTime = UINT64_MAX - 1;
inline constexpr uint64_t kMaxTimeout = 0x7FFFFFFF;  // of those that each connection has

#define TCPKIT_FIELD(name) #name, offsetof(Options, name)

// Options is tcpkit_server_options or tcpkit_client_options.
template <typename Options>
class ConnOptionRows {
 public:
  static constexpr OptionRow max_packet_size() {
    return or_unlimited(with_range(number({TCPKIT_FIELD(max_packet_size)}, OptionType::kSize, "1m",
                                          "Most bytes of one packet."),
                                   1u << 20, 1, kMaxBlock));
  }
  static constexpr OptionRow oversize() {
    return choice({TCPKIT_FIELD(oversize)}, kOversizeNames, "close|discard", "close",
                  "What happens to larger packets: the connection closes, or they are skipped.");
  }
  static constexpr OptionRow deliver_tail() {
    return on_or_off({TCPKIT_FIELD(deliver_tail)}, "off",
                     "Deliver what follows the last whole packet when a stream ends.");
  }
  static constexpr OptionRow read_buffer_size() {
    return with_range(number({TCPKIT_FIELD(read_buffer_size)}, OptionType::kSize, "512k",
                             "Most bytes per read; one buffer per loop."),
                      512u << 10, 1024, 64u << 20);
  }
  static constexpr OptionRow read_quantum_ms() {
    return or_unlimited(with_range(
        number({TCPKIT_FIELD(read_quantum_ms)}, OptionType::kMilliseconds, "10",
               "Time a ready connection may use before the others of its loop have their turn."),
        10, 1, kMaxTime));
  }
  static constexpr OptionRow idle_timeout_ms() {
    return or_unlimited(
        with_range(number({TCPKIT_FIELD(idle_timeout_ms)}, OptionType::kMilliseconds, "unlimited",
                          "Longest time without a byte in or out."),
                   TCPKIT_UNLIMITED, 1, kMaxTimeout));
  }
  static constexpr OptionRow read_timeout_ms() {
    return or_unlimited(
        with_range(number({TCPKIT_FIELD(read_timeout_ms)}, OptionType::kMilliseconds, "unlimited",
                          "Longest time without a byte from the peer while we read."),
                   TCPKIT_UNLIMITED, 1, kMaxTimeout));
  }
  static constexpr OptionRow write_timeout_ms() {
    return or_unlimited(
        with_range(number({TCPKIT_FIELD(write_timeout_ms)}, OptionType::kMilliseconds, "60000",
                          "Longest time that a peer may take nothing while output waits."),
                   60'000, 1, kMaxTimeout));
  }
  static constexpr OptionRow close_timeout_ms() {
    return or_unlimited(
        with_range(number({TCPKIT_FIELD(close_timeout_ms)}, OptionType::kMilliseconds, "5000",
                          "Time from close to reset for a peer that does not take what "
                          "was sent or does not end its stream."),
                   5000, 1, kMaxTime));
  }
  static constexpr OptionRow min_receive_rate() {
    return with_range(
        number({TCPKIT_FIELD(min_receive_rate)}, OptionType::kSize, "0",
               "Bytes per second that a peer has to send while it owes some; 0: none."),
        0, 0, kMaxRate);
  }
  static constexpr OptionRow receive_rate_grace_ms() {
    return with_range(number({TCPKIT_FIELD(receive_rate_grace_ms)}, OptionType::kMilliseconds,
                             "5000", "How far behind that rate a peer may fall."),
                      5000, 1, kMaxGrace);
  }
  static constexpr OptionRow high_watermark() {
    return or_unlimited(with_range(number({TCPKIT_FIELD(high_watermark)}, OptionType::kSize, "1m",
                                          "Queued bytes above which a connection is not read."),
                                   1u << 20, 1, kMaxTime));
  }
  static constexpr OptionRow low_watermark() {
    return or_unlimited(
        with_range(number({TCPKIT_FIELD(low_watermark)}, OptionType::kSize, "high/4",
                          "Queued bytes at which reading goes on; at most the high watermark."),
                   0, 1, kMaxTime));
  }
  static constexpr OptionRow max_queued_bytes() {
    return or_unlimited(
        with_range(number({TCPKIT_FIELD(max_queued_bytes)}, OptionType::kSize, "64m",
                          "Queued bytes of a connection that no send may pass."),
                   64u << 20, 1, kMaxTime));
  }
  static constexpr OptionRow pause_above_high() {
    return on_or_off({TCPKIT_FIELD(pause_above_high)}, "on",
                     "Reading pauses while the output is above the high watermark.");
  }
  static constexpr OptionRow keep_alive_ms() {
    return or_unlimited(with_range(number({TCPKIT_FIELD(keep_alive_ms)}, OptionType::kMilliseconds,
                                          "300000", "Idle time before TCP keep-alive probes."),
                                   300'000, 1, kMaxTime));
  }
  static constexpr OptionRow no_delay() {
    return on_or_off({TCPKIT_FIELD(no_delay)}, "on", "TCP_NODELAY.");
  }
  static constexpr OptionRow receive_buffer_size() {
    return with_range(number({TCPKIT_FIELD(receive_buffer_size)}, OptionType::kSize, "system",
                             "SO_RCVBUF of a connection."),
                      0, 1, 0x7FFFFFFF);
  }
  static constexpr OptionRow send_buffer_size() {
    return with_range(number({TCPKIT_FIELD(send_buffer_size)}, OptionType::kSize, "system",
                             "SO_SNDBUF of a connection."),
                      0, 1, 0x7FFFFFFF);
  }
  static constexpr OptionRow log_level() {
    return choice({TCPKIT_FIELD(log_level)}, kLogLevelNames, "off|error|warning|info|debug",
                  "warning", "What is logged.");
  }

 private:
  static constexpr uint64_t kMaxRate = uint64_t{1} << 30;
  static constexpr uint64_t kMaxGrace = 1'800'000;
  static constexpr uint64_t kMaxBlock = uint64_t{3} << 30;
};

#undef TCPKIT_FIELD

// What the rows of the watermarks cannot say.
template <typename Options>
Status resolve_watermarks(Options& options) noexcept {
  if (options.low_watermark == 0) options.low_watermark = options.high_watermark / 4;
  if (options.low_watermark <= options.high_watermark) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT,
              "options: low_watermark is %zu, more than high_watermark, %zu", options.low_watermark,
              options.high_watermark);
}

}  // namespace tcpkit
