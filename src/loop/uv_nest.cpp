// libuv inside our epoll set, through its backend descriptor and UV_RUN_NOWAIT.
#include "loop/uv_nest.h"

#include <sys/epoll.h>

namespace tcpkit {

int UvNest::open() noexcept {
  const int error = uv_loop_init(&uv_loop_);
  if (error != 0) return error;
  open_ = true;
  const int watch_error = loop_.watch(*this, uv_backend_fd(&uv_loop_), EPOLLIN);
  if (watch_error == 0) return 0;
  uv_loop_close(&uv_loop_);
  open_ = false;
  return uv_translate_sys_error(watch_error);
}

void UvNest::close() noexcept {
  if (!open_) return;
  loop_.unwatch(uv_backend_fd(&uv_loop_));
  uv_run(&uv_loop_, UV_RUN_DEFAULT);
  uv_loop_close(&uv_loop_);
  open_ = false;
}

void UvNest::on_ready(uint32_t) noexcept {
  poll_once();
}
void UvNest::poll_once() noexcept {
  uv_run(&uv_loop_, UV_RUN_NOWAIT);
}

// libuv leaves the default action behind when the last watcher of a signal goes: then the host
// gets back what it had. Another server that still runs keeps libuv's handler.
void SignalWatcher::give_back_signal(int signal_number, const HostAction& before) noexcept {
  struct sigaction now {};
  sigaction(signal_number, nullptr, &now);
  const bool left_default = (now.sa_flags & SA_SIGINFO) == 0 && now.sa_handler == SIG_DFL;
  if (left_default && before.is_of_host) sigaction(signal_number, &before.action, nullptr);
}

Status SignalWatcher::open(OnSignal on_signal, void* owner) noexcept {
  on_signal_ = on_signal;
  owner_ = owner;
  int error = nest_.open();
  for (int i = 0; error == 0 && i < 2; ++i) {
    error = uv_signal_init(nest_.uv(), &handles_[i]);
    if (error != 0) break;
    ++open_handles_;
    handles_[i].data = this;
    HostAction& before = host_actions_[i];
    sigaction(kSignals[i], nullptr, &before.action);
    error = uv_signal_start(&handles_[i], on_uv_signal, kSignals[i]);
    struct sigaction of_libuv {};
    sigaction(kSignals[i], nullptr, &of_libuv);
    before.is_of_host = before.action.sa_handler != of_libuv.sa_handler;
  }
  if (error == 0) {
    nest_.poll_once();
    return TCPKIT_OK;
  }
  close();
  return fail(TCPKIT_E_IO, "cannot watch SIGINT and SIGTERM: %s", uv_strerror(error));
}

void SignalWatcher::close() noexcept {
  for (int i = 0; i < open_handles_; ++i) {
    uv_close(reinterpret_cast<uv_handle_t*>(&handles_[i]), nullptr);
  }
  nest_.close();
  while (open_handles_ > 0) {
    --open_handles_;
    give_back_signal(kSignals[open_handles_], host_actions_[open_handles_]);
  }
}

void SignalWatcher::on_uv_signal(uv_signal_t* handle, int signal_number) noexcept {
  auto* watcher = static_cast<SignalWatcher*>(handle->data);
  watcher->on_signal_(signal_number, watcher->owner_);
}

}  // namespace tcpkit
