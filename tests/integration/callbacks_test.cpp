// Callbacks that throw, and user data that is freed exactly once, also by calls that fail.
#include <atomic>

#include "server_fixture.h"

using namespace testkit;

namespace {

// Counts how often it was freed; its address is the user data.
struct Freed {
  std::atomic<int> count{0};
  static void free(void* user_data) { ++static_cast<Freed*>(user_data)->count; }
};

TEST(ThrowingCallback, OnOpenClosesTheConnectionAndTheServerGoesOn) {
  std::atomic<int> opened{0};
  Behaviour behaviour = echo();
  behaviour.on_open = [&](tcpkit_conn*) {
    if (++opened == 1) throw std::runtime_error("first");
  };
  TestServer server(with_loops(1), behaviour);
  RawClient first = server.connect();
  EXPECT_EQ(StreamEnd::kFin, first.wait_for_end());
  first.close();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.close_info().reason);
  EXPECT_EQ(TCPKIT_E_CALLBACK, server.close_info().status);
  RawClient second = server.connect();
  second.send("hi");
  EXPECT_EQ("hi", second.receive(2));
}

TEST(ThrowingCallback, OnPacketClosesOnlyItsConnectionAndDeliversNothingMore) {
  Behaviour behaviour = echo();
  behaviour.on_packet = [](tcpkit_conn* conn, std::string_view packet) {
    if (packet == "throw") throw 42;
    send_packet(conn, packet);
  };
  TestServer server(framed(tcpkit_framing_line()), behaviour);
  RawClient good = server.connect();
  RawClient bad = server.connect();
  bad.send("one\nthrow\ntwo\n");
  EXPECT_EQ("one\n", bad.receive_all());
  bad.close();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.close_info().reason);
  good.send("hi\n");
  EXPECT_EQ("hi\n", good.receive(3));
  EXPECT_EQ(3u, server.packets().size());
  EXPECT_EQ(1u, server.metrics().callback_errors);
}

TEST(ThrowingCallback, OnEndClosesTheConnection) {
  TestServer server(with_loops(1), {.on_end = [](tcpkit_conn*) { throw 42; }});
  RawClient client = server.connect();
  client.half_close();
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.close_info().reason);
}

TEST(ThrowingCallback, OnCloseAndCloseHandlersDoNotStopTheOthers) {
  Event handled;
  Behaviour behaviour;
  behaviour.on_open = [&](tcpkit_conn* conn) {
    tcpkit_conn_add_close_handler(
        conn,
        [](tcpkit_conn*, const tcpkit_close_info*, void* event) {
          static_cast<Event*>(event)->set();
        },
        &handled, nullptr);
    tcpkit_conn_add_close_handler(
        conn, [](tcpkit_conn*, const tcpkit_close_info*, void*) { throw 42; }, nullptr, nullptr);
  };
  Event closed;
  behaviour.on_close = [&](tcpkit_conn*, const tcpkit_close_info&) {
    closed.set();
    throw 42;
  };
  TestServer server(with_loops(1), behaviour);
  for (int i = 1; i <= 2; ++i) {
    RawClient client = server.connect();
    ASSERT_TRUE(server.wait_opens(static_cast<size_t>(i)));
    client.close();
    EXPECT_TRUE(handled.wait(i));
    EXPECT_TRUE(closed.wait(i));
  }
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().closed == 2; }));
}

TEST(ThrowingCallback, PostedTasksAndTimersAreDropped) {
  TestServer server(with_loops(1), echo());
  tcpkit_loop* loop = tcpkit_server_loop(server.get(), 0);
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_post(
                           loop, [](tcpkit_loop*, void*) { throw 42; }, nullptr, nullptr));
  Event fired;
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  timer.repeat_ms = 1;
  timer.on_timer = [](tcpkit_loop*, void* event) {
    static_cast<Event*>(event)->set();
    throw 42;
  };
  timer.user_data = &fired;
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(loop, &timer, nullptr));
  EXPECT_TRUE(fired.wait(3));
  RawClient client = server.connect();
  client.send("hi");
  EXPECT_EQ("hi", client.receive(2));
  server.stop();
}

