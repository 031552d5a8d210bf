// Metrics, the order of a tick, and finding connections.
#include <atomic>
#include <set>
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

TEST(Metrics, TotalsAreExactAndLive) {
  tcpkit_server_options options = with_loops(2);
  options.tick_interval_ms = 3'600'000;
  TestServer server(options, echo());
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(server.connect());
  const std::string bytes(12'345, 'm');
  for (RawClient& client : clients) {
    client.send(bytes);
    EXPECT_EQ(bytes.size(), client.receive(bytes.size()).size());
  }
  EXPECT_EQ(123'450u, server.metrics().total_read);
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().total_written == 123'450; }));
  EXPECT_EQ(10u, server.metrics().connections);
  clients.clear();
  ASSERT_TRUE(server.wait_closes(10));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().closed == 10; }));
  const tcpkit_metrics metrics = server.metrics();
  EXPECT_EQ(123'450u, metrics.total_read);
  EXPECT_EQ(123'450u, metrics.total_written);
  EXPECT_EQ(10u, metrics.accepted);
  EXPECT_EQ(0u, metrics.connections);
  EXPECT_EQ(10u, metrics.max_connections);
}

TEST(Metrics, TheHighWaterMarkKeepsAPeakThatNoTickSaw) {
  tcpkit_server_options options = with_loops(1);
  options.tick_interval_ms = 3'600'000;
  TestServer server(options);
  {
    std::vector<RawClient> clients;
    for (int i = 0; i < 25; ++i) clients.push_back(server.connect());
    ASSERT_TRUE(server.wait_opens(25));
  }
  ASSERT_TRUE(server.wait_closes(25));
  const RawClient last = server.connect();
  ASSERT_TRUE(server.wait_opens(26));
  EXPECT_EQ(25u, server.metrics().max_connections);
}

TEST(Metrics, CountsPacketsBothWays) {
  TestServer server(framed(tcpkit_framing_line()), echo());
  RawClient client = server.connect();
  client.send("a\nb\nc\n");
  EXPECT_EQ("a\nb\nc\n", client.receive(6));
  EXPECT_EQ(3u, server.metrics().packets_read);
  EXPECT_EQ(3u, server.metrics().packets_written);
}

TEST(Metrics, CountsTheLoopsAsHandlerThreadsWhileTheyRun) {
  TestServer server(with_loops(3));
  EXPECT_EQ(3u, server.metrics().handler_threads);
  server.stop();
  EXPECT_EQ(0u, server.metrics().handler_threads);
  EXPECT_EQ(3u, server.metrics().max_handler_threads);
}

TEST(Metrics, RatesAreThoseOfTheMeasuredTime) {
  tcpkit_server_options options = with_loops(1);
  options.tick_interval_ms = 50;
  std::atomic<uint64_t> best{0};
  TestServer server(options, {.on_metrics = [&](const tcpkit_metrics& metrics) {
                      best = std::max(best.load(), metrics.reads_per_second);
                    }});
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  client.send(std::string(10'000, 'r'));
  ASSERT_TRUE(server.wait_data(10'000));
  EXPECT_TRUE(server.wait_until([&] { return best > 0; }));
  // All of it fell into one tick or two, of 50 ms or more each.
  EXPECT_LE(best, 10'000u * 1000 / 50);
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().reads_per_second == 0; }));
}

TEST(Metrics, RatesOfAConnectionAreMeasuredToo) {
  TestServer server(with_loops(1), echo());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const std::string bytes(1000, 'r');
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  bool measured = false;
  while (!measured && std::chrono::steady_clock::now() < deadline) {
    client.send(bytes);
    ASSERT_EQ(bytes.size(), client.receive(bytes.size()).size());
    measured = tcpkit_conn_reads_per_second(conn.get()) > 0 &&
               tcpkit_conn_writes_per_second(conn.get()) > 0;
  }
  EXPECT_TRUE(measured);
}

struct Ticks {
  std::atomic<int> hooks{0};
  std::atomic<int> out_of_order{0};
  Event ticked;
};

TEST(Metrics, InATickTheStrategysHookComesBeforeTheUsersHandler) {
  Ticks ticks;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.user_data = &ticks;
  strategy.on_metrics = [](tcpkit_server*, const tcpkit_metrics*, void* user_data) {
    ++static_cast<Ticks*>(user_data)->hooks;
  };
  tcpkit_server_options options = with_loops(1);
  options.tick_interval_ms = 5;
  options.strategy = &strategy;
  TestServer server(options, {.on_metrics = [&](const tcpkit_metrics&) {
                      if (ticks.hooks != ticks.ticked.count() + 1) ++ticks.out_of_order;
                      ticks.ticked.set();
                    }});
  EXPECT_TRUE(ticks.ticked.wait(4));
  server.stop();
  EXPECT_EQ(0, ticks.out_of_order);
}

struct Hooks {
  Monitor monitor;
  std::string order;
  void note(char what) {
    monitor.change([&] { order += what; });
  }
};

TEST(Strategy, HooksSurroundTheLifeOfAServerAndItsConnections) {
  Hooks hooks;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.user_data = &hooks;
  strategy.on_start = [](tcpkit_server*, void* data) { static_cast<Hooks*>(data)->note('S'); };
  strategy.on_accept = [](tcpkit_conn*, void* data) { static_cast<Hooks*>(data)->note('a'); };
  strategy.on_stop = [](tcpkit_server*, void* data) { static_cast<Hooks*>(data)->note('E'); };
  tcpkit_server_options options = with_loops(1);
  options.strategy = &strategy;
  TestServer server(options,
                    {.on_open = [&](tcpkit_conn*) { hooks.note('o'); },
                     .on_close = [&](tcpkit_conn*, const tcpkit_close_info&) { hooks.note('c'); }});
  const RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  server.stop();
  EXPECT_EQ("SaocE", hooks.order);
}

TEST(Strategy, AThrowingAcceptHookClosesItsConnectionOnly) {
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  std::atomic<int> accepted{0};
  strategy.user_data = &accepted;
  strategy.on_accept = [](tcpkit_conn*, void* data) {
    if (++*static_cast<std::atomic<int>*>(data) == 1) throw 42;
  };
  tcpkit_server_options options = with_loops(1);
  options.strategy = &strategy;
  TestServer server(options, echo());
  RawClient first = server.connect();
  EXPECT_EQ(StreamEnd::kFin, first.wait_for_end());
  first.close();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.close_info().reason);
  RawClient second = server.connect();
  second.send("hi");
  EXPECT_EQ("hi", second.receive(2));
}

TEST(Strategy, AThrowingStartHookFailsTheStart) {
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.on_start = [](tcpkit_server*, void*) { throw 42; };
  tcpkit_server_options options = with_loops(2);
  options.strategy = &strategy;
  tcpkit_server* created = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, nullptr, &created));
  const ServerOwner server(created);
  EXPECT_EQ(TCPKIT_E_CALLBACK, tcpkit_server_start(created));
  EXPECT_EQ(0, tcpkit_server_is_running(created));
}

