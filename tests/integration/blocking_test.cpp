// Thread per connection: handlers that read and write with blocking calls, and what else happens to
// their connections meanwhile.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <stdexcept>
#include <thread>

#include "blocking_support.h"

namespace testkit {
namespace {

Behaviour with_handler(std::function<void(tcpkit_conn*)> handler) {
  return {.on_connection = std::move(handler)};
}

TEST(Blocking, HandlerEchoesUntilThePeerEnds) {
  TestServer server(with_loops(1), with_handler(echo_bytes));
  RawClient client = server.connect();
  client.send("hello");
  EXPECT_EQ(client.receive(5), "hello");
  client.send("again");
  EXPECT_EQ(client.receive(5), "again");
  client.half_close();
  EXPECT_EQ(client.wait_for_end(), StreamEnd::kFin);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_PEER_FIN);
}

TEST(Blocking, OpenComesBeforeTheHandlerAndItsBytesTooAndCloseAfterIt) {
  std::atomic<int> step{0};
  std::atomic<bool> wrong_order{false};
  const auto expect_step = [&](int expected) {
    if (step.fetch_add(1) != expected) wrong_order = true;
  };
  Behaviour behaviour;
  behaviour.on_open = [&](tcpkit_conn* conn) {
    expect_step(0);
    send_text(conn, "welcome ");
  };
  behaviour.on_connection = [&](tcpkit_conn* conn) {
    expect_step(1);
    EXPECT_EQ(write_text(conn, "handler"), TCPKIT_OK);
    expect_step(2);
  };
  behaviour.on_close = [&](tcpkit_conn*, const tcpkit_close_info&) { expect_step(3); };
  TestServer server(with_loops(1), behaviour);
  EXPECT_EQ(server.connect().receive_all(), "welcome handler");
  EXPECT_TRUE(server.wait_closes(1));
  EXPECT_FALSE(wrong_order);
}

TEST(Blocking, ConnectionClosesWhenTheHandlerReturns) {
  TestServer server(with_loops(1), with_handler([](tcpkit_conn*) {}));
  RawClient client = server.connect();
  EXPECT_EQ(client.wait_for_end(), StreamEnd::kFin);
  client.close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_LOCAL);
}

TEST(Blocking, TenMebibytesWrittenBeforeTheReturnAllArrive) {
  const std::string bytes = numbers(size_t{10} << 20);
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      EXPECT_EQ(write_text(conn, bytes), TCPKIT_OK);
                    }));
  EXPECT_EQ(server.connect().receive_all(), bytes);
  EXPECT_TRUE(server.wait_closes(1));
  EXPECT_EQ(server.metrics().total_written, bytes.size());
}

TEST(Blocking, ReadExactlyGivesTheSameInEveryCut) {
  const std::string sent = "0123456789abcdefghij";
  for (size_t cut = 1; cut < sent.size(); ++cut) {
    Outcome first;
    Outcome second;
    TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                        first.set(read_exactly(conn, 7));
                        second.set(read_exactly(conn, 13));
                      }));
    RawClient client = server.connect();
    client.send_in_pieces(sent, cut);
    EXPECT_EQ(first.wait().bytes, sent.substr(0, 7)) << cut;
    EXPECT_EQ(second.wait().bytes, sent.substr(7)) << cut;
  }
}

TEST(Blocking, ReadExactlyTakesALargePieceStraight) {
  const std::string sent = numbers(3'000'001);
  Outcome outcome;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      outcome.set(read_exactly(conn, sent.size()));
                    }));
  RawClient client = server.connect();
  client.send(sent);
  EXPECT_EQ(outcome.wait().bytes, sent);
}

TEST(Blocking, EndBeforeTheFirstByteIsTheEndAndInsideItIsUnexpected) {
  Outcome inside;
  Outcome rest;
  Outcome end;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      inside.set(read_exactly(conn, 10));
                      rest.set(read_some(conn));
                      end.set(read_exactly(conn, 10));
                    }));
  RawClient client = server.connect();
  client.send("four");
  client.half_close();
  EXPECT_EQ(inside.status(), TCPKIT_E_UNEXPECTED_EOF);
  EXPECT_EQ(rest.wait().bytes, "four");
  EXPECT_EQ(end.status(), TCPKIT_E_END);
}

TEST(Blocking, HalfClosedPeerStillGetsItsReply) {
  TestServer server(with_loops(1), with_handler([](tcpkit_conn* conn) {
                      std::string all;
                      for (ReadResult read = read_some(conn); read.status == TCPKIT_OK;
                           read = read_some(conn)) {
                        all += read.bytes;
                      }
                      EXPECT_EQ(write_text(conn, "got " + all), TCPKIT_OK);
                    }));
  RawClient client = server.connect();
  client.send("request");
  client.half_close();
  EXPECT_EQ(client.receive_all(), "got request");
}

