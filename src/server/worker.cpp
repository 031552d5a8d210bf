// Accepting on a loop and handing over to another; the thread of a loop.
#include "server/worker.h"

#include <unistd.h>

#include <cstring>
#include <new>

#include "base/thread.h"

namespace tcpkit {
namespace {

// An accepted descriptor on its way to the loop that will serve it.
class OpenTask final : public Task {
 public:
  OpenTask(ConnHost& host, int fd, const SocketAddress& peer, Transport transport) noexcept
      : host_(host), fd_(fd), peer_(peer), transport_(transport) {}
  void run() noexcept override {
    host_.open_conn(fd_, peer_, transport_);
    delete this;
  }

 private:
  ConnHost& host_;
  int fd_;
  SocketAddress peer_;
  Transport transport_;
};

void reset_now(int fd) noexcept {
  reset_at_close(fd);
  close(fd);
}

const char* error_text(int error_number, char (&buffer)[128]) noexcept {
  return strerror_r(error_number, buffer, sizeof buffer);
}

}  // namespace

Worker::Worker(WorkerOwner& owner, Ref<ConnHost> host) noexcept
    : owner_(owner),
      host_(std::move(host)),
      stop_task_(*this),
      drain_task_(*this),
      release_task_(*this) {}

Status Worker::add_acceptor(AcceptSource source) noexcept {
  try {
    acceptors_.emplace_back(host_->loop(), source, *this);
  } catch (const std::bad_alloc&) {
    return fail(TCPKIT_E_NO_MEMORY, "out of memory for a listener");
  }
  const int error = acceptors_.back().start();
  if (error == 0) {
    if (sheds_without_files()) spare_.take();
    return TCPKIT_OK;
  }
  acceptors_.pop_back();
  return fail_errno(error, "cannot watch a listening socket");
}

std::list<Acceptor> Worker::make_acceptor(AcceptSource source) {
  std::list<Acceptor> made;
  made.emplace_back(host_->loop(), source, *this);
  return made;
}

void Worker::adopt_acceptor(std::list<Acceptor>& made) noexcept {
  acceptors_.splice(acceptors_.end(), made);
  acceptors_.back().start_in_the_end();
}

void AddAcceptorTask::run() noexcept {
  worker_.adopt_acceptor(acceptor_);
  delete this;
}

Status Worker::start_thread() noexcept {
  const int error = tcpkit::start_thread(thread_, thread_main, this);
  if (error != 0) return fail_errno(error, "cannot create the thread of a loop");
  has_thread_ = true;
  return TCPKIT_OK;
}

void Worker::abandon() noexcept {
  if (has_thread_) return join();
  acceptors_.clear();
  host_->abandon();
}

void* Worker::thread_main(void* worker) noexcept {
  static_cast<Worker*>(worker)->run();
  return nullptr;
}

void Worker::run() noexcept {
  host_->loop().run(host_->loop_host());
  acceptors_.clear();
  if (tick_ != nullptr) host_->loop().timers().disarm(*tick_);
  owner_.worker_ended();
}

void Worker::join() noexcept {
  if (has_thread_) pthread_join(thread_, nullptr);
  has_thread_ = false;
}

void Worker::post_stop() noexcept {
  (void)host_->loop().post(&stop_task_);
}

void Worker::stop_here() noexcept {
  acceptors_.clear();
  host_->stop();
}

void Worker::post_drain(uint64_t timeout_ms) noexcept {
  drain_task_.timeout_ms = timeout_ms;
  (void)host_->loop().post(&drain_task_);
}

void Worker::post_release() noexcept {
  (void)host_->loop().post(&release_task_);
}

// The first loop, which answers signals and keeps the metrics, ends last.
void Worker::drain_here(uint64_t timeout_ms) noexcept {
  acceptors_.clear();
  owner_.worker_stopped_accepting();
  const bool held = host_->index() == 0 && owner_.others_run();
  host_->drain(timeout_ms, held ? ConnHost::DrainHold::kHeld : ConnHost::DrainHold::kNone);
}

uint64_t Worker::begin_accept() noexcept {
  const uint64_t delay_ms = owner_.begin_accept();
  if (delay_ms != 0) host_->own_counters().accept_waits.add(1);
  return delay_ms;
}

void Worker::on_accepted(int fd, const SocketAddress& peer, const AcceptSource& source) noexcept {
  shortage_logged_ = false;
  const PeerAddress address(peer);
  ConnHost* target = owner_.place_connection(*host_, source.placement, address);
  if (target == nullptr) return reset_now(fd);
  if (target == host_.get()) return target->open_conn(fd, peer, source.transport);
  auto* task = new (std::nothrow) OpenTask(*target, fd, peer, source.transport);
  if (task != nullptr && target->loop().post(task)) return;
  delete task;
  target->refuse(fd, address);
}

void Worker::on_accept_failed(int error_number) noexcept {
  char text[128];
  host_->own_counters().accept_errors.add(1);
  host_->config().log.write(TCPKIT_LOG_INFO, "accept failed: %s", error_text(error_number, text));
}

void Worker::on_shed(int fd) noexcept {
  reset_now(fd);
  host_->own_counters().refused_by_files.add(1);
  if (shortage_logged_) return;
  shortage_logged_ = true;
  host_->config().log.write(TCPKIT_LOG_WARNING,
                            "connections are refused: no descriptor is left for them");
}

void Worker::on_accept_paused(int error_number) noexcept {
  char text[128];
  const bool out_of_files = status_from_errno(error_number) == TCPKIT_E_TOO_MANY_FILES;
  LoopCounters& counters = host_->own_counters();
  (out_of_files ? counters.accept_out_of_files : counters.accept_errors).add(1);
  if (shortage_logged_) return;
  shortage_logged_ = true;
  host_->config().log.write(TCPKIT_LOG_WARNING, "accepting pauses: %s",
                            error_text(error_number, text));
}

}  // namespace tcpkit
