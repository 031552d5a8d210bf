// Threads of ours: they block all signals, so that the host's handlers run on the host's threads.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>

namespace tcpkit {

// A number of the calling thread that no other living thread has, never 0: pthread_self() without
// the call, where the compiler can read the thread pointer.
inline uintptr_t this_thread() noexcept {
#if __has_builtin(__builtin_thread_pointer)
  return reinterpret_cast<uintptr_t>(__builtin_thread_pointer());
#else
  return static_cast<uintptr_t>(pthread_self());
#endif
}

using ThreadMain = void* (*)(void* argument);

// 0 or an errno. The thread must be joined. stack_size: 0 is the system's.
int start_thread(pthread_t& thread, ThreadMain thread_main, void* argument,
                 size_t stack_size = 0) noexcept;
// The same for a thread that nobody waits for.
int start_detached_thread(ThreadMain thread_main, void* argument) noexcept;

}  // namespace tcpkit
