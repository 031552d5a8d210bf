// The turn of a loop: wait, dispatch what is ready, run posted tasks, fire timers, end the turn.
#include "loop/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace tcpkit {
namespace {

constexpr int kEventsPerTurn = 512;
constexpr uint64_t kLongestSleepMs = 3'600'000;

}  // namespace

Loop::~Loop() {
  close();
  if (wake_fd_ >= 0) ::close(wake_fd_);
  if (epoll_fd_ >= 0) ::close(epoll_fd_);
}

int Loop::open_descriptors() noexcept {
  if (epoll_fd_ < 0) epoll_fd_ = epoll_create1(EPOLL_CLOEXEC);
  if (epoll_fd_ < 0) return errno;
  if (wake_fd_ >= 0) return 0;
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd < 0) return errno;
  // Edge-triggered: each write is a new edge, so a wake-up costs one write and no read.
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  if (epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) != 0) {
    const int error = errno;
    ::close(fd);
    return error;
  }
  wake_fd_ = fd;
  return 0;
}

Status Loop::open() noexcept {
  const int error = open_descriptors();
  if (error != 0) return fail_errno(error, "cannot open the descriptors of a loop");
  turn_ms_ = now_ns() / 1'000'000u;
  timers_.start_at(turn_ms_);
  finished_ = false;
  tasks_.reopen();
  return TCPKIT_OK;
}

void Loop::close() noexcept {
  home_thread_.store(this_thread(), std::memory_order_relaxed);
  run_list(tasks_.close());
  home_thread_.store(0, std::memory_order_relaxed);
}

bool Loop::post(Task* task) noexcept {
  const TaskQueue::Pushed pushed = tasks_.push(task);
  if (pushed == TaskQueue::Pushed::kRefused) return false;
  if (pushed == TaskQueue::Pushed::kFirst && !is_home()) {
    const uint64_t one = 1;
    // EAGAIN needs 2^64-2 unread wake-ups; nothing else can fail.
    (void)!write(wake_fd_, &one, sizeof one);
  }
  return true;
}

int Loop::watch(Watch& watch, int fd, uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watch;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

int Loop::rewatch(Watch& watch, int fd, uint32_t events) noexcept {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &watch;
  return epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

void Loop::unwatch(int fd) noexcept {
  epoll_event ignored{};
  epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, &ignored);
}

uint64_t Loop::deadline_in(uint64_t delay_ms) const noexcept {
  const uint64_t now = now_ms();
  return delay_ms > UINT64_MAX - now ? UINT64_MAX : now + delay_ms;
}

int Loop::wait_ms(uint64_t next_timer_ms) const noexcept {
  if (next_timer_ms == TimerWheel::kNever) return -1;
  const uint64_t now_ms = now_ns() / 1'000'000u;
  if (next_timer_ms <= now_ms) return 0;
  return static_cast<int>(std::min(next_timer_ms - now_ms, kLongestSleepMs));
}

void Loop::wait_and_dispatch(bool may_sleep) noexcept {
  epoll_event events[kEventsPerTurn];
  const int timeout_ms = may_sleep && tasks_.empty() ? wait_ms(timers_.next_ms()) : 0;
  const int count = epoll_wait(epoll_fd_, events, kEventsPerTurn, timeout_ms);
  turn_ms_ = now_ns() / 1'000'000u;
  for (int i = 0; i < count; ++i) {
    auto* watch = static_cast<Watch*>(events[i].data.ptr);
    if (watch != nullptr) watch->on_ready(events[i].events);  // null: the wake-up descriptor
  }
}

void Loop::run_list(Task* list) noexcept {
  while (list != nullptr) TaskQueue::pop(list)->run();
}

void Loop::run_tasks() noexcept {
  if (!tasks_.empty()) run_list(tasks_.take_all());
}

void Loop::run(TurnEnd& turn_end) noexcept {
  home_thread_.store(this_thread(), std::memory_order_relaxed);
  bool more_to_do = true;
  while (!finished_) {
    wait_and_dispatch(!more_to_do);
    run_tasks();
    timers_.advance(turn_ms_);
    more_to_do = turn_end.finish_turn();
  }
  run_list(tasks_.close());
  turn_end.finish_turn();
  home_thread_.store(0, std::memory_order_relaxed);
}

}  // namespace tcpkit
