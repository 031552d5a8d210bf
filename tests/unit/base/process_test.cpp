// What the base knows of the process: the child of a fork, the signal mask of threads, log lines.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fork_guard.h"
#include "base/log.h"
#include "base/thread.h"

namespace tcpkit::test {
namespace {

// Exit status of a child that runs check.
template <typename Check>
int exit_status_of_child(Check check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status)) return -1;
  return WEXITSTATUS(status);
}

TEST(ForkGuard, TellsTheChildFromItsParent) {
  ForkGuard guard;
  ASSERT_TRUE(guard.arm());
  EXPECT_EQ(exit_status_of_child([&] {
              return guard.in_child() && guard.check() == TCPKIT_E_FORKED &&
                     std::string(last_error().message).find("fork") != std::string::npos;
            }),
            0);
  EXPECT_FALSE(guard.in_child());
  EXPECT_EQ(guard.check(), TCPKIT_OK);
}

TEST(ForkGuard, TellsTheGrandchildToo) {
  ForkGuard guard;
  ASSERT_TRUE(guard.arm());
  EXPECT_EQ(exit_status_of_child(
                [&] { return exit_status_of_child([&] { return guard.in_child(); }) == 0; }),
            0);
}

TEST(ForkGuard, WorksForWhatTheChildMakesItself) {
  EXPECT_EQ(exit_status_of_child([] {
              ForkGuard guard;
              return guard.arm() && !guard.in_child() && guard.check() == TCPKIT_OK;
            }),
            0);
}

TEST(ForkGuard, MayBeArmedTwiceAndNeedNotBeArmed) {
  ForkGuard guard;
  EXPECT_FALSE(guard.in_child());
  EXPECT_TRUE(guard.arm());
  EXPECT_TRUE(guard.arm());
  EXPECT_FALSE(guard.in_child());
}

void* report_signal_mask(void* argument) {
  pthread_sigmask(SIG_SETMASK, nullptr, static_cast<sigset_t*>(argument));
  return nullptr;
}

TEST(StartThread, BlocksTheSignalsOfTheHostAndLeavesItsMask) {
  sigset_t before;
  sigset_t after;
  sigset_t inside;
  sigemptyset(&inside);
  pthread_sigmask(SIG_SETMASK, nullptr, &before);
  pthread_t thread{};
  ASSERT_EQ(start_thread(thread, report_signal_mask, &inside), 0);
  ASSERT_EQ(pthread_join(thread, nullptr), 0);
  pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE, SIGCHLD}) {
    EXPECT_EQ(sigismember(&inside, number), 1) << number;
    EXPECT_EQ(sigismember(&after, number), sigismember(&before, number)) << number;
  }
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
    EXPECT_EQ(sigismember(&inside, fault), 0) << fault;
  }
}

TEST(Clock, DoesNotGoBack) {
  uint64_t last_ns = monotonic_ns();
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now_ns = monotonic_ns();
    EXPECT_GE(now_ns, last_ns);
    last_ns = now_ns;
  }
}

using Lines = std::vector<std::pair<tcpkit_log_level, std::string>>;

void keep_line(tcpkit_log_level level, const char* message, void* user_data) {
  static_cast<Lines*>(user_data)->emplace_back(level, message);
}

TEST(Log, PassesOnEachLevelAndThoseBeforeIt) {
  constexpr tcpkit_log_level kLevels[] = {TCPKIT_LOG_ERROR, TCPKIT_LOG_WARNING, TCPKIT_LOG_INFO,
                                          TCPKIT_LOG_DEBUG};
  for (tcpkit_log_level most = TCPKIT_LOG_OFF; most <= TCPKIT_LOG_DEBUG; ++most) {
    Lines lines;
    const Log log(most, keep_line, &lines);
    for (const tcpkit_log_level level : kLevels) {
      EXPECT_EQ(log.wants(level), level <= most) << level << " of " << most;
      log.write(level, "level %d", level);
    }
    EXPECT_EQ(lines.size(), static_cast<size_t>(most - TCPKIT_LOG_OFF));
    for (const auto& [level, text] : lines) EXPECT_EQ(text, "level " + std::to_string(level));
  }
}

TEST(Log, TakesWarningsByDefault) {
  Lines lines;
  const Log log(TCPKIT_LOG_DEFAULT, keep_line, &lines);
  EXPECT_TRUE(log.wants(TCPKIT_LOG_WARNING));
  EXPECT_FALSE(log.wants(TCPKIT_LOG_INFO));
}

TEST(Log, WantsNothingWithoutAHook) {
  const Log without_hook(TCPKIT_LOG_DEBUG, nullptr, nullptr);
  EXPECT_FALSE(without_hook.wants(TCPKIT_LOG_ERROR));
  without_hook.write(TCPKIT_LOG_ERROR, "nobody hears this");
  EXPECT_FALSE(Log().wants(TCPKIT_LOG_ERROR));
}

TEST(Log, CutsALineAt511Bytes) {
  Lines lines;
  const Log log(TCPKIT_LOG_INFO, keep_line, &lines);
  log.write(TCPKIT_LOG_INFO, "%s", std::string(511, 'a').c_str());
  log.write(TCPKIT_LOG_INFO, "%s", std::string(512, 'b').c_str());
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0].second, std::string(511, 'a'));
  EXPECT_EQ(lines[1].second, std::string(511, 'b'));
}

TEST(Log, DropsWhatAHookThrows) {
  const Log log(
      TCPKIT_LOG_INFO, [](tcpkit_log_level, const char*, void*) { throw std::runtime_error("no"); },
      nullptr);
  EXPECT_NO_THROW(log.write(TCPKIT_LOG_INFO, "line"));
}

}  // namespace
}  // namespace tcpkit::test
