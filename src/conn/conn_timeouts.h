// How long one connection may be silent: pure arithmetic on times it is told, no clock, no timer.
#pragma once

#include <algorithm>
#include <cstdint>

namespace tcpkit {

// In milliseconds; kNever: none. Below 2^31, so that differences of 32-bit times tell past from
// future.
struct TimeoutLimits {
  static constexpr uint32_t kNever = UINT32_MAX;
  uint32_t idle_ms = kNever;
  uint32_t read_ms = kNever;
  uint32_t write_ms = kNever;
};

// Times are rounded up, so that a timeout is never early, and kept modulo 2^32: 20 bytes in each
// connection instead of 48. Activity only notes the time; whoever asks next_after() looks at it.
class ConnTimeouts {
 public:
  enum class Kind : uint8_t { kNone, kIdle, kRead, kWrite };
  // Which of them count now: idle always does.
  struct Running {
    bool read;
    bool write;
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

  TimeoutLimits limits_;
  uint32_t read_at_ = 0;
  uint32_t written_at_ = 0;
};

}  // namespace tcpkit