TEST(ThrowingCallback, ATaskPostedToAConnectionClosesIt) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  ASSERT_EQ(TCPKIT_OK, tcpkit_conn_post(
                           conn.get(), [](tcpkit_conn*, void*) { throw 42; }, nullptr, nullptr));
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.close_info().reason);
}

TEST(ThrowingCallback, OnMetricsIsCalledAgain) {
  Event ticked;
  TestServer server(with_loops(1), {.on_metrics = [&](const tcpkit_metrics&) {
                      ticked.set();
                      throw 42;
                    }});
  EXPECT_TRUE(ticked.wait(3));
}

TEST(UserData, OfHandlersStrategyAndFramingIsFreedOnceWithTheServer) {
  Freed handlers_data;
  Freed strategy_data;
  Freed framing_data;
  tcpkit_framing_callbacks callbacks = TCPKIT_FRAMING_CALLBACKS_INIT;
  callbacks.next = [](void*, const uint8_t*, size_t size, tcpkit_frame* frame) -> int32_t {
    *frame = {size, 0, size, 0};
    return TCPKIT_FRAME_PACKET;
  };
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.user_data = &strategy_data;
  strategy.user_data_free = Freed::free;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &handlers_data;
  handlers.user_data_free = Freed::free;
  tcpkit_server_options options = with_loops(1);
  options.strategy = &strategy;
  options.framing.kind = TCPKIT_FRAMING_CUSTOM;
  options.framing.callbacks = &callbacks;
  options.framing.user_data = &framing_data;
  options.framing.user_data_free = Freed::free;
  tcpkit_server* server = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server));
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server));
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_stop(server));
  EXPECT_EQ(0, handlers_data.count + strategy_data.count + framing_data.count);
  tcpkit_server_free(server);
  EXPECT_EQ(1, handlers_data.count);
  EXPECT_EQ(1, strategy_data.count);
  EXPECT_EQ(1, framing_data.count);
}

// What makes a create fail, with everything else in order.
struct FailingCreate {
  const char* name;
  void (*spoil)(tcpkit_server_options& options, tcpkit_handlers& handlers);
  tcpkit_status status;
};
constexpr FailingCreate kFailingCreates[] = {
    {"BadOption", [](tcpkit_server_options& options, tcpkit_handlers&) { options.oversize = 9; },
     TCPKIT_E_INVALID_ARGUMENT},
    {"BadFraming",
     [](tcpkit_server_options& options, tcpkit_handlers&) {
       options.framing.kind = TCPKIT_FRAMING_LENGTH;
       options.framing.length_size = 5;
     },
     TCPKIT_E_INVALID_ARGUMENT},
    {"BadAddress",
     [](tcpkit_server_options& options, tcpkit_handlers&) { options.listen = "nowhere"; },
     TCPKIT_E_BAD_ADDRESS},
    {"HandlersWithoutSize",
     [](tcpkit_server_options&, tcpkit_handlers& handlers) { handlers.struct_size = 0; },
     TCPKIT_E_STRUCT_SIZE},
    {"OptionsWithoutSize",
     [](tcpkit_server_options& options, tcpkit_handlers&) { options.struct_size = 0; },
     TCPKIT_E_STRUCT_SIZE},
};

class UserDataOfFailingCreate : public ::testing::TestWithParam<FailingCreate> {};

// A struct without its size cannot be read, so what it holds stays the caller's.
TEST_P(UserDataOfFailingCreate, IsFreedOnce) {
  Freed handlers_data;
  Freed strategy_data;
  Freed framing_data;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.user_data = &strategy_data;
  strategy.user_data_free = Freed::free;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.user_data = &handlers_data;
  handlers.user_data_free = Freed::free;
  tcpkit_server_options options = with_loops(1);
  options.strategy = &strategy;
  options.framing.user_data = &framing_data;
  options.framing.user_data_free = Freed::free;
  GetParam().spoil(options, handlers);
  tcpkit_server* server = nullptr;
  EXPECT_EQ(GetParam().status, tcpkit_server_create(&options, &handlers, &server));
  EXPECT_EQ(nullptr, server);
  EXPECT_EQ(handlers.struct_size != 0 ? 1 : 0, handlers_data.count);
  EXPECT_EQ(options.struct_size != 0 ? 1 : 0, strategy_data.count);
  EXPECT_EQ(options.struct_size != 0 ? 1 : 0, framing_data.count);
}

