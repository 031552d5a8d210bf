// Members of a group, and when and what a broadcast tells of itself, on one loop.
#include <gtest/gtest.h>

#include "unit/broadcast/group_bed.h"

namespace tcpkit::test {
namespace {

tcpkit_group_options plain() {
  return TCPKIT_GROUP_OPTIONS_INIT;
}

struct Done {
  int calls = 0;
  int frees = 0;
  tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;

  tcpkit_broadcast_options options() {
    tcpkit_broadcast_options made = TCPKIT_BROADCAST_OPTIONS_INIT;
    made.on_done = [](const tcpkit_receipt* result, void* self) {
      ++static_cast<Done*>(self)->calls;
      static_cast<Done*>(self)->receipt = *result;
    };
    made.user_data = this;
    made.user_data_free = [](void* self) { ++static_cast<Done*>(self)->frees; };
    return made;
  }
};

TEST(GroupMembers, JoinOnceAndLeaveOnce) {
  GroupBed group(plain());
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.join(peer);
  EXPECT_EQ(1u, tcpkit_group_size(group.group()));
  group.on_loop([&] {
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_leave(group.group(), peer.conn().handle()));
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_leave(group.group(), peer.conn().handle()));
  });
  EXPECT_EQ(0u, tcpkit_group_size(group.group()));
  EXPECT_EQ(0u, group.broadcast("a").targets);
}

TEST(GroupMembers, LeaveWhenTheyClose) {
  GroupBed group(plain());
  Peer first = group.bed.connect();
  const Peer second = group.bed.connect();
  group.join(first);
  group.join(second);
  first.close_end();
  EXPECT_TRUE(group.bed.run_until([&] { return group.bed.seen.ends.size() == 1; }));
  EXPECT_EQ(1u, tcpkit_group_size(group.group()));
  EXPECT_EQ(1u, group.broadcast("a").queued);
  EXPECT_EQ("a", group.read_settled(second));
}

TEST(GroupMembers, CannotJoinOnceTheyAreClosing) {
  GroupBed group(plain());
  const Peer peer = group.bed.connect();
  group.on_loop([&] {
    (void)tcpkit_conn_close(peer.conn().handle());
    EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_group_join(group.group(), peer.conn().handle()));
  });
}

TEST(GroupMembers, ThatAreClosingGetNothing) {
  GroupBed group(plain());
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.on_loop([&] { (void)tcpkit_conn_shutdown(peer.conn().handle()); });
  const tcpkit_receipt receipt = group.broadcast("a");
  EXPECT_EQ(1u, receipt.not_open);
  EXPECT_EQ(1u, receipt.targets);
}

TEST(GroupMembers, WhoseFramesWaitGetThemAfterTheyHaveLeft) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_NEW, 2));
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.stall(peer);
  group.broadcast("a");
  group.on_loop([&] { (void)tcpkit_group_leave(group.group(), peer.conn().handle()); });
  group.join(peer);
  EXPECT_EQ(1u, group.broadcast("b").queued);
  EXPECT_EQ(1u, group.broadcast("c").dropped);  // the first one counts still
  EXPECT_EQ("ab", group.read_after_stall(peer));
}

TEST(GroupMembers, GetWhatWasQueuedWhenTheGroupIsFreed) {
  GroupBed bed(plain());
  tcpkit_group* group = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_group_create(nullptr, &group));
  const Peer peer = bed.bed.connect();
  bed.on_loop([&] {
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group, peer.conn().handle()));
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(group, "a", 1, nullptr, nullptr));
    tcpkit_group_free(group);
  });
  EXPECT_EQ("a", bed.read_settled(peer));
}

TEST(GroupMembers, AreHeldToTheLimitsOfEachGroupByItself) {
  GroupBed first(with_policy(TCPKIT_SLOW_DROP_NEW, 1));
  tcpkit_group_options options = with_policy(TCPKIT_SLOW_DROP_NEW, 1);
  tcpkit_group* second = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_group_create(&options, &second));
  const Peer peer = first.bed.connect();
  first.join(peer);
  first.on_loop([&] { EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(second, peer.conn().handle())); });
  first.stall(peer);
  EXPECT_EQ(1u, first.broadcast("a").queued);
  EXPECT_EQ(1u, first.broadcast("b").dropped);
  first.on_loop([&] { (void)tcpkit_group_broadcast(second, "c", 1, nullptr, nullptr); });
  EXPECT_EQ("ac", first.read_after_stall(peer));
  tcpkit_group_free(second);
}

