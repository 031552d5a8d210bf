// The threads of a resolver, and the way of an answer back to the loop.
#include "loop/resolver.h"

#include <new>

#include "base/thread.h"

namespace tcpkit {

Lookup::Lookup(Loop& loop, std::shared_ptr<void> keeps_loop, const tcpkit_address& address,
               ResolveWay way, LookupOwner& owner) noexcept
    : loop_(loop),
      keeps_loop_(std::move(keeps_loop)),
      address_(address),
      way_(way),
      owner_(&owner) {}

void Lookup::abandon() noexcept {
  owner_ = nullptr;
  abandoned_.store(true, std::memory_order_relaxed);
}

void Lookup::answer() noexcept {
  if (abandoned_.load(std::memory_order_relaxed)) return;
  Status status = TCPKIT_OK;
  try {
    status = way_.resolve == nullptr ? resolve_targets(address_, targets_)
                                     : way_.resolve(address_, targets_, way_.context);
    if (status == TCPKIT_OK) order_targets(targets_);
  } catch (const std::bad_alloc&) {
    status = fail(TCPKIT_E_NO_MEMORY, "out of memory for a host name");
  }
  if (status != TCPKIT_OK) failure_ = last_error();
  retain();
  if (!loop_.post(this)) release();  // the loop has ended, and its owner was told so
}

void Lookup::run() noexcept {
  if (owner_ != nullptr) owner_->on_resolved(*this);
  release();
}

Status Resolver::ask(Ref<Lookup> lookup) {
  auto self = std::make_unique<std::shared_ptr<Resolver>>(shared_from_this());
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(lookup));
  if (threads_ == kMostThreads) return TCPKIT_OK;
  const int error = start_detached_thread(thread_main, self.get());
  if (error == 0) {
    ++threads_;
    (void)self.release();
    return TCPKIT_OK;
  }
  if (threads_ > 0) return TCPKIT_OK;  // those that run will come to it
  waiting_.pop_back();
  return fail_errno(error, "cannot create a thread to resolve a host name on");
}

void* Resolver::thread_main(void* self) noexcept {
  const std::unique_ptr<std::shared_ptr<Resolver>> owner(
      static_cast<std::shared_ptr<Resolver>*>(self));
  (*owner)->answer_all();
  return nullptr;
}

void Resolver::answer_all() noexcept {
  std::unique_lock lock(mutex_);
  while (!waiting_.empty()) {
    Ref<Lookup> lookup = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    lookup->answer();
    lookup = {};
    lock.lock();
  }
  --threads_;
}

}  // namespace tcpkit
