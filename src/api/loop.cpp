// tcpkit_loop_*. A handle is the host of a loop.
#include "api/guard.h"
#include "conn/loop_runner.h"

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

constexpr size_t kReadBufferSize = 512u << 10;
constexpr size_t kSmallestReadBuffer = 1u << 10;
constexpr size_t kLargestReadBuffer = 64u << 20;

Status check_loop_options(tcpkit_loop_options& options) noexcept {
  if (options.read_buffer_size == 0) options.read_buffer_size = kReadBufferSize;
  const size_t size = options.read_buffer_size;
  if (size < kSmallestReadBuffer || size > kLargestReadBuffer) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: read_buffer_size is %zu, outside %zu to %zu",
                size, kSmallestReadBuffer, kLargestReadBuffer);
  }
  if (options.log_level >= TCPKIT_LOG_DEFAULT && options.log_level <= TCPKIT_LOG_DEBUG) {
    return TCPKIT_OK;
  }
  return fail(TCPKIT_E_INVALID_ARGUMENT, "options: log_level is %d, which is none of its constants",
              options.log_level);
}

// Of a created loop; what is asked of it never finds a handle that is another's.
template <typename Call>
Status on_runner(tcpkit_loop* loop, Call call) noexcept {
  const Status status = check_loop(loop);
  if (status != TCPKIT_OK) return status;
  LoopRunner* runner = LoopHost::from_handle(loop)->runner();
  if (runner != nullptr) return call(*runner);
  return fail(TCPKIT_E_INVALID_ARGUMENT, "loop: it is that of a server or client, which runs it");
}

}  // namespace

void tcpkit_loop_options_init(tcpkit_loop_options* options) {
  if (options != nullptr) *options = TCPKIT_LOOP_OPTIONS_INIT;
}

tcpkit_status tcpkit_loop_create(const tcpkit_loop_options* options, tcpkit_loop** out_loop) {
  tcpkit_loop_options copy = TCPKIT_LOOP_OPTIONS_INIT;
  Status status = options == nullptr ? TCPKIT_OK : copy_struct(options, copy, "options");
  if (status != TCPKIT_OK) return status;
  UserData log_data(copy.user_data, copy.user_data_free);
  status = check_loop_options(copy);
  if (status != TCPKIT_OK) return status;
  return guarded([&] {
    if (out_loop == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_loop is NULL");
    auto runner = std::make_unique<LoopRunner>(Log(copy.log_level, copy.on_log, copy.user_data),
                                               std::move(log_data), copy.read_buffer_size);
    const Status opened = runner->open();
    if (opened != TCPKIT_OK) return opened;
    LoopHost& host = runner->host();
    host.set_runner(runner.release());
    *out_loop = host.handle();
    return Status{TCPKIT_OK};
  });
}

tcpkit_status tcpkit_loop_start(tcpkit_loop* loop) {
  return on_runner(loop, [](LoopRunner& runner) { return runner.start(); });
}

tcpkit_status tcpkit_loop_run(tcpkit_loop* loop) {
  return on_runner(loop, [](LoopRunner& runner) { return runner.run(); });
}

tcpkit_status tcpkit_loop_stop(tcpkit_loop* loop) {
  return on_runner(loop, [](LoopRunner& runner) {
    runner.stop();
    return Status{TCPKIT_OK};
  });
}

void tcpkit_loop_free(tcpkit_loop* loop) {
  if (loop == nullptr || check_loop(loop) != TCPKIT_OK) return;
  LoopRunner* runner = LoopHost::from_handle(loop)->runner();
  if (runner != nullptr) LoopRunner::free(runner);
}

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
