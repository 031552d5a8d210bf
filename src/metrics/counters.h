// What one loop counts. Each counter has one writer, the loop; any thread reads it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "tcpkit.h"

namespace tcpkit {

// A number with one writer: no locked instruction is needed to add to it. Relaxed, because readers
// want the number and order nothing by it.
class Counter {
 public:
  void add(uint64_t amount) noexcept {
    value_.store(value_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// On cache lines of its own, so that loops do not slow each other down.
struct alignas(64) LoopCounters {
  Counter read_bytes;
  Counter written_bytes;
  Counter packets_read;
  Counter packets_written;
  Counter packets_discarded;
  Counter tails;
  Counter tail_bytes;
  Counter frame_errors;
  Counter callback_errors;
  Counter accepted;
  Counter closed;
  Counter accept_errors;
  Counter accept_out_of_files;
  Counter refused_connections;
  Counter output_pauses;
  Counter idle_timeouts;
  Counter read_timeouts;
  Counter write_timeouts;
  Counter drained;
  Counter drained_by_force;
  Counter drain_lost_bytes;
  Counter refused_by_address;
  Counter refused_by_prefix;
  Counter refused_by_rate;
  Counter accept_waits;
  Counter proxy_headers;
  Counter proxy_errors;
  Counter rate_timeouts;
  Counter refused_by_files;
  Counter tls_handshakes;
  Counter tls_resumed;
  Counter tls_failures;
  Counter refused_by_handshakes;
  Counter filter_errors;
  Counter connects;
  Counter connect_failures;
  Counter reconnects;
  Counter broadcasts;
  Counter frames_queued;
  Counter frames_dropped;
  Counter slow_consumers;
  Counter refused_by_threads;
};

// What the blocking calls of one detached connection count. Those of reading have one writer, those
// of writing another.
struct CallCounters {
  Counter read_bytes;
  Counter packets_read;
  Counter packets_discarded;
  Counter tails;
  Counter tail_bytes;
  Counter frame_errors;
  alignas(64) Counter written_bytes;
  Counter packets_written;
};

// A number of things that are there now, with the most there ever were. Any thread.
class Gauge {
 public:
  // False, and nothing added, if there would be more than limit then.
  bool add_up_to(uint64_t amount, uint64_t limit) noexcept {
    uint64_t now = now_.load(std::memory_order_relaxed);
    do {
      if (amount > limit || now > limit - amount) return false;
    } while (!now_.compare_exchange_weak(now, now + amount, std::memory_order_relaxed));
    raise_most(now + amount);
    return true;
  }
  void add_one() noexcept { add(1); }
  void remove_one() noexcept { remove(1); }
  void add(uint64_t amount) noexcept {
    raise_most(now_.fetch_add(amount, std::memory_order_relaxed) + amount);
  }
  void remove(uint64_t amount) noexcept { now_.fetch_sub(amount, std::memory_order_relaxed); }
  uint64_t now() const noexcept { return now_.load(std::memory_order_relaxed); }
  uint64_t most() const noexcept { return most_.load(std::memory_order_relaxed); }

 private:
  void raise_most(uint64_t now) noexcept {
    uint64_t most = most_.load(std::memory_order_relaxed);
    while (now > most && !most_.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
    }
  }

  std::atomic<uint64_t> now_{0};
  std::atomic<uint64_t> most_{0};
};

// Adds one loop's counters to a snapshot.
void add_counters(const LoopCounters& counters, tcpkit_metrics& metrics) noexcept;
// The same for one detached connection, and its end: they become the loop's.
void add_counters(const CallCounters& counters, tcpkit_metrics& metrics) noexcept;
void add_counters(const CallCounters& counters, LoopCounters& sum) noexcept;

}  // namespace tcpkit
