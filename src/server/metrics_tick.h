// The tick of a server on its first loop: sum, strategy hook, user handler.
#pragma once

#include <atomic>

#include "base/clock.h"
#include "loop/loop.h"

namespace tcpkit {

// Home thread: the first loop, but for rates().
class MetricsTick final : public TimerNode {
 public:
  struct Rates {
    uint64_t reads_per_second;
    uint64_t writes_per_second;
  };
  // What a tick does with its owner.
  class Owner {
   public:
    virtual void sum(tcpkit_metrics& metrics) const noexcept = 0;
    virtual void publish(const tcpkit_metrics& metrics) noexcept = 0;

   protected:
    ~Owner() = default;
  };

  MetricsTick(Owner& owner, uint64_t interval_ms) noexcept
      : owner_(owner), interval_ms_(interval_ms) {}

  // Before the loop runs.
  void start(Loop& loop) noexcept;
  void on_timer() noexcept override;

  // Any thread: of the last whole tick.
  Rates rates() const noexcept {
    return {reads_per_second_.load(std::memory_order_relaxed),
            writes_per_second_.load(std::memory_order_relaxed)};
  }
  // Nothing flows while the server is stopped.
  void clear_rates() noexcept;

 private:
  Owner& owner_;
  const uint64_t interval_ms_;
  Loop* loop_ = nullptr;
  uint64_t last_ns_ = 0;
  uint64_t last_read_ = 0;
  uint64_t last_written_ = 0;
  std::atomic<uint64_t> reads_per_second_{0};
  std::atomic<uint64_t> writes_per_second_{0};
};

}  // namespace tcpkit
