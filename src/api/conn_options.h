// What the options of servers and clients have in common, on its way to what connections go by.
// Options is tcpkit_server_options or tcpkit_client_options, resolved.
#pragma once

#include <cerrno>
#include <memory>

#include "conn/conn_config.h"

namespace tcpkit {

inline uint64_t ns_of(uint64_t ms) noexcept {
  return ms > UINT64_MAX / 1'000'000 ? UINT64_MAX : ms * 1'000'000;
}

inline uint32_t timeout_of(uint64_t ms) noexcept {
  return ms == TCPKIT_UNLIMITED ? TimeoutLimits::kNever : static_cast<uint32_t>(ms);
}

// After this the framing owns its user data.
template <typename Options>
Status make_framing(const Options& options, ConnConfig& config) {
  const tcpkit_framing& framing = options.framing;
  const bool none = framing.kind == TCPKIT_FRAMING_NONE &&
                    (framing.struct_size == 0 || framing.struct_size >= sizeof framing);
  if (none) {
    Framing::free_user_data(framing);
    return TCPKIT_OK;
  }
  std::unique_ptr<Framing> made;
  const PacketLimits limits{options.max_packet_size, options.oversize};
  const Status status = Framing::create(framing, limits, made);
  config.framing = std::move(made);
  return status;
}

template <typename Options>
Status fill_config(const Options& options, ConnConfig& config) noexcept {
  config.log = Log(options.log_level, config.handlers.on_log, config.handlers.user_data);
  config.deliver_tail = options.deliver_tail == TCPKIT_ON;
  config.max_packet_size = options.max_packet_size;
  config.read_buffer_size = options.read_buffer_size;
  config.read_quantum_ns = ns_of(options.read_quantum_ms);
  config.close_timeout_ms = options.close_timeout_ms;
  config.flow.high_watermark = options.high_watermark;
  config.flow.low_watermark = options.low_watermark;
  config.flow.max_queued_bytes = options.max_queued_bytes;
  config.flow.pause_above_high = options.pause_above_high == TCPKIT_ON;
  config.timeouts = {timeout_of(options.idle_timeout_ms), timeout_of(options.read_timeout_ms),
                     timeout_of(options.write_timeout_ms),
                     static_cast<uint32_t>(options.min_receive_rate),
                     static_cast<uint32_t>(options.receive_rate_grace_ms)};
  if (config.fork_guard.arm()) return TCPKIT_OK;
  return fail_errno(errno, "cannot map the page that tells a fork");
}

}  // namespace tcpkit
