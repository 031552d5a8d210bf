// One run of a server or of a client, as the control of all services sees it.
#pragma once

#include "base/run_observer.h"
#include "loop/loop.h"
#include "services/services.h"

namespace tcpkit {

class ServiceRun;

class ServiceRunOwner {
 public:
  // On the control loop, once per run that was started.
  virtual void service_ended(const ServiceRun& run) noexcept = 0;

 protected:
  ~ServiceRunOwner() = default;
};

// It is told of the end under a lock of the service, and settle() takes that lock: so when settle()
// has returned nobody uses the control loop any more.
class ServiceRun final : private RunObserver, private Task {
 public:
  ServiceRun(const Service& service, size_t index, Loop& control_loop,
             ServiceRunOwner& owner) noexcept;
  ServiceRun(const ServiceRun&) = delete;
  ServiceRun& operator=(const ServiceRun&) = delete;

  bool is_client() const noexcept { return service_.client != nullptr; }
  // A failure names this service.
  Status start() noexcept;
  // Begins the end; nothing if it has ended. Any thread.
  void end(RunEnd how, uint64_t drain_timeout_ms) noexcept;
  // Waits until the run has ended and is closed up.
  void settle() noexcept;
  // Once it has ended: why, with this service's name; TCPKIT_OK for an end in order.
  LastError named_failure() const noexcept { return named(why_); }

 private:
  Status start_unnamed();
  LastError named(const LastError& why) const noexcept;
  // RunObserver
  void run_ended(const LastError& why) noexcept override;
  // Task
  void run() noexcept override { owner_.service_ended(*this); }

  const Service service_;
  const size_t index_;
  Loop& control_loop_;
  ServiceRunOwner& owner_;
  uint64_t server_run_ = 0;
  LastError why_{TCPKIT_OK, 0, {0}};
};

}  // namespace tcpkit
