// The bytes that a reader has received and not taken.
#include "conn/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

namespace tcpkit::test {
namespace {

void put(ReadAhead& ahead, const std::vector<uint8_t>& bytes) {
  const size_t capacity = ahead.capacity_for(bytes.size());
  ASSERT_TRUE(capacity == 0 || ahead.grow(capacity));
  std::copy(bytes.begin(), bytes.end(), ahead.room(bytes.size()).begin());
  ahead.came(bytes.size());
}

std::vector<uint8_t> numbers(size_t size) {
  std::vector<uint8_t> bytes(size);
  std::iota(bytes.begin(), bytes.end(), uint8_t{0});
  return bytes;
}

TEST(ReadAhead, OwnsNothingBeforeItIsNeeded) {
  const ReadAhead ahead;
  EXPECT_EQ(ahead.capacity(), 0u);
  EXPECT_TRUE(ahead.empty());
  EXPECT_EQ(ahead.capacity_for(1), ReadAhead::kBytes);
}

TEST(ReadAhead, GivesWhatCameInItsOrder) {
  ReadAhead ahead;
  put(ahead, {1, 2, 3});
  put(ahead, {4});
  uint8_t target[3];
  EXPECT_EQ(ahead.take_into(target), 3u);
  EXPECT_EQ(target[2], 3);
  EXPECT_EQ(ahead.take_into(target), 1u);
  EXPECT_EQ(target[0], 4);
  EXPECT_EQ(ahead.take_into(target), 0u);
}

TEST(ReadAhead, KeepsItsBytesWhenItMovesAndWhenItGrows) {
  ReadAhead ahead;
  const std::vector<uint8_t> bytes = numbers(ReadAhead::kBytes);
  put(ahead, bytes);
  ahead.take(ReadAhead::kBytes - 10);
  EXPECT_EQ(ahead.capacity_for(100), 0u);  // there is room once it has moved
  put(ahead, numbers(100));
  ASSERT_EQ(ahead.size(), 110u);
  EXPECT_EQ(ahead.bytes()[0], bytes[ReadAhead::kBytes - 10]);
  EXPECT_EQ(ahead.bytes()[10], 0);
  put(ahead, numbers(3 * ReadAhead::kBytes));
  EXPECT_EQ(ahead.size(), 110u + 3 * ReadAhead::kBytes);
  EXPECT_EQ(ahead.bytes()[0], bytes[ReadAhead::kBytes - 10]);
  EXPECT_EQ(ahead.bytes()[109], 99);
}

TEST(ReadAhead, GrowsToNoMoreThanTwiceWhatIsNeeded) {
  ReadAhead ahead;
  put(ahead, numbers(100'000));
  put(ahead, numbers(1'000));
  EXPECT_LE(ahead.capacity(), 2u * 101'000);
}

}  // namespace
}  // namespace tcpkit::test
