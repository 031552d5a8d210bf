// The timer wheel, with the clock as a number: never early, never late, whatever callbacks do.
#include "loop/timer_wheel.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

namespace tcpkit::test {
namespace {

// Counts how often it came due and may do something then.
class Probe final : public TimerNode {
 public:
  void on_timer() noexcept override {
    ++fired;
    if (action) action();
  }

  int fired = 0;
  std::function<void()> action;
};

constexpr uint64_t kReachMs = uint64_t{63} << 30;
constexpr uint64_t kDeadlines[] = {0,
                                   1,
                                   2,
                                   62,
                                   63,
                                   64,
                                   65,
                                   127,
                                   128,
                                   4095,
                                   4096,
                                   4097,
                                   262'143,
                                   262'144,
                                   262'145,
                                   (1u << 30) - 1,
                                   1u << 30,
                                   (1u << 30) + 1,
                                   kReachMs - 1,
                                   kReachMs,
                                   kReachMs + 1,
                                   3 * kReachMs + 5};
constexpr uint64_t kStarts[] = {0, 1, 63, 64, 4095, 1'700'000'000'123, (uint64_t{1} << 36) - 1};

TEST(TimerWheel, HasNothingToDoWithoutTimers) {
  TimerWheel wheel;
  EXPECT_EQ(wheel.next_ms(), TimerWheel::kNever);
  wheel.advance(1'000'000'000'000);
  EXPECT_EQ(wheel.next_ms(), TimerWheel::kNever);
}

TEST(TimerWheel, FiresAtItsDeadlineAndNotOneMillisecondEarlier) {
  for (const uint64_t start : kStarts) {
    for (const uint64_t delay : kDeadlines) {
      TimerWheel wheel;
      wheel.start_at(start);
      Probe probe;
      wheel.arm(probe, start + delay);
      if (delay > 0) wheel.advance(start + delay - 1);
      EXPECT_EQ(probe.fired, 0) << start << " + " << delay;
      EXPECT_TRUE(probe.armed());
      EXPECT_EQ(probe.deadline_ms(), start + delay);
      wheel.advance(start + delay);
      EXPECT_EQ(probe.fired, 1) << start << " + " << delay;
      EXPECT_FALSE(probe.armed());
      EXPECT_EQ(wheel.next_ms(), TimerWheel::kNever);
    }
  }
}

TEST(TimerWheel, FiresWhenTheClockJumpsFarOverTheDeadline) {
  for (const uint64_t start : kStarts) {
    for (const uint64_t delay : kDeadlines) {
      TimerWheel wheel;
      wheel.start_at(start);
      Probe probe;
      wheel.arm(probe, start + delay);
      wheel.advance(start + delay + 5 * kReachMs);
      EXPECT_EQ(probe.fired, 1) << start << " + " << delay;
    }
  }
}

TEST(TimerWheel, GetsToEachDeadlineByFollowingNextMs) {
  for (const uint64_t start : kStarts) {
    for (const uint64_t delay : kDeadlines) {
      TimerWheel wheel;
      wheel.start_at(start);
      Probe probe;
      wheel.arm(probe, start + delay);
      int wake_ups = 0;
      while (probe.armed() && ++wake_ups < 20) {
        ASSERT_LE(wheel.next_ms(), start + delay);
        wheel.advance(wheel.next_ms());
      }
      EXPECT_EQ(probe.fired, 1) << start << " + " << delay << " after " << wake_ups;
    }
  }
}

TEST(TimerWheel, FiresAPassedDeadlineAtTheNextAdvance) {
  TimerWheel wheel;
  wheel.start_at(1000);
  Probe probe;
  wheel.arm(probe, 10);
  EXPECT_EQ(wheel.next_ms(), 1000u);
  wheel.advance(1000);
  EXPECT_EQ(probe.fired, 1);
}

TEST(TimerWheel, KeepsATimerThatIsNeverDue) {
  TimerWheel wheel;
  wheel.start_at(1'700'000'000'123);
  Probe probe;
  wheel.arm(probe, UINT64_MAX);
  wheel.advance(1000 * kReachMs);
  EXPECT_EQ(probe.fired, 0);
  EXPECT_TRUE(probe.armed());
  wheel.disarm(probe);
  EXPECT_EQ(wheel.next_ms(), TimerWheel::kNever);
}

TEST(TimerWheel, MovesATimerThatIsArmedAgain) {
  TimerWheel wheel;
  Probe probe;
  wheel.arm(probe, 10);
  wheel.arm(probe, 5000);
  wheel.advance(4999);
  EXPECT_EQ(probe.fired, 0);
  wheel.arm(probe, 5001);
  wheel.advance(5000);
  EXPECT_EQ(probe.fired, 0);
  wheel.advance(5001);
  EXPECT_EQ(probe.fired, 1);
}

TEST(TimerWheel, ForgetsADisarmedTimer) {
  TimerWheel wheel;
  Probe first;
  Probe second;
  Probe third;
  for (Probe* probe : {&first, &second, &third}) wheel.arm(*probe, 100);
  wheel.disarm(second);
  wheel.disarm(second);
  EXPECT_FALSE(second.armed());
  wheel.advance(100);
  EXPECT_EQ(first.fired, 1);
  EXPECT_EQ(second.fired, 0);
  EXPECT_EQ(third.fired, 1);
}

TEST(TimerWheel, FiresTheEarlierDeadlineFirst) {
  TimerWheel wheel;
  std::vector<uint64_t> order;
  std::vector<std::unique_ptr<Probe>> probes;
  for (const uint64_t deadline : {5000u, 3u, 64u, 70u, 65u, 4096u, 200u}) {
    probes.push_back(std::make_unique<Probe>());
    probes.back()->action = [&order, deadline] { order.push_back(deadline); };
    wheel.arm(*probes.back(), deadline);
  }
  wheel.advance(10'000);
  EXPECT_EQ(order, (std::vector<uint64_t>{3, 64, 65, 70, 200, 4096, 5000}));
}

TEST(TimerWheel, FiresEqualDeadlinesInTheOrderOfArming) {
  for (const uint64_t deadline : {7u, 100u, 5000u}) {
    TimerWheel wheel;
    std::vector<int> order;
    Probe probes[5];
    for (int i = 0; i < 5; ++i) {
      probes[i].action = [&order, i] { order.push_back(i); };
      wheel.arm(probes[i], deadline);
    }
    wheel.advance(deadline);
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4})) << deadline;
  }
}

