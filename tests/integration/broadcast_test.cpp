// Broadcasts over real sockets and several loops: who gets them, in which order, in which form.
#include <atomic>

#include "broadcast_support.h"

using namespace testkit;

namespace {

// ---- Targets ----

TEST(Broadcast, ReachesEveryMemberOnEveryLoopButTheOneThatIsExcepted) {
  TestServer server(with_loops(3));
  const GroupOwner group = make_group();
  Members members(server, 7, group);
  Completion completion;
  tcpkit_broadcast_options options = completion.options();
  options.except = members.conns[2].get();
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "to all", &options));
  EXPECT_EQ(6u, completion.receipt().sent);
  EXPECT_EQ(6u, completion.receipt().targets);
  EXPECT_EQ("last", (broadcast_and_wait(group, "last"), members.clients[2].receive(4)));
  for (size_t i = 0; i < members.clients.size(); ++i) {
    if (i == 2) continue;
    EXPECT_EQ("to alllast", members.clients[i].receive(10));
  }
  EXPECT_EQ(2u, server.metrics().broadcasts);
  EXPECT_EQ(13u, server.metrics().frames_queued);
}

TEST(Broadcast, OfAServerReachesAllItsConnections) {
  TestServer server(with_loops(2));
  std::vector<RawClient> clients(5);
  for (RawClient& client : clients) (void)server.accepted(client);
  Completion completion;
  const tcpkit_broadcast_options options = completion.options();
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_broadcast(server.get(), "news", 4, &options, nullptr));
  EXPECT_EQ(5u, completion.receipt().sent);
  for (RawClient& client : clients) EXPECT_EQ("news", client.receive(4));
}

TEST(Broadcast, OfAListReachesTheConnectionsInIt) {
  TestServer server(with_loops(2));
  std::vector<RawClient> clients(4);
  std::vector<KeptConn> kept;
  kept.reserve(clients.size());
  for (RawClient& client : clients) kept.push_back(server.accepted(client));
  tcpkit_conn* const targets[] = {kept[0].get(), kept[1].get(), kept[3].get()};
  Completion completion;
  const tcpkit_broadcast_options options = completion.options();
  EXPECT_EQ(TCPKIT_OK, tcpkit_conns_broadcast(targets, 3, {"abc", 3}, &options, nullptr));
  EXPECT_EQ(3u, completion.receipt().sent);
  for (const size_t i : {0u, 1u, 3u}) EXPECT_EQ("abc", clients[i].receive(3));
  EXPECT_TRUE(clients[2].is_silent());
}

TEST(Broadcast, ReachesMembersOfTwoServers) {
  TestServer first;
  TestServer second(framed(tcpkit_framing_line()));
  const GroupOwner group = make_group();
  Members raw(first, 2, group);
  RawClient line_client;
  const KeptConn line_conn = second.accepted(line_client);
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), line_conn.get()));
  EXPECT_EQ(3u, broadcast_and_wait(group, "hello").sent);
  EXPECT_EQ("hello", raw.clients[0].receive(5));
  EXPECT_EQ("hello\n", line_client.receive(6));
  EXPECT_EQ(1u, second.metrics().broadcasts);
}

TEST(Broadcast, ReachesNobodyOnceTheServerHasStopped) {
  const GroupOwner group = make_group();
  {
    TestServer server(with_loops(2));
    Members members(server, 4, group);
    server.stop();
    EXPECT_EQ(0u, tcpkit_group_size(group.get()));
    EXPECT_EQ(0u, broadcast_and_wait(group, "a").targets);
    EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_group_join(group.get(), members.conns[0].get()));
  }
  EXPECT_EQ(0u, broadcast_and_wait(group, "b").targets);
}

TEST(Broadcast, LeavesAMemberOutThatHasLeftOrClosed) {
  TestServer server(with_loops(2));
  const GroupOwner group = make_group();
  Members members(server, 4, group);
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_leave(group.get(), members.conns[0].get()));
  EXPECT_EQ(3u, broadcast_and_wait(group, "a").sent);
  members.clients[1].close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(2u, tcpkit_group_size(group.get()));
  EXPECT_EQ(2u, broadcast_and_wait(group, "b").sent);
  EXPECT_TRUE(members.clients[0].is_silent());
  EXPECT_EQ("ab", members.clients[2].receive(2));
}

TEST(Broadcast, IsPossibleRightAfterAJoinFromAnotherThread) {
  TestServer server(with_loops(2));
  for (int round = 0; round < 50; ++round) {
    const GroupOwner group = make_group();
    RawClient client;
    const KeptConn conn = server.accepted(client);
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conn.get()));
    EXPECT_EQ(1u, broadcast_and_wait(group, "a").sent);
  }
}

