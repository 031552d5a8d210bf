// What ends the waiting of a blocking call: deadlines, timeouts, cancel, close, stop and drain.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "blocking_support.h"
#include "child_process.h"

namespace testkit {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

Behaviour with_handler(std::function<void(tcpkit_conn*)> handler) {
  return {.on_connection = std::move(handler)};
}

int64_t ms_since(steady_clock::time_point start) {
  return std::chrono::duration_cast<milliseconds>(steady_clock::now() - start).count();
}

// A time that has to pass is the condition itself here.
void wait_for(steady_clock::time_point start, int64_t ms) {
  EXPECT_TRUE(Monitor().wait([&] { return ms_since(start) >= ms; }));
}

// Fills the way to a peer that does not read; returns how the last write ended.
tcpkit_status write_until_it_fails(tcpkit_conn* conn) {
  const std::string bytes(size_t{256} << 10, 'x');
  tcpkit_status status = TCPKIT_OK;
  while (status == TCPKIT_OK) status = write_text(conn, bytes);
  return status;
}

TEST(BlockingWaits, ReadDeadlineIsNeverEarlyAndTheConnectionStaysUsable) {
  Outcome timed_out;
  Outcome later;
  std::atomic<int64_t> waited_ms{0};
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      const auto start = steady_clock::now();
                      EXPECT_EQ(tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, 30), TCPKIT_OK);
                      const ReadResult first = read_some(conn);
                      waited_ms = ms_since(start);
                      EXPECT_EQ(read_some(conn).status, TCPKIT_E_TIMED_OUT);  // it has passed
                      timed_out.set(first);
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, TCPKIT_UNLIMITED);
                      later.set(read_some(conn));
                    }));
  RawClient client = server.connect();
  EXPECT_EQ(timed_out.status(), TCPKIT_E_TIMED_OUT);
  EXPECT_GE(waited_ms, 30);
  client.send("late");
  EXPECT_EQ(later.wait().bytes, "late");
}

TEST(BlockingWaits, DeadlineOfZeroTakesOnlyWhatIsThere) {
  Outcome nothing;
  Outcome something;
  Event sent;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, 0);
                      nothing.set(read_some(conn));
                      sent.wait();
                      ReadResult read = read_some(conn);
                      while (read.status == TCPKIT_E_TIMED_OUT) read = read_some(conn);
                      something.set(read);
                    }));
  RawClient client = server.connect();
  EXPECT_EQ(nothing.status(), TCPKIT_E_TIMED_OUT);
  client.send("now");
  sent.set();
  EXPECT_EQ(something.wait().bytes, "now");
}

TEST(BlockingWaits, WhatCameBeforeADeadlineIsTheNextReads) {
  Outcome timed_out;
  Outcome later;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, 50);
                      timed_out.set(read_exactly(conn, 5000));
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_READ, TCPKIT_UNLIMITED);
                      later.set(read_exactly(conn, 5000));
                    }));
  const std::string bytes = numbers(5000);
  RawClient client = server.connect();
  client.send(bytes.substr(0, 3000));
  EXPECT_EQ(timed_out.status(), TCPKIT_E_TIMED_OUT);
  client.send(bytes.substr(3000));
  EXPECT_EQ(later.wait().bytes, bytes);
}

TEST(BlockingWaits, WriteDeadlineAfterAPartEndsTheStream) {
  Outcome outcome;
  Outcome again;
  TestServer server(with_small_buffers(), with_handler([&](tcpkit_conn* conn) {
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_WRITE, 50);
                      outcome.set(write_until_it_fails(conn));
                      (void)tcpkit_conn_set_deadline(conn, TCPKIT_TIMEOUT_WRITE, TCPKIT_UNLIMITED);
                      again.set(write_text(conn, "more"));
                      EXPECT_EQ(tcpkit_conn_send(conn, "x", 1), TCPKIT_E_CLOSED);
                    }));
  RawClient client = server.connect(kSmallBuffer);
  EXPECT_EQ(outcome.status(), TCPKIT_E_TIMED_OUT);
  EXPECT_EQ(again.status(), TCPKIT_E_CLOSED);
  (void)client.receive_all();
  EXPECT_GT(server.close_info().unsent_bytes, 0u);
}

