// The event loop: wake-ups, watches, its end, and deadlines that are never early.
#include "loop/loop.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <atomic>
#include <future>
#include <vector>

#include "unit/loop/loop_support.h"

namespace tcpkit::test {
namespace {

// Calls a function with the events.
class FunctionWatch final : public Watch {
 public:
  void on_ready(uint32_t events) noexcept override { action(events); }
  std::function<void(uint32_t)> action;
};

class FunctionTimer final : public TimerNode {
 public:
  void on_timer() noexcept override { action(); }
  std::function<void()> action;
};

// Opens a loop and runs it on this thread; the test ends it.
class LoopTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(loop_.open(), TCPKIT_OK); }
  void run() { loop_.run(turn_end_); }

  Loop loop_;
  CountingTurnEnd turn_end_;
};

TEST_F(LoopTest, RunsWhatWasPostedBeforeItRan) {
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(post(loop_, [&order, i] { order.push_back(i); }));
  }
  ASSERT_TRUE(post(loop_, [this] { loop_.finish(); }));
  run();
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2}));
}

TEST_F(LoopTest, IsAtHomeOnlyWhereItRuns) {
  EXPECT_FALSE(loop_.is_home());
  post(loop_, [this] {
    EXPECT_TRUE(loop_.is_home());
    std::thread([this] { EXPECT_FALSE(loop_.is_home()); }).join();
    loop_.finish();
  });
  run();
  EXPECT_FALSE(loop_.is_home());
}

TEST(LoopOnAThread, IsWokenByEachPost) {
  LoopThread thread;
  for (int i = 0; i < 2000; ++i) {
    std::promise<void> ran;
    ASSERT_TRUE(post(thread.loop, [&] { ran.set_value(); }));
    ran.get_future().wait();
  }
}

TEST(LoopOnAThread, RunsEveryPostOfManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kPosts = 5000;
  int ran = 0;
  {
    LoopThread thread;
    std::vector<std::thread> posters;
    for (int i = 0; i < kThreads; ++i) {
      posters.emplace_back([&] {
        for (int k = 0; k < kPosts; ++k) EXPECT_TRUE(post(thread.loop, [&] { ++ran; }));
      });
    }
    for (std::thread& poster : posters) poster.join();
  }
  EXPECT_EQ(ran, kThreads * kPosts);
}

TEST_F(LoopTest, DoesNotSleepOverAPostOfItsOwn) {
  int left = 100;
  std::function<void()> again = [&] {
    if (--left > 0) {
      post(loop_, again);
    } else {
      loop_.finish();
    }
  };
  post(loop_, again);
  run();
  EXPECT_EQ(left, 0);
}

TEST_F(LoopTest, RunsAPostOfItsEndOfTurn) {
  turn_end_.action = [&] {
    if (turn_end_.turns == 1) post(loop_, [this] { loop_.finish(); });
    return false;
  };
  run();
  EXPECT_GE(turn_end_.turns, 2);
}

TEST_F(LoopTest, GoesRoundWhileItsEndOfTurnHasMore) {
  turn_end_.action = [&] {
    if (turn_end_.turns == 10) loop_.finish();
    return true;
  };
  run();
  EXPECT_EQ(turn_end_.turns, 11) << "the last one is after the tasks of the end";
}

TEST_F(LoopTest, RunsTheRestOfATurnAfterFinish) {
  bool ran = false;
  post(loop_, [this] { loop_.finish(); });
  post(loop_, [&] { ran = true; });
  run();
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, RunsAtItsEndWhatIsPostedAfterFinish) {
  bool ran = false;
  post(loop_, [&] {
    loop_.finish();
    EXPECT_TRUE(post(loop_, [&] { ran = true; }));
  });
  run();
  EXPECT_TRUE(ran);
}

TEST_F(LoopTest, RefusesPostsBeforeOpenAndAfterRun) {
  Loop fresh;
  EXPECT_FALSE(post(fresh, [] { FAIL(); }));
  post(loop_, [this] { loop_.finish(); });
  run();
  EXPECT_FALSE(post(loop_, [] { FAIL(); }));
}

TEST_F(LoopTest, RefusesATaskOfItsLastTasks) {
  bool refused = false;
  post(loop_, [&] {
    loop_.finish();
    post(loop_, [&] { refused = !post(loop_, [] {}); });
  });
  run();
  EXPECT_TRUE(refused);
}

TEST_F(LoopTest, RunsAgainAfterAnotherOpen) {
  for (int round = 0; round < 3; ++round) {
    bool ran = false;
    post(loop_, [&] {
      ran = true;
      loop_.finish();
    });
    run();
    EXPECT_TRUE(ran) << round;
    ASSERT_EQ(loop_.open(), TCPKIT_OK);
  }
}

TEST_F(LoopTest, RunsAtCloseWhatWasPostedAndRefusesTheRest) {
  bool ran = false;
  post(loop_, [&] { ran = true; });
  loop_.close();
  EXPECT_TRUE(ran);
  EXPECT_FALSE(post(loop_, [] { FAIL(); }));
}

