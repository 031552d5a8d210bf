// Drains: what was begun is finished, what is idle ends at once, and nothing outlives the deadline.
#include <atomic>
#include <csignal>
#include <future>
#include <thread>

#include "child_process.h"
#include "server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr size_t kMuch = 4u << 20;  // far more than small kernel buffers hold
constexpr uint64_t kLong = 15'000;  // a deadline that no test reaches

tcpkit_drain_report drain(tcpkit_server* server, uint64_t deadline_ms) {
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server, deadline_ms, &report))
      << TestServer::last_error();
  return report;
}

std::future<tcpkit_drain_report> begin_drain(const TestServer& server, uint64_t deadline_ms) {
  return std::async(std::launch::async, drain, server.get(), deadline_ms);
}

Behaviour echo_and_tell(Event& draining) {
  return {.on_data = send_text, .on_packet = send_packet, .on_drain = [&](tcpkit_conn*) {
            draining.set();
          }};
}

Behaviour sending_much_at_open() {
  return {.on_open = [](tcpkit_conn* conn) { send_text(conn, numbers(kMuch)); }};
}

// The client begins a packet, and the server has read what there is of it.
void begin_packet(const TestServer& server, RawClient& client) {
  const uint64_t before = server.metrics().total_read;
  client.send("hal");
  ASSERT_TRUE(server.wait_until([&] { return server.metrics().total_read == before + 3; }));
}

void expect_counts(const tcpkit_drain_report& report, uint64_t graceful, uint64_t forced) {
  EXPECT_EQ(graceful, report.graceful);
  EXPECT_EQ(forced, report.forced);
}

// ---- Idle connections ----

TEST(Drain, IdleConnectionsSayGoodbyeAndEndAtOnce) {
  std::atomic<int> drained{0};
  std::atomic<int> closed_before{0};
  TestServer server(with_loops(1), {.on_close =
                                        [&](tcpkit_conn*, const tcpkit_close_info&) {
                                          if (drained == 0) ++closed_before;
                                        },
                                    .on_drain =
                                        [&](tcpkit_conn* conn) {
                                          ++drained;
                                          send_text(conn, "goodbye");
                                        }});
  RawClient first = server.connect();
  RawClient second = server.connect();
  for (RawClient* client : {&first, &second}) client->send("x");
  ASSERT_TRUE(server.wait_data(2));
  auto report = begin_drain(server, kLong);
  for (RawClient* client : {&first, &second}) {
    EXPECT_EQ("goodbye", client->receive_all());
    EXPECT_EQ(StreamEnd::kFin, client->end());
    client->close();
  }
  expect_counts(report.get(), 2, 0);
  EXPECT_EQ(2, drained);
  EXPECT_EQ(0, closed_before);
  ASSERT_EQ(2u, server.closes().size());
  for (const CloseRecord& record : server.closes()) {
    EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, record.info.reason);
    EXPECT_EQ(TCPKIT_OK, record.info.status);
    EXPECT_EQ(0u, record.info.unsent_bytes);
  }
  EXPECT_EQ(2u, server.metrics().drained);
  EXPECT_EQ(0u, server.metrics().drained_by_force);
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
}

TEST(Drain, WithoutOnDrainIdleConnectionsOfAllLoopsEnd) {
  constexpr size_t kConnections = 100;
  TestServer server(with_loops(2), echo());
  std::vector<RawClient> clients;
  for (size_t i = 0; i < kConnections; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(kConnections));
  auto report = begin_drain(server, kLong);
  for (RawClient& client : clients) {
    EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
    client.close();
  }
  expect_counts(report.get(), kConnections, 0);
  EXPECT_EQ(kConnections, server.closes().size());
}

TEST(Drain, WithoutConnectionsReturnsAtOnce) {
  TestServer server;
  const tcpkit_drain_report report = drain(server.get(), TCPKIT_UNLIMITED);
  expect_counts(report, 0, 0);
  EXPECT_EQ(0u, report.lost_bytes);
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
}

// ---- Busy connections ----

