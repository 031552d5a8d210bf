// Posted tasks and timers of a loop.
#include <atomic>
#include <thread>

#include "server_fixture.h"

using namespace testkit;

namespace {

using Clock = std::chrono::steady_clock;

// What a timer did, and when.
struct TimerRecord {
  Event fired;
  std::atomic<int> freed{0};
  std::atomic<int64_t> fired_after_ns{0};
  Clock::time_point started = Clock::now();
};

tcpkit_timer_options timer_of(TimerRecord& record) {
  tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
  options.user_data = &record;
  options.user_data_free = [](void* user_data) { ++static_cast<TimerRecord*>(user_data)->freed; };
  options.on_timer = [](tcpkit_loop*, void* user_data) {
    auto& timer = *static_cast<TimerRecord*>(user_data);
    timer.fired_after_ns =
        std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - timer.started).count();
    EXPECT_EQ(0, timer.freed);
    timer.fired.set();
  };
  return options;
}

tcpkit_loop* first_loop(const TestServer& server) {
  return tcpkit_server_loop(server.get(), 0);
}

TEST(Post, RunsEveryTaskOfEightThreadsOnceAndEachThreadsInOrder) {
  constexpr int kThreads = 8;
  constexpr int kTasks = 2000;
  struct Order {
    int next[kThreads] = {};
    std::atomic<int> total{0};
    std::atomic<int> wrong{0};
  } order;
  struct Step {
    Order* order;
    int thread;
    int number;
  };
  TestServer server;
  const auto task = [](tcpkit_loop*, void* user_data) {
    const auto* step = static_cast<Step*>(user_data);
    if (step->order->next[step->thread]++ != step->number) ++step->order->wrong;
    ++step->order->total;
  };
  const auto free_step = [](void* user_data) { delete static_cast<Step*>(user_data); };
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kTasks; ++i) {
        tcpkit_loop_post(first_loop(server), task, new Step{&order, thread, i}, free_step);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(kThreads * kTasks, order.total);
  EXPECT_EQ(0, order.wrong);
}

TEST(Post, ATaskGetsItsLoopAndRunsOnItsThread) {
  TestServer server(with_loops(2));
  struct Seen {
    tcpkit_loop* loop = nullptr;
    int32_t current = 0;
    tcpkit_status post_status = TCPKIT_E_INTERNAL;
    Event posted_again;
  } seen;
  const auto again = [](tcpkit_loop*, void* user_data) {
    static_cast<Seen*>(user_data)->posted_again.set();
  };
  static tcpkit_task_fn post_again;
  post_again = again;
  tcpkit_loop* loop = tcpkit_server_loop(server.get(), 1);
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_post(
                           loop,
                           [](tcpkit_loop* own, void* user_data) {
                             auto& noted = *static_cast<Seen*>(user_data);
                             noted.loop = own;
                             noted.current = tcpkit_loop_is_current(own);
                             noted.post_status =
                                 tcpkit_loop_post(own, post_again, user_data, nullptr);
                           },
                           &seen, nullptr));
  ASSERT_TRUE(server.settle(1));
  EXPECT_EQ(loop, seen.loop);
  EXPECT_EQ(1, seen.current);
  EXPECT_EQ(TCPKIT_OK, seen.post_status);
  EXPECT_TRUE(seen.posted_again.wait());
  EXPECT_EQ(0, tcpkit_loop_is_current(loop));
}

TEST(Post, IsRefusedByALoopThatDoesNotRun) {
  tcpkit_server_options options = with_loops(1);
  tcpkit_server* created = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, nullptr, &created));
  const ServerOwner server(created);
  const auto task = [](tcpkit_loop*, void*) {};
  tcpkit_loop* loop = tcpkit_server_loop(created, 0);
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, tcpkit_loop_post(loop, task, nullptr, nullptr));
  EXPECT_EQ(nullptr, tcpkit_server_loop(created, 1));
}

TEST(Post, TasksPostedBeforeAStopRunBeforeItReturns) {
  TestServer server;
  Event done;
  const auto task = [](tcpkit_loop*, void* event) { static_cast<Event*>(event)->set(); };
  for (int i = 0; i < 100; ++i) {
    ASSERT_EQ(TCPKIT_OK, tcpkit_loop_post(first_loop(server), task, &done, nullptr));
  }
  server.stop();
  EXPECT_EQ(100, done.count());
}

TEST(Post, ToAConnectionRunsOnItsLoopAlsoAfterItsEnd) {
  TestServer server(with_loops(2));
  RawClient client;
  const KeptConn conn = server.accepted(client);
  Event done;
  const auto task = [](tcpkit_conn* own, void* event) {
    EXPECT_EQ(1, tcpkit_loop_is_current(tcpkit_conn_loop(own)));
    static_cast<Event*>(event)->set();
  };
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_post(conn.get(), task, &done, nullptr));
  EXPECT_TRUE(done.wait());
  client.close();
  ASSERT_TRUE(server.wait_closes(1));
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_post(conn.get(), task, &done, nullptr));
  EXPECT_TRUE(done.wait(2));
  server.stop();
  EXPECT_EQ(2, done.count());
}