INSTANTIATE_TEST_SUITE_P(Callbacks, UserDataOfFailingCreate, ::testing::ValuesIn(kFailingCreates),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(UserData, OfAConnectionIsFreedWhenReplacedAndAfterOnClose) {
  Freed first;
  Freed second;
  std::atomic<int> freed_at_close{-1};
  TestServer server(with_loops(1), {.on_open =
                                        [&](tcpkit_conn* conn) {
                                          tcpkit_conn_set_user_data(conn, &first, Freed::free);
                                          tcpkit_conn_set_user_data(conn, &second, Freed::free);
                                          EXPECT_EQ(&second, tcpkit_conn_user_data(conn));
                                          EXPECT_EQ(1, first.count);
                                        },
                                    .on_close =
                                        [&](tcpkit_conn* conn, const tcpkit_close_info&) {
                                          EXPECT_EQ(&second, tcpkit_conn_user_data(conn));
                                          freed_at_close = second.count.load();
                                        }});
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0, freed_at_close);
  EXPECT_EQ(1, first.count);
  EXPECT_EQ(1, second.count);
}

TEST(UserData, OfAConnectionIsFreedByCallsOnAnotherThreadAndAfterTheEnd) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  Freed wrong_thread;
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD,
            tcpkit_conn_set_user_data(conn.get(), &wrong_thread, Freed::free));
  EXPECT_EQ(1, wrong_thread.count);
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  static Freed too_late;
  too_late.count = 0;
  Event posted;
  ASSERT_EQ(TCPKIT_OK, tcpkit_conn_post(
                           conn.get(),
                           [](tcpkit_conn* ended, void* event) {
                             EXPECT_EQ(TCPKIT_E_CLOSED,
                                       tcpkit_conn_set_user_data(ended, &too_late, Freed::free));
                             static_cast<Event*>(event)->set();
                           },
                           &posted, nullptr));
  ASSERT_TRUE(posted.wait());
  EXPECT_EQ(1, too_late.count);
}

TEST(UserData, OfCloseHandlersIsFreedOnceEach) {
  Freed early;
  Freed late;
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const auto nothing = [](tcpkit_conn*, const tcpkit_close_info*, void*) {};
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_add_close_handler(conn.get(), nothing, &early, Freed::free));
  EXPECT_EQ(0, early.count);
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(1, early.count);
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_add_close_handler(conn.get(), nothing, &late, Freed::free));
  EXPECT_EQ(1, late.count);
}

TEST(UserData, OfPostedWorkIsFreedByCallsThatFail) {
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  tcpkit_loop* loop = tcpkit_server_loop(server.get(), 0);
  const auto task = [](tcpkit_loop*, void*) {};
  const auto conn_task = [](tcpkit_conn*, void*) {};
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  timer.on_timer = task;
  timer.user_data_free = Freed::free;
  Freed freed[4];
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_loop_post(loop, nullptr, &freed[0], Freed::free));
  server.stop();
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_loop_post(loop, task, &freed[1], Freed::free));
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_conn_post(conn.get(), conn_task, &freed[2], Freed::free));
  timer.user_data = &freed[3];
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_loop_start_timer(loop, &timer, nullptr));
  for (const Freed& one : freed) EXPECT_EQ(1, one.count);
}

TEST(UserData, OfABufferIsFreedByAFailingWrap) {
  Freed freed;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_buffer_wrap({"x", 1}, &freed, Freed::free, nullptr));
  EXPECT_EQ(1, freed.count);
  tcpkit_buffer* buffer = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT,
            tcpkit_buffer_wrap({nullptr, 1}, &freed, Freed::free, &buffer));
  EXPECT_EQ(2, freed.count);
}

}  // namespace
