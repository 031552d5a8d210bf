// Runs a scenario in a process of its own: for limits, signals and forks that would disturb others.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

namespace testkit {

inline constexpr unsigned kChildSeconds = 60;

// Forks; the child runs scenario, whose failed expectations it prints, and ends. Returns the wait
// status of waitpid: 0 if all was right.
inline int run_in_child(const std::function<void()>& scenario) {
  std::fflush(nullptr);
  const pid_t child = fork();
  if (child == 0) {
    alarm(kChildSeconds);
    scenario();
    std::fflush(nullptr);
    _exit(::testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  if (child < 0 || waitpid(child, &status, 0) != child) ADD_FAILURE() << "no child process";
  return status;
}

// True in builds with a sanitizer that a test has to know about.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitizer = true;
#else
inline constexpr bool kAddressSanitizer = false;
#endif

}  // namespace testkit