TEST(Limits, ConnectionsOverTheMaximumAreClosedAtOnceAndCounted) {
  tcpkit_server_options options = with_loops(2);
  options.max_connections = 3;
  TestServer server(options, echo());
  std::vector<RawClient> clients;
  for (size_t i = 1; i <= 3; ++i) {
    clients.push_back(server.connect());
    ASSERT_TRUE(server.wait_opens(i));
  }
  for (int i = 0; i < 4; ++i) {
    RawClient refused = server.connect();
    EXPECT_NE(StreamEnd::kDeadline, refused.wait_for_end());
  }
  EXPECT_EQ(4u, server.metrics().refused_connections);
  EXPECT_EQ(3u, server.metrics().max_connections);
  EXPECT_EQ(3u, server.open_count());
  clients.pop_back();
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().connections == 2; }));
  RawClient next = server.connect();
  next.send("hi");
  EXPECT_EQ("hi", next.receive(2));
}

// ---- Finding connections ----

TEST(Connections, AreFoundByTheirIdUntilTheyEnd) {
  TestServer server(with_loops(2));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const uint64_t id = tcpkit_conn_id(conn.get());
  EXPECT_EQ(conn.get(), server.kept(id).get());
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  tcpkit_conn* found = nullptr;
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, tcpkit_server_find(server.get(), id, &found));
  for (const uint64_t other : {uint64_t{0}, UINT64_MAX, id + 1, id ^ (uint64_t{1} << 40)}) {
    EXPECT_EQ(TCPKIT_E_NOT_FOUND, tcpkit_server_find(server.get(), other, &found));
  }
  EXPECT_EQ(nullptr, found);
}

TEST(Connections, AreAllVisitedInsideTheCall) {
  TestServer server(with_loops(2));
  std::vector<RawClient> clients(20);
  std::set<uint64_t> expected;
  for (RawClient& client : clients) expected.insert(tcpkit_conn_id(server.accepted(client).get()));
  std::set<uint64_t> visited;
  const auto visit = [](tcpkit_conn* conn, void* ids) {
    static_cast<std::set<uint64_t>*>(ids)->insert(tcpkit_conn_id(conn));
  };
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_visit(server.get(), visit, &visited));
  EXPECT_EQ(expected, visited);
}

TEST(Connections, AreListedUpToTheCapacityAndAllCounted) {
  TestServer server(with_loops(2));
  std::vector<RawClient> clients(5);
  for (RawClient& client : clients) (void)server.accepted(client);
  tcpkit_conn* listed[3] = {};
  size_t count = 0;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_list(server.get(), listed, 3, &count));
  EXPECT_EQ(5u, count);
  for (tcpkit_conn* conn : listed) {
    ASSERT_NE(nullptr, conn);
    tcpkit_conn_release(conn);
  }
  count = 0;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_list(server.get(), nullptr, 0, &count));
  EXPECT_EQ(5u, count);
}

TEST(Connections, MayComeAndGoWhileTheyAreListed) {
  TestServer server(with_loops(2), echo());
  std::atomic<bool> done{false};
  std::thread lister([&] {
    const auto send_x = [](tcpkit_conn* conn, void*) { send_text(conn, "x"); };
    while (!done) EXPECT_EQ(TCPKIT_OK, tcpkit_server_visit(server.get(), send_x, nullptr));
  });
  for (int i = 0; i < 200; ++i) {
    RawClient client = server.connect();
    client.send("y");
    (void)client.receive(1);
    if (i % 2 == 0) client.reset();
  }
  done = true;
  lister.join();
  EXPECT_TRUE(server.wait_closes(200));
}

TEST(Connections, TellWhenTheyWereAccepted) {
  const auto now_ms = [] {
    return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
  };
  const uint64_t before = now_ms();
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_GE(tcpkit_conn_connected_at_ms(conn.get()), before);
  EXPECT_LE(tcpkit_conn_connected_at_ms(conn.get()), now_ms());
}

}  // namespace
