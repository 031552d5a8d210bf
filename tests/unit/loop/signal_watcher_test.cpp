// SIGINT and SIGTERM through libuv, each test in a child process, since signal actions are shared
// by all threads.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "loop/uv_nest.h"
#include "unit/loop/loop_support.h"

namespace tcpkit::test {
namespace {

constexpr int kCouldNotFork = -1;

// What check answers in a child, 0 for "all right"; a child that hangs is ended by its alarm.
template <typename Check>
int answer_of_child(Check check) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(10);
    _exit(check());
  }
  int status = 0;
  if (child < 0 || waitpid(child, &status, 0) != child) return kCouldNotFork;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void handler_of_host(int) {}

void set_action(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigaction(signal_number, &action, nullptr);
}

bool has_action(int signal_number, void (*handler)(int)) {
  struct sigaction action {};
  sigaction(signal_number, nullptr, &action);
  return action.sa_handler == handler;
}

struct Seen {
  Loop* loop;
  int signal_number = 0;
};

void end_loop(int signal_number, void* owner) {
  auto* seen = static_cast<Seen*>(owner);
  seen->signal_number = signal_number;
  seen->loop->finish();
}

int raise_inside_a_loop(int signal_number) {
  Loop loop;
  CountingTurnEnd turn_end;
  if (loop.open() != TCPKIT_OK) return 1;
  Seen seen{&loop};
  SignalWatcher watcher(loop);
  if (watcher.open(end_loop, &seen) != TCPKIT_OK) return 2;
  post(loop, [&] { raise(signal_number); });
  loop.run(turn_end);
  watcher.close();
  return seen.signal_number == signal_number ? 0 : 3;
}

TEST(SignalWatcher, CallsBackOnTheLoopForEachOfItsSignals) {
  EXPECT_EQ(answer_of_child([] { return raise_inside_a_loop(SIGINT); }), 0);
  EXPECT_EQ(answer_of_child([] { return raise_inside_a_loop(SIGTERM); }), 0);
}

TEST(SignalWatcher, GivesTheHostItsActionsBack) {
  EXPECT_EQ(answer_of_child([] {
              set_action(SIGINT, handler_of_host);
              set_action(SIGTERM, SIG_IGN);
              if (raise_inside_a_loop(SIGINT) != 0) return 10;
              if (!has_action(SIGINT, handler_of_host)) return 11;
              return has_action(SIGTERM, SIG_IGN) ? 0 : 12;
            }),
            0);
}

TEST(SignalWatcher, LeavesTheDefaultActionToAHostThatHadIt) {
  EXPECT_EQ(answer_of_child([] {
              set_action(SIGINT, SIG_DFL);
              set_action(SIGTERM, SIG_DFL);
              if (raise_inside_a_loop(SIGTERM) != 0) return 10;
              return has_action(SIGINT, SIG_DFL) && has_action(SIGTERM, SIG_DFL) ? 0 : 11;
            }),
            0);
}

TEST(SignalWatcher, MayBeOpenedAgain) {
  EXPECT_EQ(answer_of_child([] {
              set_action(SIGINT, handler_of_host);
              for (int round = 0; round < 3; ++round) {
                if (raise_inside_a_loop(round == 1 ? SIGTERM : SIGINT) != 0) return 10 + round;
                if (!has_action(SIGINT, handler_of_host)) return 20 + round;
              }
              return 0;
            }),
            0);
}

// Two watchers at a time, closed in the given order.
int close_in_order(std::initializer_list<int> order) {
  set_action(SIGINT, handler_of_host);
  set_action(SIGTERM, handler_of_host);
  Loop loops[2];
  Seen seen[2] = {{&loops[0]}, {&loops[1]}};
  SignalWatcher watchers[2] = {SignalWatcher(loops[0]), SignalWatcher(loops[1])};
  for (int i = 0; i < 2; ++i) {
    if (loops[i].open() != TCPKIT_OK) return 1;
    if (watchers[i].open(end_loop, &seen[i]) != TCPKIT_OK) return 2;
  }
  bool first = true;
  for (const int index : order) {
    watchers[index].close();
    if (first && has_action(SIGINT, SIG_DFL)) return 3;
    if (first && has_action(SIGINT, handler_of_host)) return 4;
    first = false;
  }
  return has_action(SIGINT, handler_of_host) && has_action(SIGTERM, handler_of_host) ? 0 : 5;
}

TEST(SignalWatcher, GivesTheActionsBackWhenTheSecondOfTwoGoesFirst) {
  EXPECT_EQ(answer_of_child([] { return close_in_order({1, 0}); }), 0);
}

// Only the first knows the host's actions, and it must not take the second one's handler away.
TEST(SignalWatcher, LeavesTheDefaultActionsWhenTheFirstOfTwoGoesFirst) {
  EXPECT_EQ(answer_of_child([] {
              const int answer = close_in_order({0, 1});
              return answer == 5 && has_action(SIGINT, SIG_DFL) ? 0 : answer;
            }),
            0);
}

TEST(SignalWatcher, CallsBothOfTwoWatchers) {
  EXPECT_EQ(answer_of_child([] {
              Loop loops[2];
              Seen seen[2] = {{&loops[0]}, {&loops[1]}};
              SignalWatcher watchers[2] = {SignalWatcher(loops[0]), SignalWatcher(loops[1])};
              for (int i = 0; i < 2; ++i) {
                if (loops[i].open() != TCPKIT_OK) return 1;
                if (watchers[i].open(end_loop, &seen[i]) != TCPKIT_OK) return 2;
              }
              raise(SIGTERM);
              for (Loop& loop : loops) {
                CountingTurnEnd turn_end;
                loop.run(turn_end);
              }
              for (SignalWatcher& watcher : watchers) watcher.close();
              return seen[0].signal_number == SIGTERM && seen[1].signal_number == SIGTERM ? 0 : 3;
            }),
            0);
}

}  // namespace
}  // namespace tcpkit::test
