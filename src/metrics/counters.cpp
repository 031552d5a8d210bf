// Summing of the loops' counters into a snapshot.
#include "metrics/counters.h"

namespace tcpkit {

void add_counters(const LoopCounters& counters, tcpkit_metrics& metrics) noexcept {
  metrics.total_read += counters.read_bytes.get();
  metrics.total_written += counters.written_bytes.get();
  metrics.packets_read += counters.packets_read.get();
  metrics.packets_written += counters.packets_written.get();
  metrics.packets_discarded += counters.packets_discarded.get();
  metrics.tails += counters.tails.get();
  metrics.tail_bytes += counters.tail_bytes.get();
  metrics.frame_errors += counters.frame_errors.get();
  metrics.callback_errors += counters.callback_errors.get();
  metrics.accepted += counters.accepted.get();
  metrics.closed += counters.closed.get();
  metrics.accept_errors += counters.accept_errors.get();
  metrics.accept_out_of_files += counters.accept_out_of_files.get();
  metrics.refused_connections += counters.refused_connections.get();
  metrics.output_pauses += counters.output_pauses.get();
  metrics.idle_timeouts += counters.idle_timeouts.get();
  metrics.read_timeouts += counters.read_timeouts.get();
  metrics.write_timeouts += counters.write_timeouts.get();
  metrics.drained += counters.drained.get();
  metrics.drained_by_force += counters.drained_by_force.get();
  metrics.drain_lost_bytes += counters.drain_lost_bytes.get();
  metrics.refused_by_address += counters.refused_by_address.get();
  metrics.refused_by_prefix += counters.refused_by_prefix.get();
  metrics.refused_by_rate += counters.refused_by_rate.get();
  metrics.accept_waits += counters.accept_waits.get();
  metrics.proxy_headers += counters.proxy_headers.get();
  metrics.proxy_errors += counters.proxy_errors.get();
  metrics.rate_timeouts += counters.rate_timeouts.get();
  metrics.refused_by_files += counters.refused_by_files.get();
  metrics.tls_handshakes += counters.tls_handshakes.get();
  metrics.tls_resumed += counters.tls_resumed.get();
  metrics.tls_failures += counters.tls_failures.get();
  metrics.refused_by_handshakes += counters.refused_by_handshakes.get();
  metrics.filter_errors += counters.filter_errors.get();
  metrics.connects += counters.connects.get();
  metrics.connect_failures += counters.connect_failures.get();
  metrics.reconnects += counters.reconnects.get();
  metrics.broadcasts += counters.broadcasts.get();
  metrics.frames_queued += counters.frames_queued.get();
  metrics.frames_dropped += counters.frames_dropped.get();
  metrics.slow_consumers += counters.slow_consumers.get();
  metrics.refused_by_threads += counters.refused_by_threads.get();
}

void add_counters(const CallCounters& counters, tcpkit_metrics& metrics) noexcept {
  metrics.total_read += counters.read_bytes.get();
  metrics.total_written += counters.written_bytes.get();
  metrics.packets_read += counters.packets_read.get();
  metrics.packets_written += counters.packets_written.get();
  metrics.packets_discarded += counters.packets_discarded.get();
  metrics.tails += counters.tails.get();
  metrics.tail_bytes += counters.tail_bytes.get();
  metrics.frame_errors += counters.frame_errors.get();
}

void add_counters(const CallCounters& counters, LoopCounters& sum) noexcept {
  sum.read_bytes.add(counters.read_bytes.get());
  sum.written_bytes.add(counters.written_bytes.get());
  sum.packets_read.add(counters.packets_read.get());
  sum.packets_written.add(counters.packets_written.get());
  sum.packets_discarded.add(counters.packets_discarded.get());
  sum.tails.add(counters.tails.get());
  sum.tail_bytes.add(counters.tail_bytes.get());
  sum.frame_errors.add(counters.frame_errors.get());
}

}  // namespace tcpkit
