// What any thread may ask of a client, and its end.
#include "client/client.h"

#include <cstring>
#include <new>

#include "base/thread.h"
#include "client/jobs.h"

namespace tcpkit {
namespace {

Status not_running() noexcept {
  return fail(TCPKIT_E_NOT_RUNNING, "client: its loop does not run");
}

// What a certificate can be for: without the dot of a complete name, and the scope of an address.
std::string certificate_name(const char* host) {
  std::string name = host;
  if (name.find(':') != std::string::npos) name.resize(std::min(name.find('%'), name.size()));
  if (name.ends_with('.')) name.pop_back();
  return name;
}

}  // namespace

Client::Client(ClientSetup setup)
    : handlers_data_(std::move(setup.handlers_data)),
      own_runner_(std::move(setup.own_runner)),
      options_(setup.options),
      config_(std::move(setup.config)),
      connect_settings_(setup.connect),
      proxy_(setup.proxy),
      given_server_name_(std::move(setup.server_name)),
      resolve_way_(setup.resolve_way),
      host_(Ref<ConnHost>::adopt(
          new ConnHost(std::move(setup.loop_host), config_, 0, ConnHost::Role::kGuest))),
      connector_(host_->loop(), *this),
      backoff_(options_.reconnect_min_ms, options_.reconnect_max_ms) {
  host_->set_dialler(this);
}

// Connections that were kept outlive it, and have ended.
Client::~Client() {
  host_->set_dialler(nullptr);
}

// ---- Connecting and closing ----

Status Client::check_address(const char* text, tcpkit_address& address) const noexcept {
  const Status status = parse_target(text, address);
  const bool verifies = config_->tls.credentials &&
                        !config_->tls.credentials->accepts_any_certificate() &&
                        given_server_name_.empty();
  if (status != TCPKIT_OK || !verifies) return status;
  if (address.network != TCPKIT_NETWORK_UNIX && address.host[0] != '\0') return TCPKIT_OK;
  return fail(
      TCPKIT_E_INVALID_ARGUMENT,
      "\"%.200s\" names no host, and options.server_name is not set: the certificate is for "
      "whom?",
      text);
}

Status Client::begin_series(const char* text, DialWait* wait, RunObserver* observer) {
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  const Status status = check_address(text, address);
  if (status != TCPKIT_OK) return status;
  const bool has_host = given_server_name_.empty() && address.network != TCPKIT_NETWORK_UNIX;
  std::string name = certificate_name(has_host ? address.host : given_server_name_.c_str());
  auto job = std::make_unique<ConnectJob>(*this, address, text, std::move(name));
  const Lock lock(mutex_);
  if (freed_ != Freed::kNo) return fail(TCPKIT_E_NOT_RUNNING, "client: it was freed");
  if (busy_ || (observer != nullptr && is_observed())) {
    return fail(TCPKIT_E_ALREADY_RUNNING, "client: it is connected or connecting already");
  }
  if (!post_job(*job)) return not_running();
  (void)job.release();
  busy_ = true;
  dial_wait_ = wait;
  if (observer == nullptr) return TCPKIT_OK;
  observer_ = observer;
  is_run_ending_ = false;
  return TCPKIT_OK;
}

// Under the mutex. False: the loop takes no more, and the job is the caller's.
bool Client::post_job(Task& job) noexcept {
  if (!host_->loop().post(&job)) return false;
  ++jobs_;
  return true;
}

// May delete the client.
void Client::job_done() noexcept {
  Lock lock(mutex_);
  --jobs_;
  changed_.notify_all();
  const bool last = is_left_to_last();
  lock.unlock();
  if (last) delete this;
}

Status Client::connect(const char* address) {
  return begin_series(address, nullptr, nullptr);
}

Status Client::connect(const char* address, RunObserver& observer) {
  if (!loop_has_begun()) return not_running();
  return begin_series(address, nullptr, &observer);
}

bool Client::loop_has_begun() const noexcept {
  const LoopRunner* runner = host_->loop_host().runner();
  return runner == nullptr || runner->has_begun();
}

Status Client::dial(const char* address, Ref<Conn>& dialled) {
  if (host_->loop().is_home()) {
    return fail(TCPKIT_E_WRONG_THREAD, "client: waiting on its loop would never end");
  }
  if (!loop_has_begun()) return not_running();
  DialWait wait;
  Status status = begin_series(address, &wait, nullptr);
  if (status != TCPKIT_OK) return status;
  {
    Lock lock(mutex_);
    ++jobs_;
    changed_.wait(lock, [&wait] { return wait.done; });
  }
  job_done();
  status = wait.failure.status;
  if (status != TCPKIT_OK) restore_last_error(wait.failure);
  dialled = std::move(wait.conn);
  return status;
}

void Client::tell_dialler(DialWait* wait, const ConnectFailure* failure) noexcept {
  if (wait == nullptr) return;
  const Lock lock(mutex_);
  if (failure != nullptr) {
    wait->failure = last_error_of(*failure);
  } else {
    wait->conn = conn_;
  }
  wait->done = true;
  changed_.notify_all();
}

Status Client::close() {
  auto job = std::make_unique<CloseJob>(*this);
  const Lock lock(mutex_);
  if (!busy_ || freed_ != Freed::kNo || !post_job(*job)) return TCPKIT_OK;
  (void)job.release();
  ++closes_wanted_;
  return TCPKIT_OK;
}

// ---- Facts ----

Ref<Conn> Client::conn() const noexcept {
  const Lock lock(mutex_);
  return open_conn_;
}

tcpkit_metrics Client::metrics() const noexcept {
  tcpkit_metrics snapshot = TCPKIT_METRICS_INIT;
  host_->add_counters_to(snapshot);
  snapshot.connections = config_->open_connections.now();
  snapshot.max_connections = config_->open_connections.most();
  snapshot.buffered_bytes = config_->buffered_bytes.now();
  snapshot.max_buffered_bytes = config_->buffered_bytes.most();
  snapshot.tls_handshakes_now = config_->handshakes.now();
  snapshot.refused_sends = config_->refused_sends.load(std::memory_order_relaxed);
  snapshot.handler_threads = snapshot.max_handler_threads = own_runner_ == nullptr ? 0 : 1;
  const Ref<Conn> open = conn();
  if (!open) return snapshot;
  snapshot.reads_per_second = open->reads_per_second();
  snapshot.writes_per_second = open->writes_per_second();
  return snapshot;
}

// ---- The end ----

// Under the mutex, once.
void Client::post_shut_down() noexcept {
  if (shut_down_posted_) return;
  shut_down_posted_ = post_job(shut_down_task_);
}

void Client::shut_down_here() noexcept {
  shutting_down_ = true;
  end_all(TCPKIT_E_CANCELLED, "the client was freed");
  leave_when_idle();
  job_done();
}

// A task, because what the loop waits for in this turn may be of this client.
void Client::leave_here() noexcept {
  host_->loop_host().remove_tenant(*this);
  Lock lock(mutex_);
  leaving_ = joined_ = false;
  changed_.notify_all();
  const bool last = is_left_to_last();
  lock.unlock();
  if (last) delete this;
}

void Client::free_by_waiter() noexcept {
  {
    Lock lock(mutex_);
    freed_ = Freed::kByWaiter;
    post_shut_down();
    changed_.wait(lock, [this] { return is_quiet(); });
  }
  delete this;
}

void* Client::free_elsewhere(void* client) noexcept {
  static_cast<Client*>(client)->free_by_waiter();
  return nullptr;
}

// On its own loop it cannot wait for itself; on one of somebody else's whatever ends last deletes
// it, and on a loop that has not begun nothing of it ever will.
void Client::free(Client* client) noexcept {
  const bool here = client->host_->loop().is_home();
  if (!here && client->loop_has_begun()) return client->free_by_waiter();
  Lock lock(client->mutex_);
  client->post_shut_down();
  if (client->own_runner_ != nullptr) {
    client->freed_ = Freed::kByWaiter;
    lock.unlock();
    if (start_detached_thread(free_elsewhere, client) == 0) return;
    client->config_->log.write(TCPKIT_LOG_ERROR, "no thread to free a client on: it leaks");
    return;
  }
  client->freed_ = here ? Freed::kByLast : Freed::kByLastSilently;
  const bool last = client->is_quiet();
  lock.unlock();
  if (last) delete client;
}

}  // namespace tcpkit
