// pthread_create inside a signal mask that the new thread inherits.
#include "base/thread.h"

#include <signal.h>

#include <initializer_list>

namespace tcpkit {

int start_thread(pthread_t& thread, ThreadMain thread_main, void* argument,
                 size_t stack_size) noexcept {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (stack_size != 0) pthread_attr_setstacksize(&attributes, stack_size);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  // Faults of the thread itself: blocked, they would end the process past the host's handler.
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT}) {
    sigdelset(&all, fault);
  }
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const int error = pthread_create(&thread, &attributes, thread_main, argument);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  pthread_attr_destroy(&attributes);
  return error;
}

int start_detached_thread(ThreadMain thread_main, void* argument) noexcept {
  pthread_t thread{};
  const int error = start_thread(thread, thread_main, argument);
  return error != 0 ? error : pthread_detach(thread);
}

}  // namespace tcpkit
