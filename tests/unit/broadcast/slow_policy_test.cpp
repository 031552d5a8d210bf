// What happens to frames for a target that takes none.
#include <gtest/gtest.h>

#include "unit/broadcast/group_bed.h"

namespace tcpkit::test {
namespace {

TEST(SlowPolicy, DropNewKeepsAsManyFramesAsTheLimitAndDropsTheNext) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_NEW, 3));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  for (const char* text : {"a", "b", "c"}) EXPECT_EQ(1u, group.broadcast(text).queued);
  EXPECT_EQ(1u, group.broadcast("d").dropped);
  EXPECT_EQ(1u, group.broadcast("e").dropped);
  EXPECT_EQ("abc", group.read_after_stall(peer));
  EXPECT_EQ(1u, group.broadcast("f").queued);
  EXPECT_EQ("f", group.read_settled(peer));
  EXPECT_EQ(2u, group.bed.counters().frames_dropped.get());
  EXPECT_EQ(4u, group.bed.counters().frames_queued.get());
}

TEST(SlowPolicy, DropNewCountsBytesUpToTheLimit) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_DROP_NEW);
  options.max_behind_bytes = 10;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  EXPECT_EQ(1u, group.broadcast("12345").queued);
  EXPECT_EQ(1u, group.broadcast("abcdef").dropped);
  EXPECT_EQ(1u, group.broadcast("67890").queued);
  EXPECT_EQ(1u, group.broadcast("x").dropped);
  EXPECT_EQ("1234567890", group.read_after_stall(peer));
}

TEST(SlowPolicy, DropOldestMakesRoomWithAsFewFramesAsThatTakes) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_DROP_OLDEST);
  options.max_behind_bytes = 10;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  for (const char* text : {"aa", "bbb", "cccc"}) EXPECT_EQ(1u, group.broadcast(text).queued);
  EXPECT_EQ(1u, group.broadcast("ddd").queued);
  EXPECT_EQ("bbbccccddd", group.read_after_stall(peer));
  EXPECT_EQ(1u, group.bed.counters().frames_dropped.get());
}

TEST(SlowPolicy, DropOldestNeverCutsAFrameThatIsHalfSent) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_DROP_OLDEST, 2);
  options.max_behind_bytes = 2u << 20;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  const std::string large = patterned(1u << 20);  // more than the socket takes
  group.broadcast(large);
  group.bed.run_turns(2);
  for (const char* text : {"a", "b", "c"}) group.broadcast(text);
  const std::string got = group.read_settled(peer);
  EXPECT_EQ(large.size() + 1, got.size());
  EXPECT_TRUE(got == large + "c");
}

TEST(SlowPolicy, DropOldestNeverDropsPlainSends) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_OLDEST, 1));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  for (const char* text : {"a", "b", "c"}) {
    group.broadcast(text);
    group.on_loop([&] { (void)tcpkit_conn_send(peer.conn().handle(), "plain", 5); });
  }
  EXPECT_EQ("plainplaincplain", group.read_after_stall(peer));
}

TEST(SlowPolicy, LatestReplacesTheFrameOfTheSameKey) {
  GroupBed group(with_policy(TCPKIT_SLOW_LATEST));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  group.broadcast("x1", 1);
  group.broadcast("y1", 2);
  for (const char* text : {"x2", "x3", "x4"}) EXPECT_EQ(1u, group.broadcast(text, 1).queued);
  group.broadcast("z1", 3);
  EXPECT_EQ("x4y1z1", group.read_after_stall(peer));
  EXPECT_EQ(3u, group.bed.counters().frames_dropped.get());
}

TEST(SlowPolicy, LatestLosesNothingWhileTheTargetKeepsUp) {
  GroupBed group(with_policy(TCPKIT_SLOW_LATEST, 4));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.on_loop([&] {
    for (const char* text : {"1", "2", "3", "4", "5", "6", "7", "8", "9"}) {
      EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(group.group(), text, 1, nullptr, nullptr));
    }
  });
  EXPECT_EQ("123456789", group.read_settled(peer));
}

TEST(SlowPolicy, LatestDropsTheOldestIfAnotherKeyDoesNotFit) {
  GroupBed group(with_policy(TCPKIT_SLOW_LATEST, 2));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  group.broadcast("a", 1);
  group.broadcast("b", 2);
  group.broadcast("c", 3);
  EXPECT_EQ("bc", group.read_after_stall(peer));
}