TEST(Timer, AOneShotFiresOnceNeverEarlyAndIsFreedAfterwards) {
  TestServer server;
  for (const uint64_t delay_ms : {uint64_t{0}, uint64_t{1}, uint64_t{7}, uint64_t{30}}) {
    TimerRecord record;
    tcpkit_timer_options options = timer_of(record);
    options.delay_ms = delay_ms;
    ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(first_loop(server), &options, nullptr));
    ASSERT_TRUE(record.fired.wait());
    ASSERT_TRUE(server.settle());
    EXPECT_EQ(1, record.fired.count());
    EXPECT_EQ(1, record.freed);
    EXPECT_GE(record.fired_after_ns, static_cast<int64_t>(delay_ms) * 1'000'000);
  }
}

TEST(Timer, ARepeatingOneFiresUntilItIsStopped) {
  TestServer server;
  TimerRecord record;
  tcpkit_timer_options options = timer_of(record);
  options.delay_ms = 2;
  options.repeat_ms = 2;
  uint64_t id = 0;
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(first_loop(server), &options, &id));
  EXPECT_TRUE(record.fired.wait(5));
  EXPECT_EQ(TCPKIT_OK, tcpkit_loop_stop_timer(first_loop(server), id));
  ASSERT_TRUE(server.settle());
  const int fired = record.fired.count();
  EXPECT_EQ(1, record.freed);
  TimerRecord later;
  tcpkit_timer_options wait_options = timer_of(later);
  wait_options.delay_ms = 20;
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(first_loop(server), &wait_options, nullptr));
  ASSERT_TRUE(later.fired.wait());
  EXPECT_EQ(fired, record.fired.count());
  EXPECT_GE(record.fired_after_ns, 5 * 2'000'000);
}

// Started on the loop, so that the id is known before the timer comes due.
struct SelfStopping {
  tcpkit_loop* loop;
  uint64_t id = 0;
  tcpkit_status first_stop = TCPKIT_E_INTERNAL;
  tcpkit_status second_stop = TCPKIT_OK;
  std::atomic<int> fired{0};
  Event freed{};

  static void start(tcpkit_loop*, void* user_data) {
    auto& self = *static_cast<SelfStopping*>(user_data);
    tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
    options.repeat_ms = 1;
    options.on_timer = fire;
    options.user_data = user_data;
    options.user_data_free = [](void* data) { static_cast<SelfStopping*>(data)->freed.set(); };
    EXPECT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(self.loop, &options, &self.id));
  }
  static void fire(tcpkit_loop*, void* user_data) {
    auto& self = *static_cast<SelfStopping*>(user_data);
    if (++self.fired < 3) return;
    self.first_stop = tcpkit_loop_stop_timer(self.loop, self.id);
    self.second_stop = tcpkit_loop_stop_timer(self.loop, self.id);
    EXPECT_EQ(0, self.freed.count());
  }
};

TEST(Timer, MayStopItselfInsideItsCallback) {
  TestServer server;
  SelfStopping timer{.loop = first_loop(server)};
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_post(timer.loop, SelfStopping::start, &timer, nullptr));
  ASSERT_TRUE(timer.freed.wait());
  server.stop();
  EXPECT_EQ(TCPKIT_OK, timer.first_stop);
  EXPECT_EQ(TCPKIT_E_NOT_FOUND, timer.second_stop);
  EXPECT_EQ(3, timer.fired);
  EXPECT_EQ(1, timer.freed.count());
}

TEST(Timer, ThatNeverFiredIsFreedByTheStopOfTheServer) {
  TestServer server;
  TimerRecord record;
  tcpkit_timer_options options = timer_of(record);
  options.delay_ms = 3'600'000;
  ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(first_loop(server), &options, nullptr));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0, record.freed);
  server.stop();
  EXPECT_EQ(1, record.freed);
  EXPECT_EQ(0, record.fired.count());
}

TEST(Timer, IdsAreNeverUsedAgain) {
  TestServer server;
  TimerRecord record;
  tcpkit_timer_options options = timer_of(record);
  options.user_data_free = nullptr;
  std::vector<uint64_t> ids(1000);
  for (uint64_t& id : ids) {
    ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(first_loop(server), &options, &id));
  }
  EXPECT_TRUE(record.fired.wait(1000));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids.end(), std::adjacent_find(ids.begin(), ids.end()));
}

TEST(Timer, ManyOfThemFireInTheOrderOfTheirTimes) {
  TestServer server;
  struct Shared {
    Monitor monitor;
    std::vector<uint64_t> order;
  } shared;
  struct One {
    Shared* shared;
    uint64_t delay_ms;
  };
  std::vector<One> timers;
  for (uint64_t i = 0; i < 40; ++i) timers.push_back({&shared, (i * 17) % 41 + 1});
  for (One& one : timers) {
    tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
    options.delay_ms = one.delay_ms * 5;
    options.user_data = &one;
    options.on_timer = [](tcpkit_loop*, void* user_data) {
      const auto* fired = static_cast<One*>(user_data);
      fired->shared->monitor.change([&] { fired->shared->order.push_back(fired->delay_ms); });
    };
    ASSERT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(first_loop(server), &options, nullptr));
  }
  ASSERT_TRUE(shared.monitor.wait([&] { return shared.order.size() == timers.size(); }));
  server.stop();
  EXPECT_TRUE(std::is_sorted(shared.order.begin(), shared.order.end()));
}

}  // namespace
