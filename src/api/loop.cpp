// tcpkit_loop_*. A handle is the host of a loop.
#include "api/guard.h"
#include "conn/loop_host.h"

using namespace tcpkit;

namespace {

Status check_loop(const tcpkit_loop* loop) noexcept {
  if (loop == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "loop is NULL");
  return LoopHost::from_handle(loop)->fork_guard().check();
}

// A task may run, and free the server, before the post of it has returned: the loop is kept until
// then.
template <typename Call>
Status on_loop(tcpkit_loop* loop, Call call) noexcept {
  const Status status = check_loop(loop);
  if (status != TCPKIT_OK) return status;
  const Ref<LoopHost> kept = Ref<LoopHost>::share(LoopHost::from_handle(loop));
  return call(kept->work());
}

}  // namespace

tcpkit_status tcpkit_loop_post(tcpkit_loop* loop, tcpkit_task_fn task, void* user_data,
                               tcpkit_free_fn user_data_free) {
  UserData owner(user_data, user_data_free);
  return on_loop(loop, [&](UserWork& work) {
    if (task == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "task is NULL");
    return work.post(task, std::move(owner));
  });
}

int32_t tcpkit_loop_is_current(const tcpkit_loop* loop) {
  return loop != nullptr && LoopHost::from_handle(loop)->loop().is_home() ? 1 : 0;
}

void tcpkit_timer_options_init(tcpkit_timer_options* options) {
  if (options != nullptr) *options = TCPKIT_TIMER_OPTIONS_INIT;
}

tcpkit_status tcpkit_loop_start_timer(tcpkit_loop* loop, const tcpkit_timer_options* options,
                                      uint64_t* out_timer_id) {
  tcpkit_timer_options copy = TCPKIT_TIMER_OPTIONS_INIT;
  const Status status = copy_struct(options, copy, "options");
  if (status != TCPKIT_OK) return status;
  UserData owner(copy.user_data, copy.user_data_free);
  return on_loop(loop, [&](UserWork& work) {
    if (copy.on_timer == nullptr) {
      return fail(TCPKIT_E_INVALID_ARGUMENT, "options.on_timer is NULL");
    }
    return work.start_timer(copy, std::move(owner), out_timer_id);
  });
}

tcpkit_status tcpkit_loop_stop_timer(tcpkit_loop* loop, uint64_t timer_id) {
  return on_loop(loop, [&](UserWork& work) { return work.stop_timer(timer_id); });
}
