// pthread_create inside a full signal mask, which the new thread inherits.
#include "base/thread.h"

#include <signal.h>

namespace tcpkit {

int start_thread(pthread_t& thread, ThreadMain thread_main, void* argument) noexcept {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, nullptr, thread_main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

int start_detached_thread(ThreadMain thread_main, void* argument) noexcept {
  pthread_t thread{};
  const int error = start_thread(thread, thread_main, argument);
  return error != 0 ? error : pthread_detach(thread);
}

}  // namespace tcpkit