TEST(Blocking, ResetOfThePeerIsTold) {
  Outcome outcome;
  Event began;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      began.set();
                      outcome.set(read_some(conn));
                    }));
  RawClient client = server.connect();
  ASSERT_TRUE(began.wait());
  client.reset();
  EXPECT_EQ(outcome.status(), TCPKIT_E_RESET);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_PEER_RESET);
}

TEST(Blocking, BlockingCallsNeedADetachedConnection) {
  TestServer server(with_loops(1), echo());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(read_some(conn.get()).status, TCPKIT_E_NOT_SUPPORTED);
  EXPECT_EQ(write_text(conn.get(), "x"), TCPKIT_E_NOT_SUPPORTED);
  EXPECT_EQ(tcpkit_conn_cancel(conn.get()), TCPKIT_E_NOT_SUPPORTED);
  EXPECT_EQ(tcpkit_conn_set_deadline(conn.get(), TCPKIT_TIMEOUT_READ, 1), TCPKIT_E_NOT_SUPPORTED);
  EXPECT_EQ(tcpkit_conn_detach(conn.get()), TCPKIT_E_WRONG_THREAD);
}

TEST(Blocking, LoopMayNotWait) {
  Event release;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn*) { release.wait(); }));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_TRUE(run_on_loop(conn.get(), [](tcpkit_conn* self) {
    EXPECT_EQ(read_some(self).status, TCPKIT_E_WRONG_THREAD);
    EXPECT_EQ(write_text(self, "x"), TCPKIT_E_WRONG_THREAD);
  }));
  release.set();
}

TEST(Blocking, OneThreadAtATimeReads) {
  Event began;
  Event release;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      began.set();
                      (void)read_some(conn);
                      release.wait();
                    }));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  ASSERT_TRUE(began.wait());
  // The handler is in its read at some moment; until then the reads of this thread do not wait.
  EXPECT_TRUE(server.wait_until([&] {
    (void)tcpkit_conn_set_deadline(conn.get(), TCPKIT_TIMEOUT_READ, 0);
    const tcpkit_status status = read_some(conn.get()).status;
    (void)tcpkit_conn_set_deadline(conn.get(), TCPKIT_TIMEOUT_READ, TCPKIT_UNLIMITED);
    return status == TCPKIT_E_WRONG_THREAD || status == TCPKIT_E_TIMED_OUT;
  }));
  client.send("x");
  release.set();
}

TEST(Blocking, OneThreadReadsWhileAnotherWrites) {
  const std::string sent = numbers(2 << 20);
  Event done;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      std::thread writer([&] { EXPECT_EQ(write_text(conn, sent), TCPKIT_OK); });
                      EXPECT_EQ(read_exactly(conn, sent.size()).bytes, sent);
                      writer.join();
                      done.set();
                    }));
  RawClient client = server.connect();
  std::thread sender([&] { client.send(sent); });
  EXPECT_EQ(client.receive(sent.size()), sent);
  sender.join();
  EXPECT_TRUE(done.wait());
}

TEST(Blocking, SendsOfOtherThreadsNeverBreakAWrite) {
  constexpr int kWrites = 400;
  constexpr int kSends = 400;
  const std::string written(30'000, 'w');
  const std::string sent(3'000, 's');
  TestServer server(with_small_buffers(), with_handler([&](tcpkit_conn* conn) {
                      std::thread sender([&] {
                        for (int i = 0; i < kSends; ++i) send_text(conn, sent + "\n");
                      });
                      for (int i = 0; i < kWrites; ++i) {
                        if (write_text(conn, written + "\n") != TCPKIT_OK) ADD_FAILURE();
                      }
                      sender.join();
                    }));
  RawClient client = server.connect(kSmallBuffer);
  const std::string all = client.receive_all();
  int writes = 0;
  int sends = 0;
  for (size_t at = 0, end; (end = all.find('\n', at)) != std::string::npos; at = end + 1) {
    const std::string line = all.substr(at, end - at);
    if (line == written) ++writes;
    if (line == sent) ++sends;
  }
  EXPECT_EQ(writes, kWrites);
  EXPECT_EQ(sends, kSends);
}

TEST(Blocking, WriteComesAfterTheSendsOfItsOwnThread) {
  TestServer server(with_loops(1), with_handler([](tcpkit_conn* conn) {
                      for (int i = 0; i < 200; ++i) {
                        send_text(conn, "a");
                        EXPECT_EQ(write_text(conn, "b"), TCPKIT_OK);
                      }
                    }));
  std::string expected;
  for (int i = 0; i < 200; ++i) expected += "ab";
  EXPECT_EQ(server.connect().receive_all(), expected);
}

TEST(Blocking, ThrowingHandlerClosesOnlyItsConnection) {
  TestServer server(with_loops(1), with_handler([](tcpkit_conn* conn) {
                      if (read_some(conn).bytes == "throw") throw std::runtime_error("thrown");
                      echo_bytes(conn);
                    }));
  RawClient other = server.connect();
  other.send("x");
  RawClient client = server.connect();
  client.send("throw");
  EXPECT_EQ(client.wait_for_end(), StreamEnd::kFin);
  client.close();
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_CALLBACK);
  EXPECT_EQ(server.metrics().callback_errors, 1u);
  other.send("still");
  EXPECT_EQ(other.receive(5), "still");
}

TEST(Blocking, CountsAreExactAndLive) {
  TestServer server(with_loops(1), with_handler(echo_bytes));
  RawClient client = server.connect();
  client.send("12345");
  EXPECT_EQ(client.receive(5), "12345");
  EXPECT_EQ(server.metrics().total_read, 5u);
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().total_written == 5; }));
  EXPECT_EQ(server.metrics().handler_threads, 2u);  // a loop and a handler
  server.stop();
  EXPECT_EQ(server.metrics().total_read, 5u);
  EXPECT_EQ(server.metrics().total_written, 5u);
  EXPECT_EQ(server.metrics().handler_threads, 0u);
  EXPECT_EQ(server.metrics().max_handler_threads, 2u);
}

