// How long one connection may be silent, and how slow: pure arithmetic on times it is told, no
// clock, no timer.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace tcpkit {

// In milliseconds; kNever: none. Below 2^31, so that differences of 32-bit times tell past from
// future.
struct TimeoutLimits {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t idle_ms = kNever;
  uint32_t read_ms = kNever;
  uint32_t write_ms = kNever;
  uint32_t receive_rate = 0;  // bytes per second that a peer has to send; 0: none
  uint32_t rate_grace_ms = 0;
};

// Times are rounded up, so that a timeout is never early, and kept modulo 2^32: 32 bytes in each
// connection instead of 64. Activity only notes the time; whoever asks next_after() looks at it.
class ConnTimeouts {
 public:
  enum class Kind : uint8_t { kNone, kIdle, kRead, kWrite, kRate };
  // Which of them count now: idle always does.
  struct Running {
    bool read;
    bool write;
    bool rate = false;
  };
  struct Next {
    Kind kind;  // kNone: nothing is running
    uint64_t deadline_ms;
  };

  explicit ConnTimeouts(const TimeoutLimits& limits) noexcept : limits_(limits) {}

  TimeoutLimits& limits() noexcept { return limits_; }
  bool watch_reads() const noexcept {
    return limits_.idle_ms != TimeoutLimits::kNever || limits_.read_ms != TimeoutLimits::kNever;
  }
  bool watch_writes() const noexcept { return limits_.idle_ms != TimeoutLimits::kNever; }
  bool watch_waiting() const noexcept {
    return watch_writes() || limits_.write_ms != TimeoutLimits::kNever;
  }
  bool watch_rate() const noexcept { return limits_.receive_rate != 0; }
  // The peer owes bytes from now on.
  void begin_rate(uint64_t now_ms) noexcept {
    rate_deadline_us_ = to_us(now_ms) + limits_.rate_grace_ms * 1000;
  }
  // Each byte moves the deadline by the time it may take, but never beyond a whole grace: the peer
  // cannot save up for later.
  void note_rate(uint64_t now_ms, size_t bytes) noexcept {
    const uint64_t grace_us = uint64_t{limits_.rate_grace_ms} * 1000;
    const uint64_t earned_us =
        (uint64_t{bytes} * 1'000'000 + limits_.receive_rate - 1) / limits_.receive_rate;
    const uint64_t left_us = std::min(rate_left_us(now_ms) + earned_us, grace_us);
    rate_deadline_us_ = to_us(now_ms) + static_cast<uint32_t>(left_us);
  }
  void note_read(uint64_t now_ms) noexcept { read_at_ = static_cast<uint32_t>(now_ms); }
  void note_write(uint64_t now_ms) noexcept { written_at_ = static_cast<uint32_t>(now_ms); }

  // The first of the running timeouts; its deadline is now_ms if it has passed.
  Next next_after(uint64_t now_ms, Running running) const noexcept {
    const auto now = static_cast<uint32_t>(now_ms);
    const uint32_t silent_ms = std::min(since(read_at_, now), since(written_at_, now));
    Next next{Kind::kNone, UINT64_MAX};
    if (running.write) consider(next, Kind::kWrite, limits_.write_ms, since(written_at_, now));
    if (running.read) consider(next, Kind::kRead, limits_.read_ms, since(read_at_, now));
    consider(next, Kind::kIdle, limits_.idle_ms, silent_ms);
    if (running.rate && watch_rate()) {
      consider(next, Kind::kRate, static_cast<uint32_t>((rate_left_us(now_ms) + 999) / 1000), 0);
    }
    if (next.kind != Kind::kNone) next.deadline_ms += now_ms;
    return next;
  }

 private:
  // 0 for a time that was rounded up beyond now.
  static uint32_t since(uint32_t then, uint32_t now) noexcept {
    const uint32_t elapsed = now - then;
    return elapsed > INT32_MAX ? 0 : elapsed;
  }
  static void consider(Next& next, Kind kind, uint32_t limit_ms, uint32_t elapsed_ms) noexcept {
    if (limit_ms == TimeoutLimits::kNever) return;
    const uint64_t left_ms = limit_ms > elapsed_ms ? limit_ms - elapsed_ms : 0;
    if (left_ms < next.deadline_ms) next = {kind, left_ms};
  }

  static uint32_t to_us(uint64_t ms) noexcept { return static_cast<uint32_t>(ms * 1000); }
  uint64_t rate_left_us(uint64_t now_ms) const noexcept {
    const uint32_t left_us = rate_deadline_us_ - to_us(now_ms);
    return left_us > INT32_MAX ? 0 : left_us;
  }

  TimeoutLimits limits_;
  uint32_t rate_deadline_us_ = 0;
  uint32_t read_at_ = 0;
  uint32_t written_at_ = 0;
};

}  // namespace tcpkit
