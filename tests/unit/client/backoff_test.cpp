// Delays between attempts.
#include "client/backoff.h"

#include <gtest/gtest.h>

namespace tcpkit::test {
namespace {

TEST(Backoff, DoublesFromTheLeastToTheMost) {
  Backoff backoff(500, 30'000);
  for (const uint64_t expected : {500u, 1000u, 2000u, 4000u, 8000u, 16'000u, 30'000u, 30'000u}) {
    EXPECT_EQ(expected, backoff.next_ms(0));
  }
}

TEST(Backoff, TakesARandomPartOfUpToHalfOff) {
  for (uint64_t random = 0; random < 1000; ++random) {
    Backoff backoff(100, 1000);
    const uint64_t delay_ms = backoff.next_ms(random);
    EXPECT_GE(delay_ms, 50u);
    EXPECT_LE(delay_ms, 100u);
  }
  Backoff backoff(100, 1000);
  EXPECT_EQ(50u, backoff.next_ms(50)) << "all of it can come";
}

TEST(Backoff, IsNeverZero) {
  Backoff backoff(1, 1);
  EXPECT_EQ(1u, backoff.next_ms(UINT64_MAX));
}

TEST(Backoff, BeginsAnewAfterAConnectionThatLasted) {
  Backoff backoff(100, 1000);
  for (int i = 0; i < 5; ++i) (void)backoff.next_ms(0);
  backoff.note_connection(999);
  EXPECT_EQ(1000u, backoff.next_ms(0));
  backoff.note_connection(1000);
  EXPECT_EQ(100u, backoff.next_ms(0));
}

}  // namespace
}  // namespace tcpkit::test
