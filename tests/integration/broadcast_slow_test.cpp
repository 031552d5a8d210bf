// Targets that take nothing, plain and over TLS: what they miss, and that nobody else misses
// anything.
#include "broadcast_support.h"
#include "tls_client.h"

using namespace testkit;

namespace {

constexpr size_t kFillerBytes = size_t{1} << 20;  // far more than the kernel takes

tcpkit_group_options with_policy(tcpkit_slow_policy policy, uint64_t max_frames) {
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.slow_policy = policy;
  options.max_behind_frames = max_frames;
  return options;
}

// Queues more for conn than its kernel buffers take, so that every frame after it waits.
std::string stall(const KeptConn& conn) {
  std::string filler = numbers(kFillerBytes);
  EXPECT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    send_text(self, filler);
    (void)tcpkit_conn_flush(self);
    EXPECT_GT(tcpkit_conn_queued_bytes(self), kFillerBytes / 4);
  }));
  return filler;
}

// Ten frames to a stalled target and a healthy one.
struct Scene {
  explicit Scene(const tcpkit_group_options& options)
      : server(with_small_buffers()), group(make_group(options)) {
    stalled_conn = server.accepted(stalled, kSmallBuffer);
    healthy_conn = server.accepted(healthy);
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), stalled_conn.get()));
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), healthy_conn.get()));
    filler = stall(stalled_conn);
    for (int i = 0; i < 10; ++i) {
      tcpkit_broadcast_options key = TCPKIT_BROADCAST_OPTIONS_INIT;
      key.key = static_cast<uint64_t>(i % 3);
      EXPECT_EQ(TCPKIT_OK, broadcast(group, "frame" + std::to_string(i) + ".", &key));
    }
    EXPECT_EQ("frame0.frame1.frame2.frame3.frame4.frame5.frame6.frame7.frame8.frame9.",
              healthy.receive(70));
  }
  // What the stalled one gets behind what stalled it, once it reads.
  std::string missed() {
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(stalled_conn.get()));
    const std::string all = stalled.receive_all();
    EXPECT_EQ(filler, all.substr(0, filler.size()));
    return all.substr(std::min(filler.size(), all.size()));
  }

  TestServer server;
  GroupOwner group;
  RawClient stalled;
  RawClient healthy;
  KeptConn stalled_conn;
  KeptConn healthy_conn;
  std::string filler;
};

TEST(SlowTarget, MissesTheNewestWithDropNew) {
  Scene scene(with_policy(TCPKIT_SLOW_DROP_NEW, 4));
  EXPECT_EQ("frame0.frame1.frame2.frame3.", scene.missed());
  EXPECT_EQ(6u, scene.server.metrics().frames_dropped);
}

TEST(SlowTarget, MissesTheOldestWithDropOldest) {
  Scene scene(with_policy(TCPKIT_SLOW_DROP_OLDEST, 4));
  EXPECT_EQ("frame6.frame7.frame8.frame9.", scene.missed());
  EXPECT_EQ(6u, scene.server.metrics().frames_dropped);
}

TEST(SlowTarget, GetsTheLatestOfEachKey) {
  Scene scene(with_policy(TCPKIT_SLOW_LATEST, 0));
  EXPECT_EQ("frame9.frame7.frame8.", scene.missed());
  EXPECT_EQ(7u, scene.server.metrics().frames_dropped);
}

TEST(SlowTarget, IsResetWithClose) {
  Scene scene(with_policy(TCPKIT_SLOW_CLOSE, 4));
  EXPECT_EQ(TCPKIT_CLOSE_SLOW_CONSUMER, scene.server.close_info().reason);
  EXPECT_STREQ("SLOW_CONSUMER", tcpkit_close_reason_name(TCPKIT_CLOSE_SLOW_CONSUMER));
  EXPECT_EQ(StreamEnd::kReset, scene.stalled.wait_for_end());
  EXPECT_EQ(1u, scene.server.metrics().slow_consumers);
  EXPECT_EQ(1u, tcpkit_group_size(scene.group.get()));
}

TEST(SlowTarget, IsHeldToTheRulesOfAGroupInABroadcastOfTheServer) {
  TestServer server(with_small_buffers());
  const GroupOwner rules = make_group(with_policy(TCPKIT_SLOW_DROP_OLDEST, 2));
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  const std::string filler = stall(conn);
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.rules = rules.get();
  for (const char* text : {"a", "b", "c", "d"}) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_broadcast(server.get(), text, 1, &options, nullptr));
  }
  EXPECT_TRUE(server.settle());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn.get()));
  EXPECT_EQ(filler + "cd", client.receive_all());
}

