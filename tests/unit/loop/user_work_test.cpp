// Users' tasks and timers: each runs on its loop, and its user_data is freed exactly once.
#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "loop/user_timers.h"
#include "unit/loop/loop_support.h"

namespace tcpkit::test {
namespace {

// What a test gives as user_data: a function to call, and where the free is counted.
struct Call {
  std::function<void()> function;
  int* freed;
};

void run_call(tcpkit_loop*, void* user_data) {
  static_cast<Call*>(user_data)->function();
}
void free_call(void* user_data) {
  auto* call = static_cast<Call*>(user_data);
  ++*call->freed;
  delete call;
}

// A loop on this thread; begin() is its first task.
class UserWorkTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(loop_.open(), TCPKIT_OK); }

  UserData user_data(std::function<void()> function) {
    return {new Call{std::move(function), &freed_}, free_call};
  }
  uint64_t start(uint64_t delay_ms, uint64_t repeat_ms, std::function<void()> function) {
    tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
    options.delay_ms = delay_ms;
    options.repeat_ms = repeat_ms;
    options.on_timer = run_call;
    uint64_t timer_id = 0;
    EXPECT_EQ(work_.start_timer(options, user_data(std::move(function)), &timer_id), TCPKIT_OK);
    return timer_id;
  }
  void run(std::function<void()> begin) {
    ASSERT_TRUE(post(loop_, std::move(begin)));
    loop_.run(turn_end_);
  }

  int freed_ = 0;
  Loop loop_;
  CountingTurnEnd turn_end_;
  Log log_;
  UserWork work_{loop_, reinterpret_cast<tcpkit_loop*>(&loop_), log_};
};

TEST_F(UserWorkTest, RunsATaskWithTheHandleOfItsLoop) {
  tcpkit_loop* seen = nullptr;
  run([&] {
    const auto keep = [](tcpkit_loop* loop, void* data) {
      *static_cast<tcpkit_loop**>(data) = loop;
    };
    EXPECT_EQ(work_.post(keep, UserData(&seen, nullptr)), TCPKIT_OK);
    EXPECT_EQ(seen, nullptr) << "not inside the call";
    EXPECT_EQ(work_.post(run_call, user_data([&] { loop_.finish(); })), TCPKIT_OK);
  });
  EXPECT_EQ(seen, reinterpret_cast<tcpkit_loop*>(&loop_));
  EXPECT_EQ(freed_, 1);
}

TEST_F(UserWorkTest, RefusesWorkForALoopThatDoesNotRun) {
  loop_.close();
  tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
  options.on_timer = run_call;
  uint64_t timer_id = 77;
  EXPECT_EQ(work_.post(run_call, user_data([] { FAIL(); })), TCPKIT_E_NOT_RUNNING);
  EXPECT_EQ(freed_, 1);
  EXPECT_EQ(work_.start_timer(options, user_data([] { FAIL(); }), &timer_id), TCPKIT_E_NOT_RUNNING);
  EXPECT_EQ(freed_, 2);
  EXPECT_EQ(timer_id, 77u) << "a failed call changes nothing";
  EXPECT_EQ(work_.stop_timer(1), TCPKIT_E_NOT_RUNNING);
}

