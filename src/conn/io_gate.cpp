// The exchanges of the gate, and the waiting.
#include "conn/io_gate.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "base/clock.h"

namespace tcpkit {
namespace {

// Where no descriptor is left to be woken by, a writer looks around this often.
constexpr uint64_t kLookAroundNs = 10'000'000;

int poll_until(pollfd* entries, nfds_t count, uint64_t deadline_ns) noexcept {
  if (deadline_ns == UINT64_MAX) return ppoll(entries, count, nullptr, nullptr);
  const uint64_t now_ns = monotonic_ns();
  const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  const timespec left{static_cast<time_t>(left_ns / 1'000'000'000u),
                      static_cast<long>(left_ns % 1'000'000'000u)};
  return ppoll(entries, count, &left, nullptr);
}

}  // namespace

bool wait_readable(int fd, uint64_t deadline_ns) noexcept {
  pollfd entry{fd, POLLIN, 0};
  return poll_until(&entry, 1, deadline_ns) != 0;
}

IoGate::~IoGate() {
  const int fd = wake_fd_.load();
  if (fd >= 0) close(fd);
}

void IoGate::set_ready() noexcept {
  bits_.fetch_or(kReady);
  bits_.notify_all();
}

bool IoGate::end_handler() noexcept {
  bits_.fetch_and(~uint32_t{kHandler});
  return true;  // it closes now
}

Status IoGate::check() const noexcept {
  const uint32_t bits = bits_.load();
  if ((bits & kClosing) != 0) return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
  if ((bits & kCancelled) != 0) return fail(TCPKIT_E_CANCELLED, "conn: it was cancelled");
  return TCPKIT_OK;
}

Status IoGate::begin(Bit call) noexcept {
  uint32_t bits = bits_.fetch_or(call);
  if ((bits & call) != 0) {
    return fail(TCPKIT_E_WRONG_THREAD, "conn: another thread %s it",
                call == kReading ? "reads from" : "writes to");
  }
  // The loop lets go at the end of the event in which it was asked to.
  for (bits = bits_.load(); (bits & kReady) == 0; bits = bits_.load()) bits_.wait(bits);
  return TCPKIT_OK;
}

bool IoGate::end(Bit call) noexcept {
  constexpr uint32_t kOfReader = kReading | kMidPacket;
  constexpr uint32_t kOfWriter = kWriting | kWriteTurn | kWriterWaits | kLoopWants;
  const uint32_t ending = call == kReading ? kOfReader : kOfWriter;
  const uint32_t before = bits_.fetch_and(~ending);
  const uint32_t others = before & ~ending & (kHandler | kReading | kWriting);
  if ((before & kClosing) != 0 && others == 0) return true;
  return call == kWriting && (before & kLoopWants) != 0;
}

void IoGate::set_mid_packet(bool in_packet) noexcept {
  if (in_packet == has(kMidPacket)) return;
  if (in_packet) {
    bits_.fetch_or(kMidPacket);
  } else {
    bits_.fetch_and(~uint32_t{kMidPacket});
  }
}

bool IoGate::take_write_turn() noexcept {
  uint32_t bits = bits_.load();
  do {
    if ((bits & kLoopTurn) != 0) return false;
  } while (!bits_.compare_exchange_weak(bits, bits | kWriteTurn));
  return true;
}

bool IoGate::drop_write_turn() noexcept {
  return (bits_.fetch_and(~uint32_t{kWriteTurn | kLoopWants}) & kLoopWants) != 0;
}

void IoGate::announce_writer() noexcept {
  open_wake_descriptor();
  bits_.fetch_or(kWriterWaits);
}

void IoGate::open_wake_descriptor() noexcept {
  if (wake_fd_.load() >= 0) return;
  const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (fd >= 0) wake_fd_.store(fd);
}

void IoGate::wait(int fd, uint64_t deadline_ns) noexcept {
  open_wake_descriptor();
  const int wake_fd = wake_fd_.load();
  if (has(kClosing | kCancelled)) return;
  if (wake_fd < 0) deadline_ns = std::min(deadline_ns, monotonic_ns() + kLookAroundNs);
  pollfd entries[] = {{fd, POLLOUT, 0}, {wake_fd, POLLIN, 0}};
  if (poll_until(entries, 2, deadline_ns) <= 0 || entries[1].revents == 0) return;
  uint64_t count = 0;
  (void)!read(wake_fd, &count, sizeof count);
}

bool IoGate::take_loop_turn() noexcept {
  uint32_t bits = bits_.load();
  uint32_t after = 0;
  do {
    after = (bits & kWriteTurn) != 0 ? bits | kLoopWants : bits | kLoopTurn;
  } while (!bits_.compare_exchange_weak(bits, after));
  return (bits & kWriteTurn) == 0;
}

void IoGate::drop_loop_turn() noexcept {
  const uint32_t before = bits_.fetch_and(~uint32_t{kLoopTurn});
  if ((before & kWriterWaits) != 0) wake();
}

void IoGate::wake_waiting_writer() noexcept {
  if (has(kWriterWaits)) wake();
}

void IoGate::wake() noexcept {
  const int fd = wake_fd_.load();
  const uint64_t one = 1;
  if (fd >= 0) (void)!write(fd, &one, sizeof one);
}

void IoGate::interrupt(Bit why, int fd) noexcept {
  const uint32_t before = bits_.fetch_or(why);
  const bool ends_write = why != kDraining;
  const bool ends_read = ends_write || (before & kMidPacket) == 0;
  if ((before & kReading) != 0 && ends_read) {
    bits_.fetch_or(kCut);
    shutdown(fd, SHUT_RD);
  }
  if ((before & kWriting) != 0 && ends_write) wake();
}

}  // namespace tcpkit