TEST(BlockingWaits, ReadTimeoutOfTheServerClosesWithItsReason) {
  tcpkit_server_options options = with_loops(1);
  options.read_timeout_ms = 40;
  Outcome outcome;
  Outcome again;
  const auto start = steady_clock::now();
  TestServer server(options, with_handler([&](tcpkit_conn* conn) {
                      outcome.set(read_some(conn));
                      again.set(read_some(conn));
                    }));
  RawClient client = server.connect();
  EXPECT_EQ(outcome.status(), TCPKIT_E_TIMED_OUT);
  EXPECT_GE(ms_since(start), 40);
  EXPECT_LT(again.status(), 0);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_READ_TIMEOUT);
  EXPECT_EQ(server.metrics().read_timeouts, 1u);
}

TEST(BlockingWaits, IdleTimeoutCountsWhatOthersSend) {
  tcpkit_server_options options = with_loops(1);
  options.idle_timeout_ms = 80;
  Outcome outcome;
  std::atomic<int64_t> waited_ms{0};
  TestServer server(options, with_handler([&](tcpkit_conn* conn) {
                      const auto start = steady_clock::now();
                      outcome.set(read_some(conn));
                      waited_ms = ms_since(start);
                    }));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const auto start = steady_clock::now();
  for (int i = 1; i <= 8; ++i) {
    wait_for(start, 20 * i);  // the peer is silent, we are not
    send_text(conn.get(), "x");
  }
  EXPECT_EQ(outcome.status(), TCPKIT_E_TIMED_OUT);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_IDLE_TIMEOUT);
  EXPECT_GE(waited_ms, 140);
}

TEST(BlockingWaits, HandlerThatComputesIsNotIdle) {
  tcpkit_server_options options = with_loops(1);
  options.idle_timeout_ms = 20;
  options.read_timeout_ms = 20;
  TestServer server(options, with_handler([](tcpkit_conn* conn) {
                      wait_for(steady_clock::now(), 100);
                      EXPECT_EQ(write_text(conn, "done"), TCPKIT_OK);
                    }));
  EXPECT_EQ(server.connect().receive_all(), "done");
}

TEST(BlockingWaits, WriteTimeoutOfTheServerClosesWithItsReason) {
  tcpkit_server_options options = with_small_buffers();
  options.write_timeout_ms = 40;
  Outcome outcome;
  TestServer server(
      options, with_handler([&](tcpkit_conn* conn) { outcome.set(write_until_it_fails(conn)); }));
  RawClient client = server.connect(kSmallBuffer);
  EXPECT_EQ(outcome.status(), TCPKIT_E_TIMED_OUT);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_WRITE_TIMEOUT);
}

TEST(BlockingWaits, CancelEndsAReadAndSendsStillWork) {
  Outcome outcome;
  Outcome again;
  Event reading;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      reading.set();
                      outcome.set(read_some(conn));
                      again.set(write_text(conn, "x"));
                      send_text(conn, "goodbye");
                    }));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  ASSERT_TRUE(reading.wait());
  EXPECT_EQ(tcpkit_conn_cancel(conn.get()), TCPKIT_OK);
  EXPECT_EQ(outcome.status(), TCPKIT_E_CANCELLED);
  EXPECT_EQ(again.status(), TCPKIT_E_CANCELLED);
  EXPECT_EQ(client.receive_all(), "goodbye");
}

TEST(BlockingWaits, CancelEndsAWrite) {
  Outcome outcome;
  TestServer server(with_small_buffers(), with_handler([&](tcpkit_conn* conn) {
                      outcome.set(write_until_it_fails(conn));
                    }));
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  EXPECT_TRUE(server.wait_until([&] { return tcpkit_conn_total_written(conn.get()) > 0; }));
  EXPECT_EQ(tcpkit_conn_cancel(conn.get()), TCPKIT_OK);
  EXPECT_EQ(outcome.status(), TCPKIT_E_CANCELLED);
}

