// A timer lies in the ring of the highest group of six bits in which its deadline differs from the
// wheel's clock. So the first occupied slot of the finest occupied ring is always the next one, and
// a slot of a coarser ring is spread over finer rings when the clock enters it.
#include "loop/timer_wheel.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace tcpkit {

void TimerWheel::link(TimerNode*& head, TimerNode& node) noexcept {
  node.wheel_place.next = head;
  node.wheel_place.link_to_this = &head;
  if (head != nullptr) head->wheel_place.link_to_this = &node.wheel_place.next;
  head = &node;
}

void TimerWheel::insert(TimerNode& node) noexcept {
  // A deadline beyond the reach waits in the last slot before it and is spread again from there.
  const uint64_t at = std::clamp(node.wheel_place.deadline_ms, now_ms_, now_ms_ + kReachMs);
  const uint64_t difference = (at ^ now_ms_) | 1;
  const auto highest_bit = static_cast<unsigned>(std::bit_width(difference) - 1);
  const unsigned ring = std::min(highest_bit / kSlotBits, kRingCount - 1);
  const auto slot = static_cast<unsigned>(at >> (ring * kSlotBits)) % kSlotCount;
  node.wheel_place.ring = static_cast<uint8_t>(ring);
  node.wheel_place.slot = static_cast<uint8_t>(slot);
  link(slots_[ring][slot], node);
  occupied_[ring] |= uint64_t{1} << slot;
}

void TimerWheel::arm(TimerNode& node, uint64_t deadline_ms) noexcept {
  disarm(node);
  const uint64_t earliest_ms = advancing_ ? advancing_to_ms_ + 1 : 0;
  node.wheel_place.deadline_ms = std::max(deadline_ms, earliest_ms);
  insert(node);
}

void TimerWheel::disarm(TimerNode& node) noexcept {
  if (!node.armed()) return;
  *node.wheel_place.link_to_this = node.wheel_place.next;
  if (node.wheel_place.next != nullptr)
    node.wheel_place.next->wheel_place.link_to_this = node.wheel_place.link_to_this;
  node.wheel_place.next = nullptr;
  node.wheel_place.link_to_this = nullptr;
  if (node.wheel_place.ring == kFiringRing) return;
  if (slots_[node.wheel_place.ring][node.wheel_place.slot] == nullptr) {
    occupied_[node.wheel_place.ring] &= ~(uint64_t{1} << node.wheel_place.slot);
  }
}

bool TimerWheel::find_next(NextSlot& found) const noexcept {
  for (unsigned ring = 0; ring < kRingCount; ++ring) {
    if (occupied_[ring] == 0) continue;
    const unsigned shift = ring * kSlotBits;
    const auto current_slot = static_cast<unsigned>(now_ms_ >> shift) % kSlotCount;
    const uint64_t turned = std::rotr(occupied_[ring], static_cast<int>(current_slot));
    const auto distance = static_cast<unsigned>(std::countr_zero(turned));
    const uint64_t start_ms = ((now_ms_ >> shift) + distance) << shift;
    found = {ring, (current_slot + distance) % kSlotCount, std::max(start_ms, now_ms_)};
    return true;
  }
  return false;
}

uint64_t TimerWheel::next_ms() const noexcept {
  NextSlot next{};
  return find_next(next) ? next.start_ms : kNever;
}

void TimerWheel::fire(TimerNode*& firing) noexcept {
  while (firing != nullptr) {
    TimerNode& node = *firing;
    disarm(node);
    if (node.wheel_place.deadline_ms > now_ms_) {
      insert(node);
    } else {
      node.on_timer();
    }
  }
}

void TimerWheel::empty_slot(const NextSlot& next) noexcept {
  TimerNode* firing = nullptr;
  TimerNode*& head = slots_[next.ring][next.slot];
  occupied_[next.ring] &= ~(uint64_t{1} << next.slot);
  while (head != nullptr) {  // oldest first, since each slot is a stack
    TimerNode& node = *head;
    head = node.wheel_place.next;
    if (head != nullptr) head->wheel_place.link_to_this = &slots_[next.ring][next.slot];
    node.wheel_place.ring = kFiringRing;
    link(firing, node);
  }
  fire(firing);
}

void TimerWheel::advance(uint64_t now_ms) noexcept {
  TCPKIT_ASSERT(now_ms >= now_ms_);
  advancing_ = true;
  advancing_to_ms_ = now_ms;
  NextSlot next{};
  while (find_next(next) && next.start_ms <= now_ms) {
    now_ms_ = next.start_ms;
    empty_slot(next);
  }
  now_ms_ = now_ms;
  advancing_ = false;
}

}  // namespace tcpkit
