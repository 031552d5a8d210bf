// Threads of ours: they block all signals, so that the host's handlers run on the host's threads.
#pragma once

#include <pthread.h>

namespace tcpkit {

using ThreadMain = void* (*)(void* argument);

// 0 or an errno. The thread must be joined.
int start_thread(pthread_t& thread, ThreadMain thread_main, void* argument) noexcept;
// The same for a thread that nobody waits for.
int start_detached_thread(ThreadMain thread_main, void* argument) noexcept;

}  // namespace tcpkit
