// How a server and a client are started, ended and waited for.
#include "services/service_run.h"

#include <cstdio>
#include <new>

namespace tcpkit {

ServiceRun::ServiceRun(const Service& service, size_t index, Loop& control_loop,
                       ServiceRunOwner& owner) noexcept
    : service_(service), index_(index), control_loop_(control_loop), owner_(owner) {}

Status ServiceRun::start_unnamed() {
  if (is_client()) return service_.client->connect(service_.address, *this);
  return service_.server->start(*this, server_run_);
}

Status ServiceRun::start() noexcept {
  Status status = TCPKIT_OK;
  try {
    status = start_unnamed();
  } catch (const std::bad_alloc&) {
    status = fail(TCPKIT_E_NO_MEMORY, "out of memory for the start of a service");
  }
  if (status != TCPKIT_OK) restore_last_error(named(last_error()));
  return status;
}

void ServiceRun::end(RunEnd how, uint64_t drain_timeout_ms) noexcept {
  if (is_client()) return service_.client->end_run(*this, how);
  service_.server->end_run(*this, how, drain_timeout_ms);
}

void ServiceRun::settle() noexcept {
  if (is_client()) return service_.client->settle_run(*this);
  service_.server->settle_run(server_run_);
}

LastError ServiceRun::named(const LastError& why) const noexcept {
  LastError named_error{why.status, why.error_number, {0}};
  std::snprintf(named_error.message, sizeof named_error.message, "services[%zu]: %.480s", index_,
                why.message);
  return named_error;
}

void ServiceRun::run_ended(const LastError& why) noexcept {
  why_ = why;
  const bool posted = control_loop_.post(this);
  TCPKIT_ASSERT(posted);
  (void)posted;
}

}  // namespace tcpkit
