// One run: a server, some clients and faults, all drawn from one seed; then the books are checked.
#pragma once

#include <functional>
#include <string>

#include "faults/faults.h"
#include "faults/settings.h"

namespace faults {

// Adjusts what the seed has drawn to what a test is about.
using Theme = std::function<void(Settings&, Plan&)>;

// TCPKIT_FAULT_RUNS runs, or `usual`, from TCPKIT_FAULT_SEED or `first_seed` on. With a seed in the
// environment it is one run by default. Stops at the first seed that fails.
void run_many(uint64_t first_seed, uint64_t usual, const Theme& theme);

// Ends the process, and says which seed it was, if what follows takes too long.
class Watchdog {
 public:
  explicit Watchdog(uint64_t seed);
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;
  ~Watchdog();
};

// What a run must leave as it was.
class Belongings {
 public:
  Belongings();
  // Waits a moment for threads that are about to end.
  void check() const;

 private:
  int64_t blocks_;
  size_t descriptors_;
};

// Things that are made once and stay for the life of the process are made now.
void warm_up();

}  // namespace faults
