// Frames of broadcasts in a write queue: their order, and how they leave it.
#include <gtest/gtest.h>

#include <deque>

#include "unit/buffer/counted_frame.h"

namespace tcpkit::test {
namespace {

constexpr size_t kNoLimit = SIZE_MAX;

class WriteQueueFrames : public ::testing::Test {
 protected:
  bool append(CountedFrame& frame) {
    return queue_.queue.append_frame(queue_.pool, frame, backlog_);
  }
  bool drop_oldest() { return queue_.queue.drop_oldest(queue_.pool, backlog_); }
  bool replace(CountedFrame& frame, size_t max_bytes = kNoLimit) {
    return queue_.queue.replace_frame(queue_.pool, frame, backlog_, max_bytes);
  }

  // One more, which outlives the queue.
  CountedFrame& make_frame(const char* text, uint64_t key) { return made_.emplace_back(text, key); }

  FrameBacklog backlog_;
  FrameBacklog other_backlog_;
  std::deque<CountedFrame> made_;
  CountedFrame one_{"one", 1};
  CountedFrame two_{"second", 2};
  CountedFrame three_{"3", 3};
  Queue queue_;  // the last, since it tells the frames when it ends
};

TEST_F(WriteQueueFrames, KeepTheirPlaceAmongCopiedAndSharedBytes) {
  queue_.append("a,");
  append(one_);
  queue_.append_shared(",b,");
  append(two_);
  queue_.append(",c");
  EXPECT_EQ("a,one,b,second,c", queue_.text());
  EXPECT_EQ(queue_.text().size(), queue_.queue.bytes());
  EXPECT_EQ(2u, backlog_.frames);
  EXPECT_EQ(9u, backlog_.bytes);
}

TEST_F(WriteQueueFrames, AreSentOnceTheirLastByteIs) {
  append(one_);
  append(two_);
  queue_.consume(2);
  EXPECT_EQ("esecond", queue_.text());
  EXPECT_EQ(0, one_.left());
  EXPECT_EQ(9u, backlog_.bytes);
  queue_.consume(1);
  EXPECT_EQ(1, one_.sent);
  EXPECT_EQ(6u, backlog_.bytes);
  queue_.consume(6);
  EXPECT_EQ(1, two_.sent);
  EXPECT_EQ(0u, backlog_.frames);
  EXPECT_EQ(0u, backlog_.bytes);
}

TEST_F(WriteQueueFrames, AreLostWithTheQueue) {
  append(one_);
  append(two_);
  queue_.consume(4);
  queue_.clear();
  EXPECT_EQ(1, one_.sent);
  EXPECT_EQ(1, two_.lost);
  EXPECT_EQ(0u, backlog_.frames);
}

TEST_F(WriteQueueFrames, TheOldestIsDroppedFirst) {
  queue_.append("a");
  append(one_);
  queue_.append("b");
  append(two_);
  append(three_);
  EXPECT_TRUE(drop_oldest());
  EXPECT_EQ("absecond3", queue_.text());
  EXPECT_TRUE(drop_oldest());
  EXPECT_TRUE(drop_oldest());
  EXPECT_FALSE(drop_oldest());
  EXPECT_EQ("ab", queue_.text());
  EXPECT_EQ(2u, queue_.queue.bytes());
  EXPECT_EQ(1, one_.dropped);
  EXPECT_EQ(1, three_.dropped);
  EXPECT_EQ(0u, backlog_.bytes);
}

TEST_F(WriteQueueFrames, OneThatIsHalfSentIsNeverDropped) {
  append(one_);
  append(two_);
  queue_.consume(1);
  EXPECT_TRUE(drop_oldest());
  EXPECT_FALSE(drop_oldest());
  EXPECT_EQ("ne", queue_.text());
  EXPECT_EQ(1, two_.dropped);
  append(three_);
  EXPECT_EQ("ne3", queue_.text());
}

TEST_F(WriteQueueFrames, WhatIsAppendedAfterTheLastWasDroppedFollowsWhatIsLeft) {
  queue_.append("a");
  append(one_);
  EXPECT_TRUE(drop_oldest());
  queue_.append("b");
  append(two_);
  EXPECT_EQ("absecond", queue_.text());
}

TEST_F(WriteQueueFrames, AnEmptyQueueAfterADropIsEmpty) {
  append(one_);
  EXPECT_TRUE(drop_oldest());
  EXPECT_TRUE(queue_.queue.empty());
  queue_.append("a");
  EXPECT_EQ("a", queue_.text());
}

TEST_F(WriteQueueFrames, OneOfTheSameKeyIsReplacedInItsPlace) {
  append(one_);
  append(two_);
  append(three_);
  CountedFrame& newer = make_frame("SECOND!", 2);
  EXPECT_TRUE(replace(newer));
  EXPECT_EQ("oneSECOND!3", queue_.text());
  EXPECT_EQ(11u, queue_.queue.bytes());
  EXPECT_EQ(11u, backlog_.bytes);
  EXPECT_EQ(1, two_.dropped);
  queue_.consume(11);
  EXPECT_EQ(1, newer.sent);
}

TEST_F(WriteQueueFrames, OfSeveralWithTheKeyTheLastPlaceIsKept) {
  CountedFrame& again = make_frame("again", 1);
  CountedFrame& newest = make_frame("newest", 1);
  CountedFrame& third = make_frame("third", 1);
  append(one_);
  append(again);
  append(two_);
  append(third);
  append(three_);
  EXPECT_TRUE(replace(newest));
  EXPECT_EQ("secondnewest3", queue_.text());
  EXPECT_EQ(3u, backlog_.frames);
  EXPECT_EQ(queue_.queue.bytes(), backlog_.bytes);
  EXPECT_EQ(1, one_.dropped);
  EXPECT_EQ(1, again.dropped);
  EXPECT_EQ(1, third.dropped);
}

TEST_F(WriteQueueFrames, OneThatIsHalfSentIsNotReplaced) {
  append(one_);
  queue_.consume(1);
  CountedFrame& newer = make_frame("newer", 1);
  EXPECT_FALSE(replace(newer));
  EXPECT_EQ("ne", queue_.text());
}

TEST_F(WriteQueueFrames, NoneIsReplacedIfThereWouldBeTooManyBytes) {
  append(one_);
  append(two_);
  CountedFrame& newer = make_frame("12345", 1);
  EXPECT_FALSE(replace(newer, 10));
  EXPECT_TRUE(replace(newer, 11));
  EXPECT_EQ("12345second", queue_.text());
}

TEST_F(WriteQueueFrames, NoneIsReplacedWithoutItsKey) {
  CountedFrame& newer = make_frame("newer", 9);
  EXPECT_FALSE(replace(newer));
  append(one_);
  EXPECT_FALSE(replace(newer));
  EXPECT_EQ(0, newer.left());
}

TEST_F(WriteQueueFrames, OfAnotherGroupAreNotTouched) {
  append(one_);
  ASSERT_TRUE(queue_.queue.append_frame(queue_.pool, two_, other_backlog_));
  append(three_);
  EXPECT_TRUE(drop_oldest());
  EXPECT_TRUE(drop_oldest());
  EXPECT_FALSE(drop_oldest());
  EXPECT_EQ("second", queue_.text());
  EXPECT_EQ(1u, other_backlog_.frames);
}

TEST_F(WriteQueueFrames, TellWhenTheOldestWasQueued) {
  one_.queued_at_ms = 7;
  two_.queued_at_ms = 9;
  append(one_);
  append(two_);
  EXPECT_EQ(7u, WriteQueue::oldest_at_ms(backlog_));
  EXPECT_TRUE(drop_oldest());
  EXPECT_EQ(9u, WriteQueue::oldest_at_ms(backlog_));
}

}  // namespace
}  // namespace tcpkit::test