// ---- Order ----

TEST(Broadcast, KeepsItsOrderWithThePlainSendsOfItsThread) {
  TestServer server(with_loops(2));
  const GroupOwner group = make_group();
  Members members(server, 4, group);
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    const std::string plain = "[" + number + "]";
    const std::string shared = "<" + number + ">";
    for (const KeptConn& conn : members.conns) send_text(conn.get(), plain);
    ASSERT_EQ(TCPKIT_OK, broadcast(group, shared));
    expected += plain + shared;
  }
  for (RawClient& client : members.clients) EXPECT_EQ(expected, client.receive(expected.size()));
}

TEST(Broadcast, FromACallbackKeepsItsOrderWithTheSendsAroundIt) {
  GroupOwner group = make_group();
  Behaviour behaviour;
  behaviour.on_open = [&](tcpkit_conn* conn) { (void)tcpkit_group_join(group.get(), conn); };
  behaviour.on_data = [&](tcpkit_conn* conn, std::string_view text) {
    send_text(conn, "before,");
    EXPECT_EQ(TCPKIT_OK, broadcast(group, text));
    send_text(conn, ",after");
  };
  TestServer server(with_loops(1), behaviour);
  RawClient client;
  (void)server.accepted(client);
  client.send("middle");
  EXPECT_EQ("before,middle,after", client.receive(19));
}

TEST(Broadcast, ManyInOneTurnLeaveTogetherAndWhole) {
  TestServer server(framed(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
  const GroupOwner group = make_group();
  Members members(server, 3, group);
  const std::string packet = numbers(100);
  EXPECT_TRUE(run_on_loop(members.conns[0].get(), [&](tcpkit_conn*) {
    for (int i = 0; i < 500; ++i) (void)broadcast(group, packet);
  }));
  std::string expected;
  for (int i = 0; i < 500; ++i) expected += std::string("\0\0\0\x64", 4) + packet;
  for (RawClient& client : members.clients) EXPECT_EQ(expected, client.receive(expected.size()));
  EXPECT_EQ(1500u, server.metrics().frames_queued);
}

// ---- Form ----

TEST(Broadcast, IsAPacketInTheFramingOfEachTarget) {
  TestServer lines(framed(tcpkit_framing_line()));
  TestServer lengths(framed(tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN)));
  TestServer none;
  const GroupOwner group = make_group();
  Members first(lines, 1, group);
  Members second(lengths, 1, group);
  Members third(none, 1, group);
  EXPECT_EQ(3u, broadcast_and_wait(group, "hey").sent);
  EXPECT_EQ("hey\n", first.clients[0].receive(4));
  EXPECT_EQ(std::string("\0\3hey", 5), second.clients[0].receive(5));
  EXPECT_EQ("hey", third.clients[0].receive(3));
}

TEST(Broadcast, IsAPacketInTheFramingOfItsGroup) {
  TestServer server;
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.framing = tcpkit_framing_crlf();
  const GroupOwner group = make_group(options);
  Members members(server, 2, group);
  EXPECT_EQ(2u, broadcast_and_wait(group, "hey").sent);
  for (RawClient& client : members.clients) EXPECT_EQ("hey\r\n", client.receive(5));
}

TEST(Broadcast, IsRawOnRequest) {
  TestServer server(framed(tcpkit_framing_line()));
  const GroupOwner group = make_group();
  Members members(server, 1, group);
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.raw = TCPKIT_ON;
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "a", &options));
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "b"));
  EXPECT_EQ("ab\n", members.clients[0].receive(3));
}

TEST(Broadcast, OfASharedBufferFreesItOnceTheLastTargetHasIt) {
  TestServer server(with_loops(2));
  const GroupOwner group = make_group();
  Members members(server, 4, group);
  Event freed;
  static const char kBytes[] = "shared";
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  ASSERT_EQ(TCPKIT_OK,
            tcpkit_buffer_wrap(
                {kBytes, 6}, &freed, [](void* event) { static_cast<Event*>(event)->set(); },
                &options.buffer));
  EXPECT_EQ(TCPKIT_OK, broadcast(group, {}, &options));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, broadcast(group, "too", &options));
  tcpkit_buffer_release(options.buffer);
  for (RawClient& client : members.clients) EXPECT_EQ("shared", client.receive(6));
  EXPECT_TRUE(freed.wait());
}