TEST(Drain, WaitsForTheRestOfAPacketAndDeliversItsAnswer) {
  Event draining;
  TestServer server(framed(tcpkit_framing_line()), echo_and_tell(draining));
  RawClient client = server.connect();
  begin_packet(server, client);
  auto report = begin_drain(server, kLong);
  ASSERT_TRUE(draining.wait());
  EXPECT_FALSE(ended_within(client, milliseconds(100)));
  client.send("f\n");
  EXPECT_EQ("half\n", client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  expect_counts(report.get(), 1, 0);
  EXPECT_EQ(1, draining.count());
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
  EXPECT_EQ(0u, server.close_info().partial_bytes);
}

TEST(Drain, WaitsForAPeerThatReadsSlowly) {
  TestServer server(with_small_buffers(), sending_much_at_open());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  ASSERT_TRUE(server.settle());
  EXPECT_GT(tcpkit_conn_queued_bytes(conn.get()), 0u);
  auto report = begin_drain(server, kLong);
  EXPECT_FALSE(ended_within(client, milliseconds(100)));
  EXPECT_TRUE(client.receive_all() == numbers(kMuch));
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  expect_counts(report.get(), 1, 0);
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
  EXPECT_EQ(0u, server.close_info().unsent_bytes);
}

TEST(Drain, RefusesNewConnections) {
  Event draining;
  TestServer server(framed(tcpkit_framing_line()), echo_and_tell(draining));
  const std::string address = server.address();
  RawClient client = server.connect();
  begin_packet(server, client);
  auto report = begin_drain(server, kLong);
  ASSERT_TRUE(draining.wait());
  EXPECT_TRUE(server.wait_until([&] { return RawClient::try_connect(address) == ECONNREFUSED; }));
  EXPECT_EQ(1, tcpkit_server_is_running(server.get()));
  client.send("f\n");
  EXPECT_EQ("half\n", client.receive_all());
  client.close();
  EXPECT_EQ(0u, report.get().forced);
}

// ---- The deadline ----

TEST(Drain, ResetsAtTheDeadlineAPeerThatDoesNotRead) {
  constexpr uint64_t kDeadlineMs = 100;
  TestServer server(with_small_buffers(), sending_much_at_open());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  ASSERT_TRUE(server.settle());
  const auto start = Clock::now();
  const tcpkit_drain_report report = drain(server.get(), kDeadlineMs);
  const auto elapsed = std::chrono::duration_cast<milliseconds>(Clock::now() - start);
  expect_counts(report, 0, 1);
  EXPECT_GE(report.elapsed_ms, kDeadlineMs);
  EXPECT_LE(report.elapsed_ms, static_cast<uint64_t>(elapsed.count()) + 1);
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, info.reason);
  EXPECT_GT(info.unsent_bytes, 0u);
  EXPECT_EQ(kMuch, info.unsent_bytes + tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(info.unsent_bytes, report.lost_bytes);
  EXPECT_EQ(1u, server.metrics().drained_by_force);
  EXPECT_EQ(report.lost_bytes, server.metrics().drain_lost_bytes);
  EXPECT_EQ(0u, server.metrics().drained);
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
}

TEST(Drain, CountsThoseThatEndedByThemselvesApartFromTheForcedOnes) {
  Event draining;
  TestServer server(framed(tcpkit_framing_line()), echo_and_tell(draining));
  RawClient idle = server.connect();
  RawClient busy = server.connect();
  ASSERT_TRUE(server.wait_opens(2));
  idle.send("hello\n");
  EXPECT_EQ("hello\n", idle.receive(6));
  begin_packet(server, busy);
  auto pending = begin_drain(server, 200);
  EXPECT_EQ(StreamEnd::kFin, idle.wait_for_end());
  idle.close();
  const tcpkit_drain_report report = pending.get();
  expect_counts(report, 1, 1);
  EXPECT_EQ(0u, report.lost_bytes);
  EXPECT_GE(report.elapsed_ms, 200u);
  EXPECT_EQ(StreamEnd::kReset, busy.wait_for_end());
  EXPECT_EQ(2, draining.count());
  EXPECT_EQ(1u, server.metrics().drained);
  EXPECT_EQ(1u, server.metrics().drained_by_force);
}

TEST(Drain, GivesAClientThatHasOnlyJustComeAMomentToSpeak) {
  Event draining;
  TestServer server(framed(tcpkit_framing_line()), echo_and_tell(draining));
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  auto report = begin_drain(server, kLong);
  ASSERT_TRUE(draining.wait());
  client.send("just in time\n");
  EXPECT_EQ("just in time\n", client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  expect_counts(report.get(), 1, 0);
}

// ---- Arguments and states ----

TEST(Drain, OfAServerThatDoesNotRunIsDoneWithAnEmptyReport) {
  TestServer server;
  server.stop();
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  report.graceful = report.forced = report.lost_bytes = report.elapsed_ms = 7;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), kLong, &report));
  expect_counts(report, 0, 0);
  EXPECT_EQ(0u, report.lost_bytes);
  EXPECT_EQ(0u, report.elapsed_ms);
}

TEST(Drain, NeedsNoReportButRefusesOneThatIsNotSetUp) {
  TestServer server;
  tcpkit_drain_report report = {};
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_drain(server.get(), kLong, &report));
  EXPECT_EQ(1, tcpkit_server_is_running(server.get()));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_drain(nullptr, kLong, nullptr));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), kLong, nullptr));
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
}

