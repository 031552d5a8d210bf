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
  std::string congestion_control;
  Histogram latency;
};

void print_result(const Options& options, const Result& result);

// CPU seconds that all threads of a process have used; below 0 if that cannot be read.
double read_cpu_seconds(int pid);

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
  double cpu_seconds_at_begin_ = 0;
};

}  // namespace tcpkit::load