struct Leaving {
  tcpkit_group* group;
  tcpkit_conn* conn;
};

// The write that makes room for a frame frees the buffer before it, whose owner lets the target
// leave.
TEST(GroupMembers, MayLeaveWhileAFrameIsQueuedForThem) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_NEW, 1));
  const Peer peer = group.bed.connect();
  group.join(peer);
  Leaving leaving{group.group(), peer.conn().handle()};
  group.on_loop([&] {
    tcpkit_buffer* buffer = nullptr;
    const auto leave = [](void* user_data) {
      const auto& who = *static_cast<Leaving*>(user_data);
      (void)tcpkit_group_leave(who.group, who.conn);
    };
    ASSERT_EQ(TCPKIT_OK, tcpkit_buffer_wrap({"shared,", 7}, &leaving, leave, &buffer));
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_send_buffer(leaving.conn, buffer));
    tcpkit_buffer_release(buffer);
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(leaving.group, "a", 1, nullptr, nullptr));
    EXPECT_EQ(1u, tcpkit_group_size(leaving.group));
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(leaving.group, "b", 1, nullptr, nullptr));
    EXPECT_EQ(0u, tcpkit_group_size(leaving.group));
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(leaving.group, "c", 1, nullptr, nullptr));
  });
  EXPECT_EQ("shared,ab", group.read_settled(peer));
}

// ---- Receipts ----

TEST(Receipt, OfTheOnlyLoopCountsAtOnce) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_NEW, 1));
  const Peer quick = group.bed.connect();
  const Peer slow = group.bed.connect();
  const Peer sender = group.bed.connect();
  for (const Peer* peer : {&quick, &slow, &sender}) group.join(*peer);
  group.stall(slow);
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.except = sender.conn().handle();
  group.broadcast("a", options);
  const tcpkit_receipt receipt = group.broadcast("b", options);
  EXPECT_EQ(0u, receipt.loops_left);
  EXPECT_EQ(2u, receipt.targets);
  EXPECT_EQ(1u, receipt.queued);
  EXPECT_EQ(1u, receipt.dropped);
  EXPECT_EQ("", group.read_settled(sender));
}

TEST(Receipt, OfTheCompletionComesOnceTheLastTargetHasIt) {
  GroupBed group(plain());
  const Peer quick = group.bed.connect();
  const Peer slow = group.bed.connect();
  group.join(quick);
  group.join(slow);
  group.stall(slow);
  Done done;
  group.broadcast("a", done.options());
  group.bed.run_turns(3);
  EXPECT_EQ("a", group.read_settled(quick));
  EXPECT_EQ(0, done.calls);
  EXPECT_EQ("a", group.read_after_stall(slow));
  EXPECT_EQ(1, done.calls);
  EXPECT_EQ(1, done.frees);
  EXPECT_EQ(2u, done.receipt.targets);
  EXPECT_EQ(2u, done.receipt.sent);
  EXPECT_EQ(0u, done.receipt.queued);
}

TEST(Receipt, OfTheCompletionTellsWhatWasDroppedLater) {
  GroupBed group(with_policy(TCPKIT_SLOW_DROP_OLDEST, 1));
  const Peer quick = group.bed.connect();
  const Peer slow = group.bed.connect();
  group.join(quick);
  group.join(slow);
  group.stall(slow);
  Done done;
  EXPECT_EQ(2u, group.broadcast("a", done.options()).queued);
  group.broadcast("b");
  group.bed.run_turns(2);
  EXPECT_EQ(1, done.calls);
  EXPECT_EQ(1u, done.receipt.sent);
  EXPECT_EQ(1u, done.receipt.dropped);
}