TEST(BlockingWaits, CloseAndAbortOfOtherThreadsEndACall) {
  for (const bool aborts : {false, true}) {
    Event began;
    Outcome outcome;
    TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                        began.set();
                        outcome.set(read_some(conn));
                      }));
    RawClient client;
    const KeptConn conn = server.accepted(client);
    ASSERT_TRUE(began.wait());
    EXPECT_EQ(aborts ? tcpkit_conn_abort(conn.get()) : tcpkit_conn_close(conn.get()), TCPKIT_OK);
    EXPECT_EQ(outcome.status(), TCPKIT_E_CLOSED);
    EXPECT_EQ(client.wait_for_end(), aborts ? StreamEnd::kReset : StreamEnd::kFin);
    EXPECT_EQ(server.close_info().reason, aborts ? TCPKIT_CLOSE_ABORTED : TCPKIT_CLOSE_LOCAL);
  }
}

TEST(BlockingWaits, CloseComesAfterTheHandlerHasReturned) {
  std::atomic<bool> returned{false};
  std::atomic<bool> closed_before{false};
  Event aborted;
  Behaviour behaviour = with_handler([&](tcpkit_conn* conn) {
    EXPECT_EQ(tcpkit_conn_abort(conn), TCPKIT_OK);
    wait_for(steady_clock::now(), 30);
    returned = true;
  });
  behaviour.on_close = [&](tcpkit_conn*, const tcpkit_close_info&) { closed_before = !returned; };
  TestServer server(with_loops(1), behaviour);
  RawClient client = server.connect();
  EXPECT_TRUE(server.wait_closes(1));
  EXPECT_FALSE(closed_before);
}

TEST(BlockingWaits, StopEndsEveryCallAndWaitsForTheHandlers) {
  Event began;
  std::atomic<int> returned{0};
  TestServer server(with_loops(2), with_handler([&](tcpkit_conn* conn) {
                      began.set();
                      if (tcpkit_conn_id(conn) % 2 == 0) (void)read_some(conn);
                      (void)read_some(conn);
                      ++returned;
                    }));
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(began.wait(10));
  server.stop();
  EXPECT_EQ(returned, 10);
  EXPECT_EQ(server.closes().size(), 10u);
}

TEST(BlockingWaits, StopFromAHandlerDoesNotWaitForItself) {
  tcpkit_server* self = nullptr;
  Event done;
  Event ready;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn*) {
                      ready.wait();
                      EXPECT_EQ(tcpkit_server_stop(self), TCPKIT_OK);
                      done.set();
                    }));
  self = server.get();
  RawClient client = server.connect();
  ready.set();
  EXPECT_TRUE(done.wait());
  EXPECT_EQ(tcpkit_server_wait(server.get()), TCPKIT_OK);
}