TEST(SlowPolicy, CloseResetsTheTargetAndTellsWhy) {
  GroupBed group(with_policy(TCPKIT_SLOW_CLOSE, 2));
  const Peer peer = group.bed.connect();
  const Peer other = group.bed.connect();
  group.join(peer);
  group.join(other);
  group.stall(peer);
  group.broadcast("a");
  group.broadcast("b");
  const tcpkit_receipt receipt = group.broadcast("c");
  EXPECT_EQ(1u, receipt.closed);
  EXPECT_EQ(1u, receipt.queued);
  group.bed.run_turns(2);
  ASSERT_EQ(1u, group.bed.seen.ends.size());
  EXPECT_EQ(TCPKIT_CLOSE_SLOW_CONSUMER, group.bed.seen.ends[0].info.reason);
  EXPECT_EQ(TCPKIT_E_LIMIT, group.bed.seen.ends[0].info.status);
  EXPECT_EQ(1u, group.bed.counters().slow_consumers.get());
  EXPECT_EQ(1u, tcpkit_group_size(group.group()));
  EXPECT_EQ("abc", group.read_settled(other));
}

// ---- Time ----

TEST(WriteQuantum, AppliesThePolicyOnceTheOldestFrameHasWaitedLonger) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_DROP_NEW);
  options.write_quantum_ms = 100;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  group.broadcast("a");
  group.bed.advance_ms(100);
  EXPECT_EQ(1u, group.broadcast("b").queued);
  group.bed.advance_ms(1);
  EXPECT_EQ(1u, group.broadcast("c").dropped);
  EXPECT_EQ("ab", group.read_after_stall(peer));
}

TEST(WriteQuantum, DropsTheFramesThatAreOlder) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_DROP_OLDEST);
  options.write_quantum_ms = 100;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  group.broadcast("a");
  group.bed.advance_ms(60);
  group.broadcast("b");
  group.bed.advance_ms(60);
  group.broadcast("c");
  EXPECT_EQ("bc", group.read_after_stall(peer));
}

TEST(WriteQuantum, LetsTheLatestWaitItsTimeBeforeItIsReplaced) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_LATEST);
  options.write_quantum_ms = 100;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  group.broadcast("1", 7);
  group.broadcast("2", 7);
  group.bed.advance_ms(101);
  group.broadcast("3", 7);
  group.broadcast("other", 8);
  EXPECT_EQ("3other", group.read_after_stall(peer));
}

TEST(WriteQuantum, DoesNotCountForATargetThatTakesItsFrames) {
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_CLOSE);
  options.write_quantum_ms = 1;
  GroupBed group(options);
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.broadcast("a");
  group.bed.advance_ms(1000);
  EXPECT_EQ(1u, group.broadcast("b").queued);
  EXPECT_EQ("ab", group.read_settled(peer));
}

// ---- Accounts ----

TEST(FrameAccounts, AreEmptyAgainAfterDropsAndReplacements) {
  GroupBed group(with_policy(TCPKIT_SLOW_LATEST, 3));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  for (uint64_t i = 0; i < 100; ++i) group.broadcast(patterned(1 + i % 50), i % 7);
  EXPECT_EQ(group.bed.config().buffered_bytes.now(), peer.conn().queued_bytes());
  (void)group.read_after_stall(peer);
  EXPECT_EQ(0u, peer.conn().queued_bytes());
  EXPECT_EQ(0u, group.bed.config().buffered_bytes.now());
}

TEST(FrameAccounts, CountWhatWaitsForAClosedTargetAsUnsent) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_NEW));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  const uint64_t before = peer.conn().queued_bytes();
  group.broadcast("12345");
  group.on_loop([&] { (void)tcpkit_conn_abort(peer.conn().handle()); });
  group.bed.run_turns(2);
  ASSERT_EQ(1u, group.bed.seen.ends.size());
  EXPECT_EQ(before + 5, group.bed.seen.ends[0].info.unsent_bytes);
  EXPECT_EQ(0u, group.bed.config().buffered_bytes.now());
}

}  // namespace
}  // namespace tcpkit::test