TEST(SlowTarget, IsNotReadAboveHighAndIsReadAgainOnceItsFramesAreDropped) {
  tcpkit_server_options options = with_small_buffers();
  options.high_watermark = kFillerBytes + 1000;
  options.low_watermark = kFillerBytes + 500;
  TestServer server(options);
  tcpkit_group_options rules = with_policy(TCPKIT_SLOW_LATEST, 0);
  const GroupOwner group = make_group(rules);
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conn.get()));
  (void)stall(conn);
  const std::string large = numbers(kFillerBytes - 1);
  EXPECT_EQ(TCPKIT_OK, broadcast(group, large));
  EXPECT_TRUE(server.settle());
  EXPECT_EQ(1u, server.metrics().output_pauses);
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "small"));
  EXPECT_TRUE(server.settle());
  client.send("heard");
  EXPECT_TRUE(server.wait_data(5));
}

// ---- TLS ----

TEST(TlsTargets, GetEveryFrameWholeAndInOrder) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls, with_loops(2)));
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.pool_size = 2;
  options.max_behind_bytes = 64 << 20;
  const GroupOwner group = make_group(options);
  std::vector<std::unique_ptr<TlsClient>> clients;
  std::vector<KeptConn> conns;
  for (size_t i = 0; i < 6; ++i) {
    clients.push_back(std::make_unique<TlsClient>(server));
    ASSERT_TRUE(clients.back()->handshake());
    ASSERT_TRUE(server.wait_opens(i + 1));
    conns.push_back(server.kept(server.opened_id(i)));
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conns.back().get()));
  }
  std::string expected;
  for (const size_t size : {1u, 100u, 17'000u, 3u, 70'000u, 16'384u, 5u}) {
    const std::string frame = numbers(size);
    EXPECT_EQ(TCPKIT_OK, broadcast(group, frame));
    expected += frame;
  }
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "end"));
  expected += "end";
  for (const auto& client : clients) EXPECT_EQ(expected, client->receive(expected.size()));
}

TEST(TlsTargets, ThatTakeNothingMissWholeFramesOnly) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_tls(tls, with_small_buffers()));
  const GroupOwner group = make_group(with_policy(TCPKIT_SLOW_DROP_OLDEST, 3));
  TlsClient client(server.connect(kSmallBuffer), client_context().get());
  ASSERT_TRUE(client.handshake());
  ASSERT_TRUE(server.wait_opens(1));
  const KeptConn conn = server.kept(server.opened_id(0));
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conn.get()));
  const std::string filler = stall(conn);
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(TCPKIT_OK, broadcast(group, "frame" + std::to_string(i) + "."));
  }
  EXPECT_TRUE(server.settle());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn.get()));
  EXPECT_EQ(filler + "frame7.frame8.frame9.", client.receive_all());
  EXPECT_TRUE(client.was_told_goodbye());
}

// What was sent in clear is counted from the front of the queue, so nothing may be taken out of it.
TEST(TlsTargets, LoseNoFrameThatWasSentBeforeTlsBegan) {
  const TlsOwner tls = simple_tls();
  TestServer server(with_small_buffers());
  const GroupOwner group = make_group(with_policy(TCPKIT_SLOW_DROP_OLDEST, 2));
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  std::string filler;
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conn.get()));
  filler = stall(conn);
  EXPECT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    EXPECT_EQ(TCPKIT_OK, broadcast(group, "a"));
    EXPECT_EQ(TCPKIT_OK, broadcast(group, "b"));
    tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
    options.tls = tls.get();
    options.role = TCPKIT_TLS_SERVER;
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_start_tls(self, &options));
    tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;
    EXPECT_EQ(TCPKIT_OK, broadcast(group, "sealed", nullptr, &receipt));
    EXPECT_EQ(1u, receipt.dropped);
  }));
  EXPECT_EQ(filler + "ab", client.receive(filler.size() + 2));
  TlsClient secure(std::move(client), client_context().get());
  ASSERT_TRUE(secure.handshake());
  EXPECT_EQ(TCPKIT_OK, broadcast(group, "sealed"));
  EXPECT_EQ("sealed", secure.receive(6));
}

}  // namespace
