// The arithmetic of a connection's timeouts, by a clock of the test.
#include "conn/conn_timeouts.h"

#include <gtest/gtest.h>

namespace tcpkit::test {
namespace {

using Kind = ConnTimeouts::Kind;
constexpr ConnTimeouts::Running kReading{true, false};
constexpr ConnTimeouts::Running kWaiting{false, true};
constexpr uint32_t kNever = TimeoutLimits::kNever;

ConnTimeouts started_at(const TimeoutLimits& limits, uint64_t now_ms) {
  ConnTimeouts timeouts(limits);
  timeouts.note_read(now_ms);
  timeouts.note_write(now_ms);
  return timeouts;
}

TEST(ConnTimeouts, HaveNoDeadlineWhereNoneIsSet) {
  const ConnTimeouts timeouts = started_at({}, 1000);
  EXPECT_EQ(timeouts.next_after(1'000'000, {true, true}).kind, Kind::kNone);
  EXPECT_FALSE(timeouts.watch_reads());
  EXPECT_FALSE(timeouts.watch_waiting());
}

TEST(ConnTimeouts, IdleCountsFromTheLaterOfBothDirections) {
  ConnTimeouts timeouts = started_at({100, kNever, kNever}, 1000);
  timeouts.note_read(1050);
  EXPECT_EQ(timeouts.next_after(1060, kReading).deadline_ms, 1150u);
  timeouts.note_write(1070);
  EXPECT_EQ(timeouts.next_after(1080, kReading).deadline_ms, 1170u);
  EXPECT_EQ(timeouts.next_after(1080, kReading).kind, Kind::kIdle);
}

TEST(ConnTimeouts, ReadCountsOnlyWhileWeRead) {
  const ConnTimeouts timeouts = started_at({kNever, 100, kNever}, 1000);
  EXPECT_EQ(timeouts.next_after(1010, kReading).deadline_ms, 1100u);
  EXPECT_EQ(timeouts.next_after(1010, {false, false}).kind, Kind::kNone);
}

TEST(ConnTimeouts, WriteCountsOnlyWhileOutputWaits) {
  const ConnTimeouts timeouts = started_at({kNever, kNever, 100}, 1000);
  EXPECT_EQ(timeouts.next_after(1010, kReading).kind, Kind::kNone);
  EXPECT_EQ(timeouts.next_after(1010, kWaiting).kind, Kind::kWrite);
  EXPECT_EQ(timeouts.next_after(1010, kWaiting).deadline_ms, 1100u);
}

TEST(ConnTimeouts, TheFirstDeadlineIsTheOneThatCounts) {
  const ConnTimeouts timeouts = started_at({300, 200, 100}, 1000);
  EXPECT_EQ(timeouts.next_after(1000, {true, true}).kind, Kind::kWrite);
  EXPECT_EQ(timeouts.next_after(1000, kReading).kind, Kind::kRead);
  EXPECT_EQ(timeouts.next_after(1000, {false, false}).kind, Kind::kIdle);
}

TEST(ConnTimeouts, AreDueAtTheirTimeAndNotOneMillisecondBefore) {
  const ConnTimeouts timeouts = started_at({100, kNever, kNever}, 1000);
  EXPECT_EQ(timeouts.next_after(1099, kReading).deadline_ms, 1100u);
  EXPECT_EQ(timeouts.next_after(1100, kReading).deadline_ms, 1100u);
  EXPECT_EQ(timeouts.next_after(1500, kReading).deadline_ms, 1500u);
}

TEST(ConnTimeouts, ATimeThatWasRoundedUpBeyondNowIsNotOld) {
  const ConnTimeouts timeouts = started_at({100, kNever, kNever}, 1001);
  EXPECT_EQ(timeouts.next_after(1000, kReading).deadline_ms, 1100u);
}

TEST(ConnTimeouts, SurviveTheTurnOfThe32BitClock) {
  constexpr uint64_t kBefore = (uint64_t{1} << 32) - 50;
  const ConnTimeouts timeouts = started_at({100, kNever, kNever}, kBefore);
  EXPECT_EQ(timeouts.next_after(kBefore + 60, kReading).deadline_ms, kBefore + 100);
  EXPECT_EQ(timeouts.next_after(kBefore + 100, kReading).deadline_ms, kBefore + 100);
}

TEST(ConnTimeouts, TakeTheLongestTimeThatTheInterfaceAllows) {
  const ConnTimeouts timeouts = started_at({INT32_MAX, kNever, kNever}, 1000);
  EXPECT_EQ(timeouts.next_after(2000, kReading).deadline_ms, 1000u + INT32_MAX);
}

}  // namespace
}  // namespace tcpkit::test