TEST(TimerWheel, MayBeArmedAgainInItsOwnCallback) {
  TimerWheel wheel;
  Probe probe;
  probe.action = [&] { wheel.arm(probe, probe.deadline_ms() + 50); };
  wheel.arm(probe, 50);
  for (uint64_t now = 1; now <= 1000; ++now) {
    wheel.advance(now);
    ASSERT_EQ(probe.fired, static_cast<int>(now / 50)) << now;
  }
  wheel.disarm(probe);
}

TEST(TimerWheel, FiresARepeatingTimerOncePerAdvanceWhenTheClockJumps) {
  TimerWheel wheel;
  Probe probe;
  probe.action = [&] { wheel.arm(probe, probe.deadline_ms() + 50); };
  wheel.arm(probe, 50);
  wheel.advance(1000);
  EXPECT_EQ(probe.fired, 1);
  EXPECT_LE(wheel.next_ms(), 1001u);
  wheel.advance(1001);
  EXPECT_EQ(probe.fired, 2);
  wheel.disarm(probe);
}

TEST(TimerWheel, LeavesATimerThatIsArmedForThePastInACallbackToTheNextAdvance) {
  for (const uint64_t now : {11u, 20u, 63u, 64u, 100u, 1000u, 4096u, 300'000u, 1u << 31}) {
    TimerWheel wheel;
    Probe probe;
    probe.action = [&] {
      if (probe.fired < 5) wheel.arm(probe, 0);  // bounded, should it come due at once
    };
    wheel.arm(probe, 10);
    wheel.advance(now);
    EXPECT_EQ(probe.fired, 1) << now;
    wheel.advance(now + 1);
    EXPECT_EQ(probe.fired, 2) << now;
    wheel.disarm(probe);
  }
}

TEST(TimerWheel, LetsACallbackDisarmATimerOfTheSameMoment) {
  for (const uint64_t deadline : {7u, 100u, 5000u}) {
    TimerWheel wheel;
    Probe probes[3];
    probes[0].action = [&] { wheel.disarm(probes[1]); };
    for (Probe& probe : probes) wheel.arm(probe, deadline);
    wheel.advance(deadline);
    EXPECT_EQ(probes[0].fired, 1);
    EXPECT_EQ(probes[1].fired, 0);
    EXPECT_EQ(probes[2].fired, 1);
    EXPECT_EQ(wheel.next_ms(), TimerWheel::kNever);
  }
}

TEST(TimerWheel, LetsACallbackMoveAndFreeTimersOfTheSameMoment) {
  TimerWheel wheel;
  Probe first;
  Probe moved;
  auto freed = std::make_unique<Probe>();
  Probe last;
  first.action = [&] {
    wheel.arm(moved, 6000);
    wheel.disarm(*freed);
    freed.reset();
  };
  wheel.arm(first, 5000);
  wheel.arm(moved, 5000);
  wheel.arm(*freed, 5000);
  wheel.arm(last, 5000);
  wheel.advance(5999);
  EXPECT_EQ(first.fired, 1);
  EXPECT_EQ(moved.fired, 0);
  EXPECT_EQ(last.fired, 1);
  wheel.advance(6000);
  EXPECT_EQ(moved.fired, 1);
}

TEST(TimerWheel, LetsACallbackDisarmALaterTimerOfTheSameSlot) {
  TimerWheel wheel;
  Probe first;
  Probe later;
  first.action = [&] { wheel.disarm(later); };
  wheel.arm(first, 128);
  wheel.arm(later, 130);  // in the same coarse slot
  wheel.advance(200);
  EXPECT_EQ(first.fired, 1);
  EXPECT_EQ(later.fired, 0);
}

TEST(TimerWheel, LetsACallbackFreeItsOwnTimer) {
  TimerWheel wheel;
  int freed = 0;
  class SelfFreeing final : public TimerNode {
   public:
    explicit SelfFreeing(int& count) : count_(count) {}
    void on_timer() noexcept override {
      ++count_;
      delete this;
    }

   private:
    int& count_;
  };
  wheel.arm(*new SelfFreeing(freed), 10);
  wheel.arm(*new SelfFreeing(freed), 10);
  wheel.advance(10);
  EXPECT_EQ(freed, 2);
}

}  // namespace
}  // namespace tcpkit::test
