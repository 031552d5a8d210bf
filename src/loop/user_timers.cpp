// Users' tasks and timers. A timer is made by the calling thread and armed on the loop.
#include "loop/user_timers.h"

#include <algorithm>
#include <new>

namespace tcpkit {

class UserTimer final : public TimerNode {
 public:
  explicit UserTimer(UserWork& work) noexcept : work_(work) {}

  void begin(uint64_t id, const tcpkit_timer_options& options, UserData user_data) noexcept {
    function_ = options.on_timer;
    id_ = id;
    repeat_ms_ = options.repeat_ms;
    first_deadline_ms_ = work_.loop().deadline_in(options.delay_ms);
    user_data_ = std::move(user_data);
  }
  void on_timer() noexcept override { work_.expire(*this); }

  UserWork& work_;
  tcpkit_task_fn function_ = nullptr;
  uint64_t id_ = 0;
  uint64_t repeat_ms_ = 0;
  uint64_t first_deadline_ms_ = 0;
  UserData user_data_;
};

namespace {

class CallTask final : public Task {
 public:
  CallTask(UserWork& work, tcpkit_task_fn function, UserData user_data) noexcept
      : work_(work), function_(function), user_data_(std::move(user_data)) {}
  void run() noexcept override {
    work_.call(function_, user_data_.get());
    delete this;
  }

 private:
  UserWork& work_;
  tcpkit_task_fn function_;
  UserData user_data_;
};

class ArmTask final : public Task {
 public:
  ArmTask(UserWork& work, UserTimers::node_type node) noexcept
      : work_(work), node_(std::move(node)) {}
  void run() noexcept override {
    work_.adopt(std::move(node_));
    delete this;
  }

 private:
  UserWork& work_;
  UserTimers::node_type node_;
};

class StopTask final : public Task {
 public:
  StopTask(UserWork& work, uint64_t timer_id) noexcept : work_(work), timer_id_(timer_id) {}
  void run() noexcept override {
    work_.remove(timer_id_);
    delete this;
  }

 private:
  UserWork& work_;
  uint64_t timer_id_;
};

Status out_of_memory(const char* what) noexcept {
  return fail(TCPKIT_E_NO_MEMORY, "out of memory for %s", what);
}

Status loop_not_running() noexcept {
  return fail(TCPKIT_E_NOT_RUNNING, "the loop does not run");
}

// Posts a task, or destroys it if the loop is closed.
template <typename ConcreteTask>
Status post_or_delete(Loop& loop, ConcreteTask* task) noexcept {
  if (loop.post(task)) return TCPKIT_OK;
  delete task;
  return loop_not_running();
}

}  // namespace

UserWork::UserWork(Loop& loop, tcpkit_loop* handle, const Log& log) noexcept
    : loop_(loop), handle_(handle), log_(log) {}

UserWork::~UserWork() {
  clear();
}

void UserWork::call(tcpkit_task_fn function, void* user_data) noexcept {
  try {
    function(handle_, user_data);
  } catch (...) {
    log_.write(TCPKIT_LOG_ERROR, "a task or timer threw an exception; it is dropped");
  }
}

Status UserWork::post(tcpkit_task_fn function, UserData user_data) noexcept {
  auto* task = new (std::nothrow) CallTask(*this, function, std::move(user_data));
  if (task == nullptr) return out_of_memory("a task");
  return post_or_delete(loop_, task);
}

// Empty if memory ran out.
UserTimers::node_type UserWork::take_node() noexcept {
  if (loop_.is_home() && !spares_.empty()) return spares_.extract(spares_.begin());
  try {
    UserTimers made;
    made.emplace(0, std::make_unique<UserTimer>(*this));
    return made.extract(made.begin());
  } catch (const std::bad_alloc&) {
    return {};
  }
}

// For the next timer that is started on the loop: those who sleep again and again need no memory.
void UserWork::give_back(UserTimers::node_type node) noexcept {
  node.mapped()->user_data_ = UserData();
  if (spares_.size() < kMostSpares) spares_.insert(std::move(node));
}

// All the memory that the timer takes is taken here, so that it cannot be lost on its way.
Status UserWork::start_timer(const tcpkit_timer_options& options, UserData user_data,
                             uint64_t* out_timer_id) noexcept {
  const uint64_t id = next_timer_id_.fetch_add(1, std::memory_order_relaxed);
  UserTimers::node_type node = take_node();
  if (node.empty()) return out_of_memory("a timer");
  node.key() = id;
  node.mapped()->begin(id, options, std::move(user_data));
  if (loop_.is_home()) {
    adopt(std::move(node));
  } else {
    auto* task = new (std::nothrow) ArmTask(*this, std::move(node));
    if (task == nullptr) return out_of_memory("a timer");
    const Status status = post_or_delete(loop_, task);
    if (status != TCPKIT_OK) return status;
  }
  if (out_timer_id != nullptr) *out_timer_id = id;
  return TCPKIT_OK;
}

Status UserWork::stop_timer(uint64_t timer_id) noexcept {
  if (loop_.is_home()) {
    if (remove(timer_id)) return TCPKIT_OK;
    return fail(TCPKIT_E_NOT_FOUND, "timer_id %llu is no timer of this loop, or no longer",
                static_cast<unsigned long long>(timer_id));
  }
  auto* task = new (std::nothrow) StopTask(*this, timer_id);
  if (task == nullptr) return out_of_memory("the stop of a timer");
  return post_or_delete(loop_, task);
}

void UserWork::adopt(UserTimers::node_type node) noexcept {
  UserTimer& timer = *node.mapped();
  timers_.insert(std::move(node));
  loop_.timers().arm(timer, timer.first_deadline_ms_);
}

// The timer may stop itself, or be the last thing that its callback wants: so it is looked up again
// by its id after the call.
void UserWork::expire(UserTimer& timer) noexcept {
  const uint64_t id = timer.id_;
  const uint64_t repeat_ms = timer.repeat_ms_;
  if (repeat_ms != 0) {
    const uint64_t last_ms = timer.deadline_ms();
    const uint64_t next_ms = repeat_ms > UINT64_MAX - last_ms ? UINT64_MAX : last_ms + repeat_ms;
    loop_.timers().arm(timer, std::max(next_ms, loop_.turn_ms() + 1));
    // A timer that stops itself frees its user_data after this call, in remove().
    running_timer_id_ = id;
    call(timer.function_, timer.user_data_.get());
    running_timer_id_ = 0;
    if (stop_running_timer_) {
      stop_running_timer_ = false;
      remove(id);
    }
    return;
  }
  UserTimers::node_type owner = timers_.extract(id);
  call(timer.function_, timer.user_data_.get());
  give_back(std::move(owner));
}

bool UserWork::remove(uint64_t timer_id) noexcept {
  if (timer_id != 0 && timer_id == running_timer_id_) {
    const bool first_stop = !stop_running_timer_;
    stop_running_timer_ = true;
    return first_stop;
  }
  const auto found = timers_.find(timer_id);
  if (found == timers_.end()) return false;
  UserTimers::node_type owner = timers_.extract(found);
  loop_.timers().disarm(*owner.mapped());
  give_back(std::move(owner));
  return true;
}

void UserWork::clear() noexcept {
  while (!timers_.empty()) remove(timers_.begin()->first);
  spares_.clear();
}

}  // namespace tcpkit
