// The close handlers that users add to one connection: a lock-free stack, which is just the order
// in which they have to run, and which is closed by the connection's end.
#pragma once

#include <atomic>

#include "base/user_data.h"

namespace tcpkit {

struct CloseHandler {
  tcpkit_close_fn function;
  UserData user_data;
  CloseHandler* next = nullptr;
};

class CloseHandlers {
 public:
  CloseHandlers() = default;
  CloseHandlers(const CloseHandlers&) = delete;
  CloseHandlers& operator=(const CloseHandlers&) = delete;

  // Any thread. False if the connection has ended; the handler is then still the caller's.
  bool push(CloseHandler* handler) noexcept {
    CloseHandler* head = head_.load(std::memory_order_acquire);
    do {
      if (head == ended_mark()) return false;
      handler->next = head;
    } while (!head_.compare_exchange_weak(head, handler, std::memory_order_release,
                                          std::memory_order_acquire));
    return true;
  }

  // Loop thread, once. Returns the handlers, last registered first. What was written before is
  // seen by every thread whose push fails.
  CloseHandler* end() noexcept { return head_.exchange(ended_mark(), std::memory_order_acq_rel); }

 private:
  CloseHandler* ended_mark() const noexcept {
    return reinterpret_cast<CloseHandler*>(const_cast<CloseHandlers*>(this));
  }

  std::atomic<CloseHandler*> head_{nullptr};
};

}  // namespace tcpkit