TEST(Broadcast, ThatCannotBeEncodedIsRefusedAndReachesNobody) {
  TestServer server(framed(tcpkit_framing_length(1, TCPKIT_BIG_ENDIAN)));
  const GroupOwner group = make_group();
  Members members(server, 2, group);
  const std::string large(256, 'x');
  Completion completion;
  const tcpkit_broadcast_options options = completion.options();
  EXPECT_EQ(TCPKIT_E_PACKET_TOO_BIG, broadcast(group, large, &options));
  EXPECT_TRUE(completion.is_done());  // freed in the call
  EXPECT_TRUE(server.settle());
  EXPECT_TRUE(members.clients[0].is_silent());
}

// ---- Receipts, and the rest of the group ----

TEST(Broadcast, FromAnotherThreadTellsHowManyLoopsAreToCount) {
  TestServer server(with_loops(2));
  const GroupOwner group = make_group();
  Members members(server, 4, group);
  tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "a", nullptr, &receipt));
  EXPECT_EQ(2u, receipt.loops_left);
  EXPECT_EQ(0u, receipt.targets);
  EXPECT_TRUE(run_on_loop(members.conns[0].get(), [&](tcpkit_conn*) {
    EXPECT_EQ(TCPKIT_OK, broadcast(group, "a", nullptr, &receipt));
  }));
  EXPECT_EQ(1u, receipt.loops_left);
  EXPECT_EQ(2u, receipt.targets);
  EXPECT_EQ(2u, receipt.queued);
}

TEST(Broadcast, GoesOnWhenTheGroupIsFreedRightAfterIt) {
  TestServer server(with_loops(2));
  for (int round = 0; round < 20; ++round) {
    GroupOwner group = make_group();
    Members members(server, 4, group);
    Completion completion;
    const tcpkit_broadcast_options options = completion.options();
    EXPECT_EQ(TCPKIT_OK, broadcast(group, "a", &options));
    group.reset();
    EXPECT_EQ(4u, completion.receipt().sent);
    for (RawClient& client : members.clients) EXPECT_EQ("a", client.receive(1));
  }
}

TEST(GroupPost, RunsOnTheLoopOfEachMemberAndFreesItsDataAfterTheLast) {
  TestServer server(with_loops(3));
  const GroupOwner group = make_group();
  Members members(server, 6, group);
  struct Visit {
    std::atomic<int> calls{0};
    std::atomic<int> elsewhere{0};
    Event freed;
  } visit;
  const auto count = [](tcpkit_conn* conn, void* user_data) {
    auto& seen = *static_cast<Visit*>(user_data);
    ++seen.calls;
    if (tcpkit_loop_is_current(tcpkit_conn_loop(conn)) == 0) ++seen.elsewhere;
  };
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_post(group.get(), count, &visit, [](void* user_data) {
              static_cast<Visit*>(user_data)->freed.set();
            }));
  EXPECT_TRUE(visit.freed.wait());
  EXPECT_EQ(6, visit.calls);
  EXPECT_EQ(0, visit.elsewhere);
}

TEST(BroadcastArguments, ThatAreWrongAreNamed) {
  const GroupOwner group = make_group();
  const GroupOwner other = make_group();
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_broadcast(nullptr, "a", 1, nullptr, nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_broadcast(nullptr, "a", 1, nullptr, nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT,
            tcpkit_conns_broadcast(nullptr, 1, {"a", 1}, nullptr, nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT,
            tcpkit_group_broadcast(group.get(), nullptr, 1, nullptr, nullptr));
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.rules = other.get();
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, broadcast(group, "a", &options));
  options.rules = nullptr;
  options.raw = 3;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, broadcast(group, "a", &options));
  options.struct_size = 4;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, broadcast(group, "a", &options));
  tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;
  receipt.struct_size = 0;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, broadcast(group, "a", nullptr, &receipt));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conns_broadcast(nullptr, 0, {"a", 1}, nullptr, nullptr));
}

TEST(GroupArguments, ThatAreWrongAreNamed) {
  tcpkit_group* group = nullptr;
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.slow_policy = 5;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_create(&options, &group));
  options = TCPKIT_GROUP_OPTIONS_INIT;
  options.reserved = 1;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_create(&options, &group));
  options = TCPKIT_GROUP_OPTIONS_INIT;
  options.struct_size = 1;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_group_create(&options, &group));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_create(nullptr, nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_join(nullptr, nullptr));
  const GroupOwner made = make_group();
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_join(made.get(), nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_leave(made.get(), nullptr));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_group_post(made.get(), nullptr, nullptr, nullptr));
  EXPECT_EQ(0u, tcpkit_group_size(nullptr));
  tcpkit_group_free(nullptr);
}

}  // namespace