TEST_F(LoopTest, CallsAWatchWhenItsDescriptorIsReadable) {
  const OwnedFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  FunctionWatch watch;
  uint32_t seen = 0;
  watch.action = [&](uint32_t events) {
    seen = events;
    loop_.finish();
  };
  ASSERT_EQ(loop_.watch(watch, event.get(), EPOLLIN), 0);
  std::thread writer([&] { EXPECT_EQ(eventfd_write(event.get(), 1), 0); });
  run();
  writer.join();
  EXPECT_EQ(seen, uint32_t{EPOLLIN});
  loop_.unwatch(event.get());
}

TEST_F(LoopTest, SaysThatTheOtherEndOfAPipeHasGone) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const OwnedFd reader(ends[0]);
  OwnedFd writer(ends[1]);
  FunctionWatch watch;
  uint32_t seen = 0;
  watch.action = [&](uint32_t events) {
    seen = events;
    loop_.finish();
  };
  ASSERT_EQ(loop_.watch(watch, reader.get(), EPOLLIN), 0);
  writer.reset();
  run();
  EXPECT_NE(seen & EPOLLHUP, 0u);
}

TEST_F(LoopTest, CallsAWatchNoMoreOnceItIsUnwatched) {
  const OwnedFd event(eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK));
  FunctionWatch watch;
  int calls = 0;
  watch.action = [&](uint32_t) {
    ++calls;
    loop_.unwatch(event.get());
  };
  ASSERT_EQ(loop_.watch(watch, event.get(), EPOLLIN), 0);
  turn_end_.action = [&] {
    if (turn_end_.turns == 5) loop_.finish();
    return true;
  };
  run();
  EXPECT_EQ(calls, 1);
}

TEST_F(LoopTest, TakesOtherEventsForAWatch) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const OwnedFd reader(ends[0]);
  const OwnedFd writer(ends[1]);
  FunctionWatch watch;
  std::vector<uint32_t> seen;
  watch.action = [&](uint32_t events) {
    seen.push_back(events);
    EXPECT_EQ(loop_.rewatch(watch, writer.get(), 0), 0);
  };
  ASSERT_EQ(loop_.watch(watch, writer.get(), 0), 0);
  turn_end_.action = [&] {
    if (turn_end_.turns == 3) {
      EXPECT_TRUE(seen.empty());
      EXPECT_EQ(loop_.rewatch(watch, writer.get(), EPOLLOUT), 0);
    }
    if (turn_end_.turns == 6) loop_.finish();
    return true;
  };
  run();
  EXPECT_EQ(seen, std::vector<uint32_t>{EPOLLOUT});
}

TEST_F(LoopTest, AnswersTheErrnoOfABadWatch) {
  FunctionWatch watch;
  const OwnedFd event(eventfd(0, EFD_CLOEXEC));
  EXPECT_EQ(loop_.watch(watch, -1, EPOLLIN), EBADF);
  EXPECT_EQ(loop_.rewatch(watch, event.get(), EPOLLIN), ENOENT);
  EXPECT_EQ(loop_.watch(watch, event.get(), EPOLLIN), 0);
  EXPECT_EQ(loop_.watch(watch, event.get(), EPOLLIN), EEXIST);
}

TEST_F(LoopTest, GivesDeadlinesThatAreNeverEarly) {
  for (const uint64_t delay_ms : {0u, 1u, 50u, 1'000'000u}) {
    for (int i = 0; i < 1000; ++i) {
      const uint64_t before_ns = monotonic_ns();
      const uint64_t deadline_ns = loop_.deadline_in(delay_ms) * 1'000'000;
      const uint64_t after_ns = monotonic_ns();
      EXPECT_GE(deadline_ns, before_ns + delay_ms * 1'000'000);
      EXPECT_LE(deadline_ns, after_ns + delay_ms * 1'000'000 + 999'999);
    }
  }
  EXPECT_EQ(loop_.deadline_in(UINT64_MAX), UINT64_MAX);
  EXPECT_EQ(loop_.deadline_in(UINT64_MAX - 1), UINT64_MAX);
}

TEST_F(LoopTest, FiresATimerNotBeforeItsTime) {
  for (const uint64_t delay_ms : {0u, 1u, 2u, 5u, 20u}) {
    FunctionTimer timer;
    const uint64_t due_ns = monotonic_ns() + delay_ms * 1'000'000;
    uint64_t fired_ns = 0;
    timer.action = [&] {
      fired_ns = monotonic_ns();
      EXPECT_GE(loop_.turn_ms(), timer.deadline_ms());
      loop_.finish();
    };
    loop_.timers().arm(timer, loop_.deadline_in(delay_ms));
    run();
    EXPECT_GE(fired_ns, due_ns);
    ASSERT_EQ(loop_.open(), TCPKIT_OK);
  }
}

TEST_F(LoopTest, SleepsUntilItsNextTimer) {
  FunctionTimer timer;
  timer.action = [&] { loop_.finish(); };
  loop_.timers().arm(timer, loop_.deadline_in(100));
  run();
  EXPECT_LE(turn_end_.turns, 10);
}

}  // namespace
}  // namespace tcpkit::test