TEST(Blocking, ConnectionsWaitForAThreadInTheirOrder) {
  tcpkit_server_options options = with_loops(1);
  options.max_handler_threads = 1;
  options.max_waiting_connections = 2;
  Event release;
  TestServer server(options, with_handler([&](tcpkit_conn* conn) {
                      const std::string id = std::to_string(tcpkit_conn_id(conn));
                      EXPECT_EQ(write_text(conn, id), TCPKIT_OK);
                      release.wait();
                    }));
  std::vector<RawClient> clients;
  for (size_t i = 0; i < 3; ++i) {
    clients.push_back(server.connect());
    ASSERT_TRUE(server.wait_opens(i + 1));
  }
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().waiting_connections == 2; }));
  RawClient refused = server.connect();
  EXPECT_EQ(refused.wait_for_end(), StreamEnd::kReset);
  EXPECT_EQ(server.close_info().reason, TCPKIT_CLOSE_LIMIT);
  EXPECT_EQ(server.metrics().refused_by_threads, 1u);
  EXPECT_NE(clients[0].receive_once(), "");
  release.set();
  for (RawClient& client : clients) {
    (void)client.receive_all();
    client.close();
  }
  EXPECT_TRUE(server.wait_closes(4));
  EXPECT_EQ(server.metrics().max_handler_threads, 2u);
}

TEST(Blocking, SmallStacksAreTaken) {
  tcpkit_server_options options = with_loops(1);
  options.handler_stack_size = 256 << 10;
  TestServer server(options, with_handler([](tcpkit_conn* conn) {
                      std::array<char, 1000> bytes{};
                      size_t size = 0;
                      (void)tcpkit_conn_read(conn, bytes.data(), bytes.size(), &size);
                      (void)tcpkit_conn_write(conn, bytes.data(), size);
                    }));
  RawClient client = server.connect();
  client.send("small");
  EXPECT_EQ(client.receive_all(), "small");
}

TEST(Blocking, UnixSocketsAndASecondServerBesides) {
  Behaviour behaviour = with_handler(echo_bytes);
  behaviour.addresses = {"unix://@tcpkit-blocking-" + std::to_string(getpid())};
  TestServer first(with_loops(1), behaviour);
  TestServer second(with_loops(1), with_handler(echo_bytes));
  RawClient one = first.connect();
  RawClient two = second.connect();
  one.send("one");
  two.send("two");
  EXPECT_EQ(one.receive(3), "one");
  EXPECT_EQ(two.receive(3), "two");
}

TEST(Blocking, ShutdownEndsOurStreamAndReadingGoesOn) {
  Outcome after;
  TestServer server(with_loops(1), with_handler([&](tcpkit_conn* conn) {
                      EXPECT_EQ(write_text(conn, "all"), TCPKIT_OK);
                      EXPECT_EQ(tcpkit_conn_shutdown(conn), TCPKIT_OK);
                      EXPECT_EQ(write_text(conn, "more"), TCPKIT_E_CLOSED);
                      after.set(read_some(conn));
                    }));
  RawClient client = server.connect();
  EXPECT_EQ(client.receive_all(), "all");
  client.send("late");
  EXPECT_EQ(after.wait().bytes, "late");
}

}  // namespace
}  // namespace testkit
