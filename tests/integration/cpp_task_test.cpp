// Task and Result by themselves, without any connection.
#include <gtest/gtest.h>

#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

#include "integration/cpp_coroutine_support.h"

namespace {

using cpp_support::Probe;
using tcpkit::Task;

// Begins a task that no connection runs, and tells how it ended. One at a time.
class Runner {
 public:
  explicit Runner(Task<> task) {
    has_ended_ = false;
    const Task<>::Handle handle = task.release();
    handle.promise().belong_to(nullptr, ended);
    handle.resume();
  }
  static bool has_ended() { return has_ended_; }
  static std::exception_ptr thrown() { return thrown_; }

 private:
  static void ended(tcpkit::detail::CoState*, const std::exception_ptr& thrown) noexcept {
    has_ended_ = true;
    thrown_ = thrown;
  }

  static inline bool has_ended_ = false;
  static inline std::exception_ptr thrown_;
};

// Suspends until the test says so.
struct Gate {
  std::coroutine_handle<> waiting;
};
struct GateRef {
  Gate& gate;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) const noexcept { gate.waiting = coroutine; }
  void await_resume() const noexcept {}
};

Task<int> answer(int value) {
  co_return value;
}

Task<std::string> join(std::string first, std::string second) {
  co_return std::move(first) + second;
}

Task<std::unique_ptr<int>> owner(int value) {
  co_return std::make_unique<int>(value);
}

Task<int> fails() {
  throw std::runtime_error("failed on purpose");
  co_return 0;
}

TEST(CppTask, DoesNothingBeforeItIsAwaited) {
  bool began = false;
  const auto body = [&began]() -> Task<> {
    began = true;
    co_return;
  };
  { const Task<> never_awaited = body(); }
  EXPECT_FALSE(began);
}

TEST(CppTask, GivesWhatItReturnsAlsoIfThatCanOnlyBeMoved) {
  int seen = 0;
  const auto body = [&]() -> Task<> {
    seen = co_await answer(40);
    seen += *co_await owner(2);
  };
  EXPECT_TRUE(Runner(body()).has_ended());
  EXPECT_EQ(42, seen);
}

TEST(CppTask, KeepsItsParametersAndTheTemporariesOfAnAwaitOnce) {
  std::string seen;
  int alive = 0;
  const auto child = [](Probe, std::string text) -> Task<std::string> { co_return text + "!"; };
  const auto body = [&]() -> Task<> {
    seen = co_await join(std::string(100, 'a'), std::string(100, 'b'));
    seen += co_await child(Probe(alive), std::string(50, 'c'));
    if (co_await answer(1) == 1) seen += (co_await answer(0)) != 0 ? "yes" : "no";
  };
  EXPECT_TRUE(Runner(body()).has_ended());
  EXPECT_EQ(std::string(100, 'a') + std::string(100, 'b') + std::string(50, 'c') + "!no", seen);
  EXPECT_EQ(0, alive);
}

TEST(CppTask, ThrowsToWhoeverAwaitsIt) {
  std::string seen;
  const auto body = [&]() -> Task<> {
    try {
      (void)co_await fails();
    } catch (const std::runtime_error& error) {
      seen = error.what();
    }
  };
  EXPECT_TRUE(Runner(body()).has_ended());
  EXPECT_EQ("failed on purpose", seen);
}

TEST(CppTask, PassesAnExceptionOnThroughSeveralTasks) {
  const auto middle = []() -> Task<int> { co_return co_await fails() + 1; };
  const auto body = [&]() -> Task<> { (void)co_await middle(); };
  EXPECT_TRUE(Runner(body()).has_ended());
  EXPECT_THROW(std::rethrow_exception(Runner::thrown()), std::runtime_error);
}

TEST(CppTask, GoesOnWhereItWaitedWhenItsInnermostTaskIsResumed) {
  Gate gate;
  bool done = false;
  const auto inner = [&]() -> Task<int> {
    co_await GateRef{gate};
    co_return 7;
  };
  const auto outer = [&]() -> Task<int> { co_return co_await inner() + 1; };
  const auto body = [&]() -> Task<> { done = co_await outer() == 8; };
  const Runner runner(body());
  EXPECT_FALSE(runner.has_ended());
  gate.waiting.resume();
  EXPECT_TRUE(runner.has_ended());
  EXPECT_TRUE(done);
}

TEST(CppTask, IsGivenUpWithAllThatItHoldsWhenItIsDestroyedInTheMiddle) {
  Gate gate;
  int alive = 0;
  const auto inner = [&](Probe) -> Task<> { co_await GateRef{gate}; };
  {
    Task<> task = inner(Probe(alive));
    const auto handle = std::move(task).operator co_await();
    handle.await_suspend(std::noop_coroutine()).resume();
    EXPECT_EQ(1, alive);
  }
  EXPECT_EQ(0, alive);
}

TEST(CppTask, MovesItsFrameAlong) {
  int seen = 0;
  const auto body = [&]() -> Task<> {
    Task<int> first = answer(5);
    Task<int> second = std::move(first);
    seen = co_await std::move(second);
  };
  EXPECT_TRUE(Runner(body()).has_ended());
  EXPECT_EQ(5, seen);
}

TEST(CppResult, IsTrueWithAValueAndThrowsItsStatusWithout) {
  tcpkit::Result<std::string> some(std::string("value"));
  const tcpkit::Result<std::string> none{tcpkit::Status(TCPKIT_E_END)};
  EXPECT_TRUE(some);
  EXPECT_EQ("value", *some);
  EXPECT_EQ(5u, some->size());
  EXPECT_FALSE(none);
  EXPECT_EQ(TCPKIT_E_END, none.status().code());
  EXPECT_EQ("value", std::move(some).or_throw());
  try {
    (void)tcpkit::Result<std::string>(none).or_throw();
    FAIL() << "it did not throw";
  } catch (const tcpkit::Error& error) {
    EXPECT_EQ(TCPKIT_E_END, error.status().code());
  }
}

}  // namespace
