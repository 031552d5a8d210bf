// How connections end: nothing that was sent is lost, and on_close tells the true reason once.
#include <sys/ioctl.h>

#include <atomic>
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

constexpr size_t kLarge = 10u << 20;

std::string pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 2654435761u) >> 13);
  return bytes;
}

TEST(Closing, SendsAllOfTenMebibytesThatWereSentRightBefore) {
  const std::string bytes = pattern(kLarge);
  TestServer server(with_loops(1), {.on_open = [&](tcpkit_conn* conn) {
                      send_text(conn, bytes);
                      tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  EXPECT_TRUE(client.receive_all() == bytes);
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.close_info().reason);
  EXPECT_EQ(0u, server.close_info().unsent_bytes);
  EXPECT_EQ(kLarge, server.metrics().total_written);
}

TEST(Closing, SendsAllOfTenMebibytesAlthoughInputIsUnread) {
  const std::string bytes = pattern(kLarge);
  TestServer server(with_loops(1), {.on_data = [&](tcpkit_conn* conn, std::string_view) {
                      tcpkit_conn_pause_reading(conn);
                      send_text(conn, bytes);
                      tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  client.send("go");
  ASSERT_TRUE(server.wait_data(2));
  client.send(std::string(100'000, 'u'));
  EXPECT_TRUE(client.receive_all() == bytes);
  EXPECT_EQ(StreamEnd::kFin, client.end());
}

TEST(Closing, SendsAllOfTenMebibytesFromAnotherThread) {
  const std::string bytes = pattern(kLarge);
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  std::thread sender([&] {
    for (size_t i = 0; i < bytes.size(); i += 1u << 20) {
      EXPECT_LE(TCPKIT_OK, tcpkit_conn_send(conn.get(), bytes.data() + i, 1u << 20));
    }
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn.get()));
  });
  EXPECT_TRUE(client.receive_all() == bytes);
  EXPECT_EQ(StreamEnd::kFin, client.end());
  sender.join();
}

TEST(Closing, AHalfClosedPeerStillGetsItsReplyWithoutOnEnd) {
  const std::string bytes = pattern(kLarge);
  TestServer server(with_loops(1), {.on_data = [&](tcpkit_conn* conn, std::string_view) {
                      send_text(conn, bytes);
                    }});
  RawClient client = server.connect();
  client.send("?");
  client.half_close();
  EXPECT_TRUE(client.receive_all() == bytes);
  EXPECT_EQ(StreamEnd::kFin, client.end());
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

TEST(Closing, AHalfClosedPeerStillGetsItsReplyFromOnEnd) {
  TestServer server(with_loops(1), {.on_end = [](tcpkit_conn* conn) {
                      send_text(conn, "goodbye");
                      tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  client.half_close();
  EXPECT_EQ("goodbye", client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
}

TEST(Closing, WithOnEndAConnectionStaysOpenForSendingUntilItIsClosed) {
  Event ended;
  TestServer server(with_loops(1), {.on_end = [&](tcpkit_conn*) { ended.set(); }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.half_close();
  ASSERT_TRUE(ended.wait());
  for (int i = 0; i < 3; ++i) {
    send_text(conn.get(), "still here");
    EXPECT_EQ("still here", client.receive(10));
  }
  EXPECT_EQ(0, tcpkit_conn_is_closed(conn.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_close(conn.get()));
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.close_info().reason);
  EXPECT_EQ(1, ended.count());
}

TEST(Closing, CountsBytesSentRightBeforeClose) {
  uint64_t written_at_close = 0;
  TestServer server(with_loops(1), {.on_open =
                                        [](tcpkit_conn* conn) {
                                          send_text(conn, "last words");
                                          tcpkit_conn_close(conn);
                                        },
                                    .on_close =
                                        [&](tcpkit_conn* conn, const tcpkit_close_info&) {
                                          written_at_close = tcpkit_conn_total_written(conn);
                                        }});
  RawClient client = server.connect();
  EXPECT_EQ("last words", client.receive_all());
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(10u, written_at_close);
  EXPECT_EQ(10u, server.metrics().total_written);
}

TEST(Closing, CountsAndDeliversBytesSentRightBeforeStop) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  send_text(conn.get(), "last words");
  server.stop();
  EXPECT_EQ("last words", client.receive_all());
  EXPECT_EQ(10u, server.metrics().total_written);
  EXPECT_EQ(10u, tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
}

TEST(Closing, ACloseHandlerMayCloseSendAndRegisterAnother) {
  Event inner;
  static thread_local Event* inner_event = nullptr;
  std::atomic<tcpkit_status> send_status{TCPKIT_OK};
  std::atomic<tcpkit_status> close_status{TCPKIT_E_INTERNAL};
  TestServer server(with_loops(1), {.on_close = [&](tcpkit_conn* conn, const tcpkit_close_info&) {
                      send_status = tcpkit_conn_send(conn, "x", 1);
                      close_status = tcpkit_conn_close(conn);
                      inner_event = &inner;
                      tcpkit_conn_add_close_handler(
                          conn,
                          [](tcpkit_conn*, const tcpkit_close_info*, void*) { inner_event->set(); },
                          nullptr, nullptr);
                      EXPECT_EQ(1, inner.count());
                    }});
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(TCPKIT_E_CLOSED, send_status);
  EXPECT_EQ(TCPKIT_OK, close_status);
  EXPECT_EQ(1, inner.count());
}

TEST(Closing, HandlersRunLastRegisteredFirstAndBeforeOnClose) {
  struct Numbered {
    std::string* order;
    char name;
  };
  std::string order;
  Numbered handlers[] = {{&order, '1'}, {&order, '2'}, {&order, '3'}};
  const auto note = [](tcpkit_conn*, const tcpkit_close_info*, void* user_data) {
    const auto* numbered = static_cast<Numbered*>(user_data);
    *numbered->order += numbered->name;
  };
  TestServer server(with_loops(1),
                    {.on_open =
                         [&](tcpkit_conn* conn) {
                           for (Numbered& handler : handlers) {
                             tcpkit_conn_add_close_handler(conn, note, &handler, nullptr);
                           }
                           tcpkit_conn_abort(conn);
                         },
                     .on_close = [&](tcpkit_conn*, const tcpkit_close_info&) { order += 'c'; }});
  const RawClient client = server.connect();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ("321c", order);
}

TEST(Closing, AHandlerRegisteredAfterTheEndRunsAtOnceWithTheReason) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.reset();
  ASSERT_TRUE(server.wait_closes(1));
  ASSERT_TRUE(server.settle());
  tcpkit_close_reason reason = 0;
  const auto keep = [](tcpkit_conn*, const tcpkit_close_info* info, void* user_data) {
    *static_cast<tcpkit_close_reason*>(user_data) = info->reason;
  };
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_add_close_handler(conn.get(), keep, &reason, nullptr));
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, reason);
}

// ---- Reasons ----

TEST(CloseReason, IsLocalForAnOwnClose) {
  TestServer server(with_loops(1), {.on_open = [](tcpkit_conn* conn) { tcpkit_conn_close(conn); }});
  RawClient client = server.connect();
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.close_info().reason);
  EXPECT_EQ(TCPKIT_OK, server.close_info().status);
}

TEST(CloseReason, IsAbortedForAnAbortAndThePeerSeesAReset) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_abort(conn.get()));
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
  EXPECT_EQ(TCPKIT_CLOSE_ABORTED, server.close_info().reason);
}

TEST(CloseReason, IsPeerFinWhenThePeerEndsItsStream) {
  TestServer server;
  RawClient client = server.connect();
  client.send("bye");
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_EQ("bye", server.data_of(server.opened_id(0)));
}

TEST(CloseReason, IsPeerResetWhenThePeerResetsAndDataComesFirst) {
  TestServer server;
  RawClient client = server.connect();
  client.send("bye");
  client.reset();
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, info.reason);
  EXPECT_EQ(TCPKIT_E_RESET, info.status);
  EXPECT_EQ(ECONNRESET, info.sys_errno);
  EXPECT_EQ("bye", server.data_of(server.opened_id(0)));
}

TEST(CloseReason, IsCallbackWhenOnDataThrows) {
  TestServer server(with_loops(1), {.on_data = [](tcpkit_conn*, std::string_view) { throw 1; }});
  RawClient client = server.connect();
  client.send("x");
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.close_info().reason);
  EXPECT_EQ(1u, server.metrics().callback_errors);
}

TEST(CloseReason, IsShutdownWhenTheServerStops) {
  TestServer server;
  const RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  server.stop();
  ASSERT_EQ(1u, server.closes().size());
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
}

TEST(CloseReason, IsTimeoutWhenThePeerDoesNotTakeWhatWasSent) {
  tcpkit_server_options options = with_loops(1);
  options.close_timeout_ms = 50;
  TestServer server(options, {.on_open = [](tcpkit_conn* conn) {
                      send_text(conn, std::string(64u << 20, 'x'));
                      tcpkit_conn_close(conn);
                    }});
  RawClient client(server.address(), 4096);
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_TIMEOUT, info.reason);
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, info.status);
  EXPECT_GT(info.unsent_bytes, 0u);
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
}

TEST(CloseReason, IsLocalWhenThePeerTookEverythingButDoesNotEndItsStream) {
  tcpkit_server_options options = with_loops(1);
  options.close_timeout_ms = 50;
  TestServer server(options, {.on_open = [](tcpkit_conn* conn) {
                      send_text(conn, "all of it");
                      tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  EXPECT_EQ("all of it", client.receive_all());
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, info.reason);
  EXPECT_EQ(0u, info.unsent_bytes);
}

TEST(CloseReason, IsToldExactlyOnceWhenManyThreadsCloseAndAbort) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      if (i % 2 == 0) tcpkit_conn_close(conn.get());
      if (i % 2 == 1) tcpkit_conn_abort(conn.get());
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(server.wait_closes(1));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(1u, server.closes().size());
}

TEST(Closing, NoCallbackComesAfterAClose) {
  std::atomic<bool> closing{false};
  std::atomic<int> late{0};
  TestServer server(framed(tcpkit_framing_line()),
                    {.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
                      if (closing.exchange(true)) ++late;
                      if (packet == "close") tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  client.send("close\nmore\nand more\n");
  client.send("and still more\n");
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(0, late);
}

TEST(Closing, ShutdownSendsFinAfterAllDataAndReceivingGoesOn) {
  const std::string bytes = pattern(kLarge);
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  send_text(conn.get(), bytes);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_shutdown(conn.get()));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_shutdown(conn.get()));
  EXPECT_EQ(TCPKIT_E_CLOSED, tcpkit_conn_send(conn.get(), "x", 1));
  EXPECT_TRUE(client.receive_all() == bytes);
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.send("still heard");
  EXPECT_TRUE(server.wait_data(11));
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

}  // namespace
