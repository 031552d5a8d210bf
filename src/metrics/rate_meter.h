// Bytes per second of one connection, without a timer and without a visit per tick: the window is
// rolled by the connection's own traffic, and a reader of an idle one measures to this moment.
#pragma once

#include <atomic>
#include <cstdint>

namespace tcpkit {

// Writer: the loop. Readers: any thread. One that reads between the two stores of a new window may
// see a rate near zero for that moment, but never one that underflows: a total that is less than
// the start it is held against answers the rate of the window before.
class RateMeter {
 public:
  void start(uint64_t now_ms) noexcept { start_ms_.store(now_ms, std::memory_order_relaxed); }

  // To be called with each change of total; begins a new window when the last one is over.
  void note(uint64_t total, uint64_t now_ms, uint64_t window_ms) noexcept {
    const uint64_t start_ms = start_ms_.load(std::memory_order_relaxed);
    if (now_ms <= start_ms || now_ms - start_ms < window_ms) return;
    const uint64_t start_total = start_total_.load(std::memory_order_relaxed);
    rate_.store(per_second(total - start_total, now_ms - start_ms), std::memory_order_relaxed);
    start_total_.store(total, std::memory_order_relaxed);
    start_ms_.store(now_ms, std::memory_order_release);
  }

  uint64_t per_second_now(const std::atomic<uint64_t>& total, uint64_t now_ms,
                          uint64_t window_ms) const noexcept {
    const uint64_t start_ms = start_ms_.load(std::memory_order_acquire);
    const uint64_t start_total = start_total_.load(std::memory_order_acquire);
    const uint64_t now_total = total.load(std::memory_order_relaxed);
    if (now_ms <= start_ms || now_ms - start_ms < window_ms || now_total < start_total) {
      return rate_.load(std::memory_order_relaxed);
    }
    return per_second(now_total - start_total, now_ms - start_ms);
  }

 private:
  static uint64_t per_second(uint64_t bytes, uint64_t elapsed_ms) noexcept {
    return bytes > UINT64_MAX / 1000 ? bytes / elapsed_ms * 1000 : bytes * 1000 / elapsed_ms;
  }

  std::atomic<uint64_t> start_ms_{0};
  std::atomic<uint64_t> start_total_{0};
  std::atomic<uint64_t> rate_{0};
};

}  // namespace tcpkit