TEST(Receipt, OfTheCompletionTellsWhoEndedBefore) {
  GroupBed group(plain());
  Peer slow = group.bed.connect();
  group.join(slow);
  group.stall(slow);
  Done done;
  group.broadcast("a", done.options());
  slow.close_end();
  EXPECT_TRUE(group.bed.run_until([&] { return done.calls == 1; }));
  EXPECT_EQ(1u, done.receipt.closed);
  EXPECT_EQ(1u, done.receipt.targets);
}

TEST(Receipt, OfTheCompletionDoesNotComeInsideACallOnALoop) {
  GroupBed group(plain());
  const Peer peer = group.bed.connect();
  group.join(peer);
  group.on_loop([&] { (void)tcpkit_conn_shutdown(peer.conn().handle()); });
  Done done;
  const tcpkit_broadcast_options options = done.options();
  group.on_loop([&] {
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(group.group(), "a", 1, &options, nullptr));
    EXPECT_EQ(0, done.calls);
  });
  group.bed.run_turns(1);
  EXPECT_EQ(1, done.calls);
  EXPECT_EQ(1u, done.receipt.not_open);
}

TEST(Receipt, OfTheCompletionComesInsideTheCallIfThereIsNoLoop) {
  tcpkit_group* group = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_group_create(nullptr, &group));
  Done done;
  const tcpkit_broadcast_options options = done.options();
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_broadcast(group, "a", 1, &options, nullptr));
  EXPECT_EQ(1, done.calls);
  EXPECT_EQ(1, done.frees);
  EXPECT_EQ(0u, done.receipt.targets);
  tcpkit_group_free(group);
}

TEST(Receipt, MayBeThrownAt) {
  GroupBed group(plain());
  const Peer peer = group.bed.connect();
  group.join(peer);
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.on_done = [](const tcpkit_receipt*, void*) { throw 1; };
  group.broadcast("a", options);
  EXPECT_EQ("a", group.read_settled(peer));
}

TEST(Receipt, IsNotGivenForACallThatFails) {
  GroupBed group(plain());
  const Peer peer = group.bed.connect();
  group.join(peer);
  Done done;
  tcpkit_broadcast_options options = done.options();
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT,
            tcpkit_group_broadcast(group.group(), nullptr, 0, &options, nullptr));
  EXPECT_EQ(1, done.frees);
  const std::string large((1u << 20) + 1, 'x');
  EXPECT_EQ(TCPKIT_E_PACKET_TOO_BIG,
            tcpkit_group_broadcast(group.group(), large.data(), large.size(), &options, nullptr));
  EXPECT_EQ(2, done.frees);
  EXPECT_EQ(0, done.calls);
}

// ---- Turns ----

TEST(PoolSize, IsHowManyTargetsOneTurnServes) {
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.pool_size = 3;
  GroupBed group(options);
  std::vector<Peer> peers;
  peers.reserve(8);
  for (int i = 0; i < 8; ++i) peers.push_back(group.bed.connect());
  for (const Peer& peer : peers) group.join(peer);
  const auto served = [&] {
    size_t count = 0;
    for (const Peer& peer : peers) count += peer.conn().total_written() > 0 ? 1 : 0;
    return count;
  };
  group.broadcast("a");
  std::vector<size_t> after_turn{served()};
  group.bed.run_until([&] {
    after_turn.push_back(served());
    return after_turn.back() == peers.size();
  });
  EXPECT_EQ((std::vector<size_t>{3, 6, 8}), after_turn);
  for (const Peer& peer : peers) EXPECT_EQ("a", peer.read_all());
}

TEST(PoolSize, DoesNotLetALaterSendOvertakeABroadcast) {
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.pool_size = 1;
  GroupBed group(options);
  const Peer first = group.bed.connect();
  const Peer second = group.bed.connect();
  group.join(first);
  group.join(second);
  group.on_loop([&] {
    (void)tcpkit_group_broadcast(group.group(), "a", 1, nullptr, nullptr);
    for (const Peer* peer : {&first, &second}) {
      (void)tcpkit_conn_send(peer->conn().handle(), "b", 1);
    }
    (void)tcpkit_group_broadcast(group.group(), "c", 1, nullptr, nullptr);
  });
  EXPECT_EQ("abc", group.read_settled(first));
  EXPECT_EQ("abc", group.read_settled(second));
}

}  // namespace
}  // namespace tcpkit::test