TEST_F(UserWorkTest, CallsAOneShotTimerOnceAndFreesItsData) {
  int calls = 0;
  int freed_in_call = -1;
  run([&] {
    start(1, 0, [&] {
      ++calls;
      freed_in_call = freed_;
    });
    start(10, 0, [&] { loop_.finish(); });
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(freed_in_call, 0);
  EXPECT_EQ(freed_, 2);
}

TEST_F(UserWorkTest, NeverCallsATimerEarly) {
  uint64_t fired_ns = 0;
  const uint64_t begin_ns = monotonic_ns();
  run([&] {
    start(15, 0, [&] {
      fired_ns = monotonic_ns();
      loop_.finish();
    });
  });
  EXPECT_GE(fired_ns, begin_ns + 15'000'000);
}

TEST_F(UserWorkTest, GivesIdsThatAreNeverZeroAndNeverUsedAgain) {
  run([&] {
    const uint64_t first = start(1'000'000, 0, [] {});
    EXPECT_NE(first, 0u);
    EXPECT_EQ(work_.stop_timer(first), TCPKIT_OK);
    const uint64_t second = start(1'000'000, 0, [] {});
    EXPECT_NE(first, second);
    EXPECT_EQ(work_.stop_timer(first), TCPKIT_E_NOT_FOUND);
    EXPECT_EQ(work_.stop_timer(second), TCPKIT_OK);
    loop_.finish();
  });
  EXPECT_EQ(freed_, 2);
}

TEST_F(UserWorkTest, CallsARepeatingTimerUntilItIsStopped) {
  int calls = 0;
  int freed_before_stop = -1;
  uint64_t timer_id = 0;
  run([&] {
    timer_id = start(0, 1, [&] {
      if (++calls < 5) return;
      EXPECT_EQ(work_.stop_timer(timer_id), TCPKIT_OK);
      freed_before_stop = freed_;
      EXPECT_EQ(work_.stop_timer(timer_id), TCPKIT_E_NOT_FOUND) << "it is stopped already";
      start(5, 0, [&] { loop_.finish(); });
    });
  });
  EXPECT_EQ(calls, 5);
  EXPECT_EQ(freed_before_stop, 0) << "the data must outlive the callback";
  EXPECT_EQ(freed_, 2);
}

TEST_F(UserWorkTest, LeavesTheTimesOfARepeatingTimerAtLeastItsPeriodFromTheStart) {
  std::vector<uint64_t> times_ns;
  const uint64_t begin_ns = monotonic_ns();
  run([&] {
    start(2, 3, [&] {
      times_ns.push_back(monotonic_ns());
      if (times_ns.size() == 5) loop_.finish();
    });
  });
  work_.clear();
  for (size_t i = 0; i < times_ns.size(); ++i) {
    EXPECT_GE(times_ns[i], begin_ns + (2 + 3 * i) * 1'000'000) << i;
  }
}

TEST_F(UserWorkTest, FindsNothingToStopInsideAOneShotCallback) {
  uint64_t timer_id = 0;
  run([&] {
    timer_id = start(0, 0, [&] {
      EXPECT_EQ(work_.stop_timer(timer_id), TCPKIT_E_NOT_FOUND);
      loop_.finish();
    });
  });
  EXPECT_EQ(freed_, 1);
}

TEST_F(UserWorkTest, StopsAnotherTimerThatIsDueAtTheSameMoment) {
  int calls = 0;
  uint64_t ids[2] = {};
  run([&] {
    for (int i = 0; i < 2; ++i) {
      ids[i] = start(1, 1, [&, i] {
        ++calls;
        EXPECT_EQ(work_.stop_timer(ids[1 - i]), TCPKIT_OK);
        EXPECT_EQ(work_.stop_timer(ids[i]), TCPKIT_OK);
      });
    }
    start(20, 0, [&] { loop_.finish(); });
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(freed_, 3);
}

TEST_F(UserWorkTest, HasNoTimerOfIdZero) {
  run([&] {
    EXPECT_EQ(work_.stop_timer(0), TCPKIT_E_NOT_FOUND);
    start(0, 1, [&] {
      EXPECT_EQ(work_.stop_timer(0), TCPKIT_E_NOT_FOUND);
      loop_.finish();
    });
  });
  work_.clear();
  EXPECT_EQ(freed_, 1);
}

TEST_F(UserWorkTest, NamesTheIdOfATimerThatIsGone) {
  run([&] {
    EXPECT_EQ(work_.stop_timer(4711), TCPKIT_E_NOT_FOUND);
    EXPECT_NE(std::string(last_error().message).find("4711"), std::string::npos);
    loop_.finish();
  });
}

TEST_F(UserWorkTest, FreesTheDataOfAllTimersWhenItIsCleared) {
  run([&] {
    start(1'000'000, 0, [] { FAIL(); });
    start(1'000'000, 5, [] { FAIL(); });
    start(UINT64_MAX, UINT64_MAX, [] { FAIL(); });
    loop_.finish();
  });
  EXPECT_EQ(freed_, 0);
  work_.clear();
  EXPECT_EQ(freed_, 3);
  work_.clear();
  EXPECT_EQ(freed_, 3);
}

TEST_F(UserWorkTest, FreesTheDataOfTimersThatArriveAtTheEnd) {
  run([&] {
    loop_.finish();
    std::thread([&] { start(0, 0, [] { FAIL(); }); }).join();
  });
  work_.clear();
  EXPECT_EQ(freed_, 1);
}

TEST_F(UserWorkTest, TakesAHugePeriod) {
  for (const uint64_t repeat_ms : {UINT64_MAX, UINT64_MAX - 1, uint64_t{1} << 62}) {
    int calls = 0;
    run([&] {
      start(0, repeat_ms, [&] { ++calls; });
      start(10, 0, [&] { loop_.finish(); });
    });
    EXPECT_EQ(calls, 1);
    work_.clear();
    ASSERT_EQ(loop_.open(), TCPKIT_OK);
  }
  EXPECT_EQ(freed_, 6);
}

TEST_F(UserWorkTest, LetsATimerOfNoDelayStartAnotherWithoutStarvingTheLoop) {
  int calls = 0;
  std::function<void()> again = [&] {
    if (++calls < 100) {
      start(0, 0, again);
    } else {
      loop_.finish();
    }
  };
  run([&] { start(0, 0, again); });
  EXPECT_EQ(calls, 100);
  EXPECT_EQ(freed_, 100);
  EXPECT_GE(turn_end_.turns, 50) << "turns must end in between";
}

TEST_F(UserWorkTest, DropsAndLogsWhatATaskThrows) {
  std::vector<std::string> lines;
  const Log log(
      TCPKIT_LOG_ERROR,
      [](tcpkit_log_level, const char* message, void* data) {
        static_cast<std::vector<std::string>*>(data)->emplace_back(message);
      },
      &lines);
  UserWork work(loop_, nullptr, log);
  run([&] {
    EXPECT_EQ(work.post(run_call, user_data([] { throw std::runtime_error("no"); })), TCPKIT_OK);
    EXPECT_EQ(work.post(run_call, user_data([&] { loop_.finish(); })), TCPKIT_OK);
  });
  EXPECT_EQ(lines.size(), 1u);
  EXPECT_EQ(freed_, 2);
}

TEST(UserWorkFromOtherThreads, StartsAndStopsTimersOnTheLoop) {
  LoopThread thread;
  const Log log;
  UserWork work(thread.loop, nullptr, log);
  int freed = 0;
  std::promise<void> called;
  int calls = 0;
  tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
  options.repeat_ms = 1;
  options.on_timer = run_call;
  auto* call = new Call{[&] {
                          EXPECT_TRUE(thread.loop.is_home());
                          if (++calls == 3) called.set_value();
                        },
                        &freed};
  uint64_t timer_id = 0;
  ASSERT_EQ(work.start_timer(options, UserData(call, free_call), &timer_id), TCPKIT_OK);
  called.get_future().wait();
  EXPECT_EQ(work.stop_timer(timer_id), TCPKIT_OK);
  EXPECT_EQ(work.stop_timer(timer_id), TCPKIT_OK) << "only its loop knows that it is gone";
  thread.end();
  EXPECT_EQ(freed, 1);
  EXPECT_GE(calls, 3);
}

// The memory of a timer serves the next one, its id does not.
TEST_F(UserWorkTest, TheIdOfATimerThatWasStoppedDoesNotStopTheNextOne) {
  bool fired = false;
  run([&] {
    const uint64_t stopped_id = start(1, 0, [] { ADD_FAILURE() << "it was stopped"; });
    EXPECT_EQ(work_.stop_timer(stopped_id), TCPKIT_OK);
    EXPECT_EQ(freed_, 1);
    start(1, 0, [&] {
      fired = true;
      loop_.finish();
    });
    EXPECT_EQ(work_.stop_timer(stopped_id), TCPKIT_E_NOT_FOUND);
  });
  EXPECT_TRUE(fired);
  EXPECT_EQ(freed_, 2);
}

}  // namespace
}  // namespace tcpkit::test
