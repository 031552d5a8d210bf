// The tick: rates over measured time, what is published, and the timer that it arms again.
#include "server/metrics_tick.h"

#include <gtest/gtest.h>

#include <vector>

namespace tcpkit::test {
namespace {

class CountingOwner final : public MetricsTick::Owner {
 public:
  void sum(tcpkit_metrics& metrics) const noexcept override {
    metrics.total_read = read;
    metrics.total_written = written;
  }
  void publish(const tcpkit_metrics& metrics) noexcept override {
    published.push_back(metrics);
    if (loop_to_finish != nullptr && published.size() == ticks_wanted) loop_to_finish->finish();
  }

  uint64_t read = 0;
  uint64_t written = 0;
  std::vector<tcpkit_metrics> published;
  Loop* loop_to_finish = nullptr;
  size_t ticks_wanted = 0;
};

// Time that has to pass for a rate to mean something.
void let_two_milliseconds_pass() {
  const uint64_t begin_ns = monotonic_ns();
  while (monotonic_ns() - begin_ns < 2'000'000) {
  }
}

class MetricsTickTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(loop_.open(), TCPKIT_OK); }
  void TearDown() override {
    if (tick_.armed()) loop_.timers().disarm(tick_);
  }

  static constexpr uint64_t kIntervalMs = 60'000;

  Loop loop_;
  CountingOwner owner_;
  MetricsTick tick_{owner_, kIntervalMs};
};

TEST_F(MetricsTickTest, HasNoRatesBeforeTheFirstTick) {
  tick_.start(loop_);
  EXPECT_EQ(tick_.rates().reads_per_second, 0u);
  EXPECT_EQ(tick_.rates().writes_per_second, 0u);
  EXPECT_TRUE(owner_.published.empty());
}

TEST_F(MetricsTickTest, MeasuresBytesOverTheTimeThatReallyPassed) {
  owner_.read = 5'000'000;  // of an earlier run: not of this tick
  const uint64_t before_start_ns = monotonic_ns();
  tick_.start(loop_);
  const uint64_t after_start_ns = monotonic_ns();
  let_two_milliseconds_pass();
  owner_.read += 8'000'000;
  owner_.written += 3'000'000;
  const uint64_t before_tick_ns = monotonic_ns();
  tick_.on_timer();
  const uint64_t after_tick_ns = monotonic_ns();

  const double longest_s = static_cast<double>(after_tick_ns - before_start_ns) / 1e9;
  const double shortest_s = static_cast<double>(before_tick_ns - after_start_ns) / 1e9;
  const MetricsTick::Rates rates = tick_.rates();
  EXPECT_GE(static_cast<double>(rates.reads_per_second) + 1, 8e6 / longest_s);
  EXPECT_LE(static_cast<double>(rates.reads_per_second), 8e6 / shortest_s);
  EXPECT_GE(static_cast<double>(rates.writes_per_second) + 1, 3e6 / longest_s);
  EXPECT_LE(static_cast<double>(rates.writes_per_second), 3e6 / shortest_s);
}

TEST_F(MetricsTickTest, CountsOnlyWhatCameSinceTheTickBefore) {
  tick_.start(loop_);
  let_two_milliseconds_pass();
  owner_.read = 1'000'000;
  tick_.on_timer();
  EXPECT_GT(tick_.rates().reads_per_second, 0u);
  let_two_milliseconds_pass();
  tick_.on_timer();
  EXPECT_EQ(tick_.rates().reads_per_second, 0u);
}

TEST_F(MetricsTickTest, PublishesTotalsTogetherWithTheirRates) {
  tick_.start(loop_);
  let_two_milliseconds_pass();
  owner_.read = 4096;
  owner_.written = 128;
  tick_.on_timer();
  ASSERT_EQ(owner_.published.size(), 1u);
  const tcpkit_metrics& published = owner_.published.front();
  EXPECT_EQ(published.struct_size, sizeof(tcpkit_metrics));
  EXPECT_EQ(published.total_read, 4096u);
  EXPECT_EQ(published.total_written, 128u);
  EXPECT_EQ(published.reads_per_second, tick_.rates().reads_per_second);
  EXPECT_EQ(published.writes_per_second, tick_.rates().writes_per_second);
}

TEST_F(MetricsTickTest, ArmsItselfForOneIntervalAndAgainAtEachTick) {
  const uint64_t begin_ms = monotonic_ns() / 1'000'000;
  tick_.start(loop_);
  ASSERT_TRUE(tick_.armed());
  EXPECT_GE(tick_.deadline_ms(), begin_ms + kIntervalMs);
  const uint64_t first_deadline_ms = tick_.deadline_ms();
  loop_.timers().disarm(tick_);
  let_two_milliseconds_pass();
  tick_.on_timer();
  ASSERT_TRUE(tick_.armed());
  EXPECT_GT(tick_.deadline_ms(), first_deadline_ms);
}

TEST_F(MetricsTickTest, ForgetsItsRatesWhenTheServerStops) {
  tick_.start(loop_);
  let_two_milliseconds_pass();
  owner_.read = owner_.written = 1'000'000;
  tick_.on_timer();
  tick_.clear_rates();
  EXPECT_EQ(tick_.rates().reads_per_second, 0u);
  EXPECT_EQ(tick_.rates().writes_per_second, 0u);
}

TEST_F(MetricsTickTest, BeginsAgainAtTheNextStartWithoutWhatCameBetween) {
  tick_.start(loop_);
  loop_.timers().disarm(tick_);
  owner_.read = 1'000'000'000;
  tick_.start(loop_);
  let_two_milliseconds_pass();
  tick_.on_timer();
  EXPECT_EQ(tick_.rates().reads_per_second, 0u);
}

// Nothing is left for the end of a turn.
class NothingToDo final : public TurnEnd {
 public:
  bool finish_turn() noexcept override { return false; }
};

TEST(MetricsTickOnALoop, ComesDueAgainAndAgain) {
  Loop loop;
  CountingOwner owner;
  owner.loop_to_finish = &loop;
  owner.ticks_wanted = 3;
  MetricsTick tick(owner, 1);
  ASSERT_EQ(loop.open(), TCPKIT_OK);
  tick.start(loop);
  const uint64_t begin_ns = monotonic_ns();
  NothingToDo turn_end;
  loop.run(turn_end);
  EXPECT_EQ(owner.published.size(), 3u);
  EXPECT_GE(monotonic_ns() - begin_ns, 2'000'000u);
  loop.timers().disarm(tick);
}

}  // namespace
}  // namespace tcpkit::test
