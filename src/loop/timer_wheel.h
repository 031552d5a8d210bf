// All timers of one loop: six rings of 64 slots, each ring 64 times coarser than the one before.
// Arming, disarming and firing cost the same for ten timers and for a million.
#pragma once

#include <array>
#include <cstdint>

namespace tcpkit {

// A timer, embedded in what it belongs to. Home thread: that of its loop.
class TimerNode {
 public:
  TimerNode() = default;
  TimerNode(const TimerNode&) = delete;
  TimerNode& operator=(const TimerNode&) = delete;

  // Called when the timer comes due; it is disarmed by then and may be armed again or freed.
  virtual void on_timer() noexcept = 0;

  bool armed() const noexcept { return wheel_place.link_to_this != nullptr; }
  uint64_t deadline_ms() const noexcept { return wheel_place.deadline_ms; }

  // Of the wheel.
  struct Place {
    TimerNode* next = nullptr;
    TimerNode** link_to_this = nullptr;  // what points at this node: a slot or a next
    uint64_t deadline_ms = 0;
    uint8_t ring = 0;
    uint8_t slot = 0;
  };
  Place wheel_place;

 protected:
  ~TimerNode() = default;
};

class TimerWheel {
 public:
  static constexpr uint64_t kNever = UINT64_MAX;

  TimerWheel() = default;
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;

  // Sets the clock of an empty wheel.
  void start_at(uint64_t now_ms) noexcept { now_ms_ = now_ms; }

  // Arms or re-arms a timer; a deadline that has passed comes due at the next advance.
  void arm(TimerNode& node, uint64_t deadline_ms) noexcept;
  void disarm(TimerNode& node) noexcept;

  // Fires every timer whose deadline is <= now_ms, the earlier slot first.
  void advance(uint64_t now_ms) noexcept;

  // When advance has something to do next: never later than the first deadline, and earlier only
  // when a coarse slot has to be spread over the finer ring. kNever if no timer is armed.
  uint64_t next_ms() const noexcept;

 private:
  static constexpr unsigned kRingCount = 6;
  static constexpr unsigned kSlotBits = 6;
  static constexpr unsigned kSlotCount = 1u << kSlotBits;
  // 63 slots of the coarsest ring, over two years: one less than a lap, so that a slot never holds
  // timers of this lap and of the next.
  static constexpr uint64_t kReachMs = uint64_t{kSlotCount - 1} << ((kRingCount - 1) * kSlotBits);
  static constexpr uint8_t kFiringRing = kRingCount;

  struct NextSlot {
    unsigned ring;
    unsigned slot;
    uint64_t start_ms;
  };
  bool find_next(NextSlot& found) const noexcept;
  void insert(TimerNode& node) noexcept;
  void link(TimerNode*& head, TimerNode& node) noexcept;
  void empty_slot(const NextSlot& next) noexcept;
  void fire(TimerNode*& firing) noexcept;

  uint64_t now_ms_ = 0;
  // Inside advance(): a timer armed for the past waits until after this, so that one which arms
  // itself again and again does not hold advance() up for ever.
  uint64_t advancing_to_ms_ = 0;
  bool advancing_ = false;
  std::array<uint64_t, kRingCount> occupied_{};  // one bit per slot
  std::array<std::array<TimerNode*, kSlotCount>, kRingCount> slots_{};
};

}  // namespace tcpkit
