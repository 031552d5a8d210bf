// Rates over the time that really passed between two ticks.
#include "server/metrics_tick.h"

namespace tcpkit {
namespace {

uint64_t per_second(uint64_t bytes, uint64_t elapsed_ns) noexcept {
  if (elapsed_ns == 0) return 0;
  return static_cast<uint64_t>(static_cast<double>(bytes) * 1e9 / static_cast<double>(elapsed_ns));
}

}  // namespace

void MetricsTick::start(Loop& loop) noexcept {
  loop_ = &loop;
  tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  owner_.sum(metrics);
  last_read_ = metrics.total_read;
  last_written_ = metrics.total_written;
  last_ns_ = monotonic_ns();
  loop.timers().arm(*this, loop.deadline_in(interval_ms_));
}

void MetricsTick::on_timer() noexcept {
  tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  owner_.sum(metrics);
  const uint64_t now_ns = monotonic_ns();
  metrics.reads_per_second = per_second(metrics.total_read - last_read_, now_ns - last_ns_);
  metrics.writes_per_second = per_second(metrics.total_written - last_written_, now_ns - last_ns_);
  reads_per_second_.store(metrics.reads_per_second, std::memory_order_relaxed);
  writes_per_second_.store(metrics.writes_per_second, std::memory_order_relaxed);
  last_read_ = metrics.total_read;
  last_written_ = metrics.total_written;
  last_ns_ = now_ns;
  loop_->timers().arm(*this, loop_->deadline_in(interval_ms_));
  owner_.publish(metrics);
}

void MetricsTick::clear_rates() noexcept {
  reads_per_second_.store(0, std::memory_order_relaxed);
  writes_per_second_.store(0, std::memory_order_relaxed);
}

}  // namespace tcpkit
