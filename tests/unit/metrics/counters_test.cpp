// Counters, gauges and rates, with the time as a number.
#include "metrics/counters.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "metrics/rate_meter.h"

namespace tcpkit::test {
namespace {

TEST(Counter, AddsUp) {
  Counter counter;
  EXPECT_EQ(counter.get(), 0u);
  counter.add(3);
  counter.add(UINT32_MAX);
  EXPECT_EQ(counter.get(), 3 + uint64_t{UINT32_MAX});
}

TEST(Counter, IsReadByOtherThreadsWhileItGrows) {
  Counter counter;
  std::thread reader([&] {
    uint64_t last = 0;
    while (last < 100'000) {
      const uint64_t now = counter.get();
      EXPECT_GE(now, last);
      last = now;
    }
  });
  for (int i = 0; i < 100'000; ++i) counter.add(1);
  reader.join();
  EXPECT_EQ(counter.get(), 100'000u);
}

TEST(AddCounters, SumsEachCounterOfSeveralLoops) {
  LoopCounters counters;
  Counter* const all[] = {&counters.read_bytes,
                          &counters.written_bytes,
                          &counters.packets_read,
                          &counters.packets_written,
                          &counters.packets_discarded,
                          &counters.tails,
                          &counters.tail_bytes,
                          &counters.frame_errors,
                          &counters.callback_errors,
                          &counters.accepted,
                          &counters.closed,
                          &counters.accept_errors,
                          &counters.accept_out_of_files,
                          &counters.refused_connections};
  uint64_t value = 0;
  for (Counter* counter : all) counter->add(++value);
  tcpkit_metrics metrics{};
  add_counters(counters, metrics);
  add_counters(counters, metrics);
  const uint64_t sums[] = {metrics.total_read,
                           metrics.total_written,
                           metrics.packets_read,
                           metrics.packets_written,
                           metrics.packets_discarded,
                           metrics.tails,
                           metrics.tail_bytes,
                           metrics.frame_errors,
                           metrics.callback_errors,
                           metrics.accepted,
                           metrics.closed,
                           metrics.accept_errors,
                           metrics.accept_out_of_files,
                           metrics.refused_connections};
  value = 0;
  for (const uint64_t sum : sums) EXPECT_EQ(sum, 2 * ++value);
}

TEST(Gauge, KnowsTheMostThereEverWere) {
  Gauge gauge;
  gauge.add_one();
  gauge.add_one();
  gauge.remove_one();
  gauge.add_one();
  gauge.remove_one();
  gauge.remove_one();
  EXPECT_EQ(gauge.now(), 0u);
  EXPECT_EQ(gauge.most(), 2u);
}

TEST(Gauge, RefusesAtItsLimitAndAddsNothing) {
  Gauge gauge;
  EXPECT_FALSE(gauge.add_up_to(1, 0));
  EXPECT_TRUE(gauge.add_up_to(1, 2));
  EXPECT_TRUE(gauge.add_up_to(1, 2));
  EXPECT_FALSE(gauge.add_up_to(1, 2));
  EXPECT_EQ(gauge.now(), 2u);
  gauge.remove_one();
  EXPECT_TRUE(gauge.add_up_to(1, 2));
  EXPECT_TRUE(gauge.add_up_to(1, TCPKIT_UNLIMITED));
  EXPECT_EQ(gauge.most(), 3u);
}

TEST(Gauge, KeepsItsLimitAgainstManyThreads) {
  constexpr uint64_t kLimit = 3;
  Gauge gauge;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 20'000; ++round) {
        if (!gauge.add_up_to(1, kLimit)) continue;
        EXPECT_LE(gauge.now(), kLimit);
        gauge.remove_one();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(gauge.now(), 0u);
  EXPECT_LE(gauge.most(), kLimit);
  EXPECT_GE(gauge.most(), 1u);
}

constexpr uint64_t kWindowMs = 1000;

TEST(RateMeter, SaysNothingBeforeAWholeWindow) {
  RateMeter meter;
  meter.start(5000);
  std::atomic<uint64_t> total{400};
  meter.note(total, 5999, kWindowMs);
  EXPECT_EQ(meter.per_second_now(total, 5000, kWindowMs), 0u);
  EXPECT_EQ(meter.per_second_now(total, 5999, kWindowMs), 0u);
}

TEST(RateMeter, MeasuresToThisMomentOnceAWindowIsOver) {
  RateMeter meter;
  meter.start(5000);
  const std::atomic<uint64_t> total{400};
  EXPECT_EQ(meter.per_second_now(total, 6000, kWindowMs), 400u);
  EXPECT_EQ(meter.per_second_now(total, 7000, kWindowMs), 200u);
  EXPECT_EQ(meter.per_second_now(total, 405'000, kWindowMs), 1u);
}

TEST(RateMeter, KeepsTheRateOfTheLastWindowUntilTheNextIsOver) {
  RateMeter meter;
  meter.start(0);
  std::atomic<uint64_t> total{1500};
  meter.note(total, 1500, kWindowMs);
  EXPECT_EQ(meter.per_second_now(total, 1500, kWindowMs), 1000u);
  total = 9000;
  meter.note(total, 2000, kWindowMs);
  EXPECT_EQ(meter.per_second_now(total, 2499, kWindowMs), 1000u);
  EXPECT_EQ(meter.per_second_now(total, 2500, kWindowMs), 7500u);
}

TEST(RateMeter, CountsOnlyWhatCameSinceTheLastWindow) {
  RateMeter meter;
  meter.start(0);
  std::atomic<uint64_t> total{5000};
  meter.note(total, 1000, kWindowMs);
  total = 5100;
  meter.note(total, 2000, kWindowMs);
  EXPECT_EQ(meter.per_second_now(total, 2000, kWindowMs), 100u);
}

TEST(RateMeter, FallsToNothingOnAnIdleConnection) {
  RateMeter meter;
  meter.start(0);
  const std::atomic<uint64_t> total{5000};
  meter.note(total, 1000, kWindowMs);
  EXPECT_EQ(meter.per_second_now(total, 1999, kWindowMs), 5000u);
  EXPECT_EQ(meter.per_second_now(total, 2000, kWindowMs), 0u);
}

TEST(RateMeter, DoesNotOverflowWithHugeTotals) {
  RateMeter meter;
  meter.start(0);
  const std::atomic<uint64_t> total{UINT64_MAX / 100};
  EXPECT_EQ(meter.per_second_now(total, 1000, kWindowMs), UINT64_MAX / 100 / 1000 * 1000);
}

TEST(RateMeter, ToleratesAClockThatStandsStill) {
  RateMeter meter;
  meter.start(500);
  const std::atomic<uint64_t> total{70};
  meter.note(total, 500, 0);
  EXPECT_EQ(meter.per_second_now(total, 500, 0), 0u);
  EXPECT_EQ(meter.per_second_now(total, 400, 0), 0u);
  EXPECT_EQ(meter.per_second_now(total, 501, 0), 70'000u);
}

}  // namespace
}  // namespace tcpkit::test
