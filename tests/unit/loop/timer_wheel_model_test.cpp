// The timer wheel against a multimap, with random calls and jumps of the clock from fixed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>

#include "loop/timer_wheel.h"

namespace tcpkit::test {
namespace {

constexpr size_t kTimerCount = 60;

class Model {
 public:
  explicit Model(uint64_t seed) : random_(seed), now_ms_(random_() >> (24 + random_() % 40)) {
    wheel_.start_at(now_ms_);
    for (size_t i = 0; i < kTimerCount; ++i) timers_[i].setup(*this, i);
  }
  ~Model() {
    for (Timer& timer : timers_) wheel_.disarm(timer);
  }

  void do_something() {
    const uint64_t choice = random_() % 8;
    if (choice < 4) return arm(random_() % kTimerCount, deadline());
    if (choice == 4) return disarm(random_() % kTimerCount);
    advance(choice == 5 && !deadlines_.empty() ? wheel_.next_ms() : now_ms_ + some_span_ms());
  }

  void check_next() const {
    if (deadlines_.empty()) {
      ASSERT_EQ(wheel_.next_ms(), TimerWheel::kNever);
    } else {
      ASSERT_LE(wheel_.next_ms(), std::max(deadlines_.begin()->first, now_ms_));
      ASSERT_GE(wheel_.next_ms(), now_ms_);
    }
  }

 private:
  class Timer final : public TimerNode {
   public:
    void setup(Model& model, size_t index) {
      model_ = &model;
      index_ = index;
    }
    void on_timer() noexcept override { model_->fired(index_); }

   private:
    Model* model_ = nullptr;
    size_t index_ = 0;
  };

  // Mostly short, now and then up to beyond the reach of the wheel.
  uint64_t some_span_ms() { return random_() >> (26 + random_() % 38); }
  uint64_t deadline() {
    const uint64_t span_ms = some_span_ms();
    return random_() % 16 == 0 ? now_ms_ - std::min(span_ms, now_ms_) : now_ms_ + span_ms;
  }

  void forget(size_t index) {
    const auto found = std::find_if(deadlines_.begin(), deadlines_.end(),
                                    [&](const auto& entry) { return entry.second == index; });
    if (found != deadlines_.end()) deadlines_.erase(found);
  }
  void arm(size_t index, uint64_t deadline_ms) {
    forget(index);
    deadlines_.emplace(deadline_ms, index);
    wheel_.arm(timers_[index], deadline_ms);
  }
  void disarm(size_t index) {
    forget(index);
    wheel_.disarm(timers_[index]);
  }

  void advance(uint64_t now_ms) {
    now_ms_ = now_ms;
    wheel_.advance(now_ms);
    for (const auto& [deadline_ms, index] : deadlines_) {
      ASSERT_GT(deadline_ms, now_ms) << "timer " << index << " is late";
    }
  }

  // Deadlines that callbacks arm are past the end of the advance, so that each turn ends.
  void fired(size_t index) {
    const uint64_t deadline_ms = timers_[index].deadline_ms();
    EXPECT_LE(deadline_ms, now_ms_) << "timer " << index << " is early";
    EXPECT_FALSE(timers_[index].armed());
    EXPECT_TRUE(std::any_of(
        deadlines_.begin(), deadlines_.end(),
        [&](const auto& entry) { return entry.first == deadline_ms && entry.second == index; }))
        << "timer " << index << " was not armed";
    forget(index);
    const uint64_t choice = random_() % 6;
    if (choice == 0) arm(index, now_ms_ + 1 + some_span_ms());
    if (choice == 1) arm(random_() % kTimerCount, now_ms_ + 1 + some_span_ms());
    if (choice == 2) disarm(random_() % kTimerCount);
  }

  std::mt19937_64 random_;
  uint64_t now_ms_;
  TimerWheel wheel_;
  std::array<Timer, kTimerCount> timers_;
  std::multimap<uint64_t, size_t> deadlines_;
};

TEST(TimerWheelModel, FiresWhatAMultimapWouldFire) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    Model model(seed);
    for (int step = 0; step < 1000 && !::testing::Test::HasFailure(); ++step) {
      model.do_something();
      model.check_next();
    }
    ASSERT_FALSE(::testing::Test::HasFailure()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace tcpkit::test