TEST(Drain, InsideACallbackOnlyBeginsItAndTheServerEnds) {
  std::atomic<tcpkit_server*> self{nullptr};
  Event begun;
  TestServer server(with_loops(1), {.on_data = [&](tcpkit_conn* conn, std::string_view bytes) {
                      tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
                      EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(self, kLong, &report));
                      expect_counts(report, 0, 0);
                      send_text(conn, bytes);
                      begun.set();
                    }});
  self = server.get();
  RawClient client = server.connect();
  client.send("last");
  ASSERT_TRUE(begun.wait());
  EXPECT_EQ("last", client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_wait(server.get()));
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
  EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
}

TEST(Drain, AStopOfAnotherThreadEndsItAtOnce) {
  Event draining;
  TestServer server(framed(tcpkit_framing_line()), echo_and_tell(draining));
  RawClient client = server.connect();
  begin_packet(server, client);
  auto pending = begin_drain(server, TCPKIT_UNLIMITED);
  ASSERT_TRUE(draining.wait());
  server.stop();
  const tcpkit_drain_report report = pending.get();
  expect_counts(report, 0, 1);
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
  EXPECT_NE(StreamEnd::kDeadline, client.wait_for_end());
}

TEST(Drain, ManyThreadsMayDrainAtOnce) {
  TestServer server(with_loops(2), echo());
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(10));
  std::vector<std::future<tcpkit_drain_report>> reports;
  for (int i = 0; i < 4; ++i) reports.push_back(begin_drain(server, kLong));
  for (RawClient& client : clients) {
    EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
    client.close();
  }
  for (auto& report : reports) EXPECT_EQ(0u, report.get().forced);
  EXPECT_EQ(10u, server.closes().size());
}

TEST(Drain, TheServerCanStartAgainAfterIt) {
  TestServer server(with_loops(1), echo());
  for (int round = 0; round < 3; ++round) {
    RawClient client = server.connect();
    client.send("hi");
    EXPECT_EQ("hi", client.receive(2));
    auto report = begin_drain(server, kLong);
    EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
    client.close();
    expect_counts(report.get(), 1, 0);
    ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server.get())) << TestServer::last_error();
  }
  EXPECT_EQ(3u, server.metrics().drained);
}

// ---- Signals ----

struct Signalled {
  Event draining;
  ServerOwner server;

  // An echo of lines on a free port.
  explicit Signalled(uint64_t drain_timeout_ms) {
    tcpkit_server_options options = framed(tcpkit_framing_line());
    options.drain_timeout_ms = drain_timeout_ms;
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.user_data = this;
    handlers.on_packet = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void*) {
      tcpkit_conn_send_packet(conn, data, size);
    };
    handlers.on_drain = [](tcpkit_conn*, void* user_data) {
      static_cast<Signalled*>(user_data)->draining.set();
    };
    tcpkit_server* created = nullptr;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &created));
    server.reset(created);
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(created, "tcp://127.0.0.1:0", nullptr));
  }

  // Runs the server here, while another thread begins a packet, sends SIGTERM, and goes on once
  // the drain has begun.
  void run(const std::function<void(RawClient&)>& go_on) {
    std::thread killer([&] {
      RawClient client(listener_address(server.get()));
      client.send("hal");
      const Monitor monitor;
      EXPECT_TRUE(monitor.wait([&] { return metrics_of(server.get()).total_read == 3; }));
      kill(getpid(), SIGTERM);
      EXPECT_TRUE(draining.wait());
      go_on(client);
    });
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_run(server.get()));
    killer.join();
    EXPECT_EQ(0, tcpkit_server_is_running(server.get()));
  }
};

TEST(DrainOfRun, SigtermLetsABegunPacketBeAnswered) {
  EXPECT_EQ(0, run_in_child([] {
              Signalled signalled(TCPKIT_UNLIMITED);
              signalled.run([](RawClient& client) {
                EXPECT_FALSE(ended_within(client, milliseconds(100)));
                client.send("f\n");
                EXPECT_EQ("half\n", client.receive_all());
                EXPECT_EQ(StreamEnd::kFin, client.end());
              });
              EXPECT_EQ(1u, metrics_of(signalled.server.get()).drained);
            }));
}

TEST(DrainOfRun, ASecondSigtermEndsItAtOnce) {
  EXPECT_EQ(0, run_in_child([] {
              Signalled signalled(TCPKIT_UNLIMITED);
              signalled.run([](RawClient& client) {
                EXPECT_FALSE(ended_within(client, milliseconds(50)));
                kill(getpid(), SIGTERM);
                EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
              });
              EXPECT_EQ(1u, metrics_of(signalled.server.get()).drained_by_force);
            }));
}

TEST(DrainOfRun, EndsAtTheDrainTimeout) {
  EXPECT_EQ(0, run_in_child([] {
              Signalled signalled(100);
              const auto start = Clock::now();
              signalled.run(
                  [](RawClient& client) { EXPECT_EQ(StreamEnd::kReset, client.wait_for_end()); });
              EXPECT_GE(Clock::now() - start, milliseconds(100));
            }));
}

}  // namespace
