// What all connections of a server have in common. Immutable once the server exists.
#pragma once

#include <memory>

#include "base/fork_guard.h"
#include "base/log.h"
#include "conn/conn_timeouts.h"
#include "framing/framing.h"
#include "metrics/counters.h"

namespace tcpkit {

// How much may wait; SIZE_MAX: no limit.
struct FlowLimits {
  size_t high_watermark = SIZE_MAX;
  size_t low_watermark = SIZE_MAX;
  size_t max_queued_bytes = SIZE_MAX;
  size_t max_buffered_bytes = SIZE_MAX;  // of all connections together
  bool pause_above_high = true;
};

// Shared by the server and by every loop's host, so that a connection that outlives its server can
// still be asked things. The handlers are called only while the server exists.
struct ConnConfig {
  std::unique_ptr<const Framing> framing;  // null: no packets
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  Log log;
  bool deliver_tail = false;
  size_t max_packet_size = 0;
  size_t read_buffer_size = 0;
  uint64_t read_quantum_ns = 0;   // UINT64_MAX: no limit
  uint64_t close_timeout_ms = 0;  // TCPKIT_UNLIMITED: none
  uint64_t tick_interval_ms = 0;  // also the window of a connection's rates
  FlowLimits flow;
  TimeoutLimits timeouts;
  ForkGuard fork_guard;

  // Mutable: counted by every loop.
  mutable Gauge open_connections;
  mutable Gauge buffered_bytes;
  mutable std::atomic<uint64_t> refused_sends{0};
};

}  // namespace tcpkit