TEST(BlockingWaits, DrainEndsReadsBetweenPacketsAndLetsBegunOnesFinish) {
  tcpkit_server_options options = with_loops(1);
  options.framing = tcpkit_framing_line();
  Outcome idle;
  Outcome begun;
  Behaviour behaviour = with_handler([&](tcpkit_conn* conn) {
    const ReadResult first = read_packet(conn);
    Outcome& outcome = first.bytes == "begun" ? begun : idle;
    outcome.set(read_packet(conn));
    (void)write_text(conn, "bye");
  });
  TestServer server(options, behaviour);
  RawClient one = server.connect();
  one.send("idle\n");
  RawClient two = server.connect();
  two.send("begun\nhalf of ");
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().total_read == 19; }));
  std::thread drainer(
      [&] { EXPECT_EQ(tcpkit_server_drain(server.get(), 10'000, nullptr), TCPKIT_OK); });
  EXPECT_EQ(idle.status(), TCPKIT_E_CANCELLED);
  EXPECT_EQ(one.receive_all(), "bye");
  two.send("a packet\n");
  EXPECT_EQ(begun.wait().bytes, "half of a packet");
  EXPECT_EQ(two.receive_all(), "bye");
  one.close();
  two.close();
  drainer.join();
}

TEST(BlockingWaits, DrainResetsAtItsDeadlineAndWaitsForTheHandlers) {
  std::atomic<bool> returned{false};
  TestServer server(with_small_buffers(), with_handler([&](tcpkit_conn* conn) {
                      (void)write_until_it_fails(conn);
                      returned = true;
                    }));
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  EXPECT_EQ(tcpkit_server_drain(server.get(), 50, &report), TCPKIT_OK);
  EXPECT_TRUE(returned);
  EXPECT_EQ(report.forced, 1u);
}

TEST(BlockingWaits, StopWithdrawsThoseThatWaitForAThread) {
  tcpkit_server_options options = with_loops(1);
  options.max_handler_threads = 1;
  std::atomic<int> handlers{0};
  TestServer server(options, with_handler([&](tcpkit_conn* conn) {
                      ++handlers;
                      (void)read_some(conn);
                    }));
  std::vector<RawClient> clients;
  for (size_t i = 0; i < 5; ++i) clients.push_back(server.connect());
  ASSERT_TRUE(server.wait_opens(5));
  EXPECT_TRUE(server.wait_until([&] { return handlers == 1; }));
  server.stop();
  EXPECT_EQ(server.closes().size(), 5u);
  EXPECT_EQ(handlers, 1);
}

TEST(BlockingWaits, UserMayDetachAndDriveAConnection) {
  std::atomic<tcpkit_conn*> detached{nullptr};
  Behaviour behaviour = echo();
  behaviour.on_open = [&](tcpkit_conn* conn) {
    EXPECT_EQ(tcpkit_conn_detach(conn), TCPKIT_OK);
    EXPECT_EQ(tcpkit_conn_detach(conn), TCPKIT_OK);
    detached = tcpkit_conn_retain(conn);
  };
  TestServer server(with_loops(1), behaviour);
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_until([&] { return detached != nullptr; }));
  const KeptConn conn(detached);
  client.send("hello");
  EXPECT_EQ(read_exactly(conn.get(), 5).bytes, "hello");
  EXPECT_EQ(write_text(conn.get(), "answer"), TCPKIT_OK);
  EXPECT_EQ(tcpkit_conn_close(conn.get()), TCPKIT_OK);
  EXPECT_EQ(client.receive_all(), "answer");
  client.close();
  EXPECT_TRUE(server.wait_closes(1));
  EXPECT_EQ(read_some(conn.get()).status, TCPKIT_E_CLOSED);
}

TEST(BlockingWaits, DetachFromDataKeepsWhatIsBehindIt) {
  std::atomic<tcpkit_conn*> detached{nullptr};
  Behaviour behaviour;
  behaviour.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
    if (packet != "upgrade") return;
    EXPECT_EQ(tcpkit_conn_detach(conn), TCPKIT_OK);
    detached = tcpkit_conn_retain(conn);
  };
  TestServer server(framed(tcpkit_framing_line()), behaviour);
  RawClient client = server.connect();
  client.send("first\nupgrade\nsecond\nthi");
  ASSERT_TRUE(server.wait_until([&] { return detached != nullptr; }));
  const KeptConn conn(detached);
  EXPECT_EQ(read_packet(conn.get()).bytes, "second");
  client.send("rd\n");
  EXPECT_EQ(read_packet(conn.get()).bytes, "third");
  EXPECT_EQ(server.packet_texts(), (std::vector<std::string>{"first", "upgrade"}));
  EXPECT_EQ(tcpkit_conn_abort(conn.get()), TCPKIT_OK);
  EXPECT_TRUE(server.wait_closes(1));
}

TEST(BlockingWaits, ChildOfAForkIsRefusedAndTheParentGoesOn) {
  tcpkit_conn* conn_of_parent = nullptr;
  Event began;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      conn_of_parent = conn;
                      began.set();
                      echo_bytes(conn);
                    }));
  RawClient client = server.connect();
  ASSERT_TRUE(began.wait());
  EXPECT_EQ(0, run_in_child([&] {
              EXPECT_EQ(read_some(conn_of_parent).status, TCPKIT_E_FORKED);
              EXPECT_EQ(write_text(conn_of_parent, "x"), TCPKIT_E_FORKED);
              EXPECT_EQ(tcpkit_conn_cancel(conn_of_parent), TCPKIT_E_FORKED);
            }));
  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
}

}  // namespace
}  // namespace testkit
