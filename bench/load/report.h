// What a run measured, and the one line of JSON that tells it.
#pragma once

#include <cstdint>
#include <string>

#include "histogram.h"
#include "options.h"

namespace tcpkit::load {

struct Result {
  std::uint64_t messages = 0;      // answered during the measured interval; connects for `connect`
  std::uint64_t bytes = 0;         // received and checked during the measured interval
  std::uint64_t errors = 0;        // wrong bytes, broken or refused connections
  double seconds = 0;              // length of the measured interval
  double server_cpu_seconds = -1;  // below 0: not measured
  double waited_seconds = 0;       // server and load were ready to run, but others had their cores
  std::string congestion_control;
  Histogram latency;
};

void print_result(const Options& options, const Result& result);

// What the scheduler gave to all threads of a process so far.
struct CpuTimes {
  double run_seconds = 0;
  double wait_seconds = 0;  // in a run queue
};

// Zeros if that cannot be read.
CpuTimes read_cpu_times(int pid);

// Brackets the measured interval: counters that run during the warm-up are taken back by begin().
class Interval {
 public:
  explicit Interval(const Options& options);

  // Returns true once the interval is over; begins it when the warm-up is.
  bool advance(std::uint64_t now, Result& result) {
    if (now < next_step_ns_) return false;
    return step(now, result);
  }

 private:
  bool step(std::uint64_t now, Result& result);

  const Options& options_;
  std::uint64_t next_step_ns_;
  std::uint64_t began_ns_ = 0;  // 0: still warming up
  CpuTimes server_at_begin_;
  CpuTimes load_at_begin_;
};

}  // namespace tcpkit::load
