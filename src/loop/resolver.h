// Resolution of host names off the loop: a few threads per loop, that end when nothing is asked.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>

#include "base/ref.h"
#include "loop/loop.h"
#include "loop/targets.h"

namespace tcpkit {

class Lookup;

class LookupOwner {
 public:
  // On the loop, once, unless the lookup was abandoned.
  virtual void on_resolved(Lookup& lookup) noexcept = 0;

 protected:
  ~LookupOwner() = default;
};

// How names are resolved; tests have a way of their own. Called on a thread that may block.
struct ResolveWay {
  Status (*resolve)(const tcpkit_address& address, Targets& resolved, void* context) = nullptr;
  void* context = nullptr;
};

// One question, counted: by who asks, and by the thread that finds out. So the one who asks can go
// and leave it behind, which is what a resolver that cannot be interrupted asks for.
class Lookup final : public Task, public RefCounted<Lookup> {
 public:
  // keeps_loop: whatever the loop lives in.
  Lookup(Loop& loop, std::shared_ptr<void> keeps_loop, const tcpkit_address& address,
         ResolveWay way, LookupOwner& owner) noexcept;
  void destroy() noexcept { delete this; }

  // Home thread. The owner is not called any more, and need not live.
  void abandon() noexcept;
  // The answer, in on_resolved.
  Status status() const noexcept { return failure_.status; }
  const LastError& failure() const noexcept { return failure_; }
  Targets& targets() noexcept { return targets_; }

  // For the resolver's threads.
  void answer() noexcept;

 private:
  void run() noexcept override;

  Loop& loop_;
  const std::shared_ptr<void> keeps_loop_;
  const tcpkit_address address_;
  const ResolveWay way_;
  LookupOwner* owner_;
  std::atomic<bool> abandoned_{false};  // tells the thread that nobody waits
  LastError failure_{TCPKIT_OK, 0, {0}};
  Targets targets_;
};

// Rejected: uv_getaddrinfo. What its threads have begun cannot be cancelled, and its libuv loop
// cannot be closed before: freeing a client would wait for a name server that does not answer.
class Resolver final : public std::enable_shared_from_this<Resolver> {
 public:
  static constexpr unsigned kMostThreads = 4;

  Resolver() = default;
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Any thread. May throw std::bad_alloc; after a failure the owner is not called.
  Status ask(Ref<Lookup> lookup);

 private:
  static void* thread_main(void* self) noexcept;
  void answer_all() noexcept;

  std::mutex mutex_;
  std::deque<Ref<Lookup>> waiting_;
  unsigned threads_ = 0;
};

}  // namespace tcpkit
