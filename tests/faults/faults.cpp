// The plan of a run. Each site counts its calls, so that a seed decides the fate of the n-th call
// of a kind, whichever thread makes it.
#include "faults/faults.h"

#include <atomic>

namespace faults {
namespace {

constexpr uint64_t kNoCall = UINT64_MAX;

// Atomic because a thread that ends late may still look while the next run is prepared.
std::atomic<bool> active{false};
std::atomic<uint64_t> seed{0};
std::array<std::atomic<uint16_t>, kSites> per_mille{};
std::array<std::atomic<uint64_t>, kSites> calls{};
std::atomic<uint64_t> only_call{kNoCall};
std::atomic<uint64_t> all_calls{0};
std::atomic<uint64_t> failed_calls{0};

thread_local constinit bool t_spared = false;

// The finaliser of SplitMix64.
uint64_t mixed(uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
  return value ^ (value >> 31);
}

}  // namespace

Fate ask(Site site) noexcept {
  if (t_spared || !active.load(std::memory_order_acquire)) return {false, 0};
  const auto index = static_cast<size_t>(site);
  const uint64_t only = only_call.load(std::memory_order_relaxed);
  const uint64_t number = calls[index].fetch_add(1, std::memory_order_relaxed);
  const uint64_t drawn =
      mixed(seed.load(std::memory_order_relaxed) + (number * kSites + index) * 0x9E3779B97F4A7C15u);
  bool fails = false;
  if (only != kNoCall) {
    fails = all_calls.fetch_add(1, std::memory_order_relaxed) == only;
  } else {
    fails = drawn % 1000 < per_mille[index].load(std::memory_order_relaxed);
  }
  if (fails) failed_calls.fetch_add(1, std::memory_order_relaxed);
  return {fails, drawn / 1000};
}

void begin(const Plan& plan) noexcept {
  seed = plan.seed;
  only_call = kNoCall;
  all_calls = failed_calls = 0;
  for (size_t i = 0; i < kSites; ++i) {
    per_mille[i] = plan.per_mille[i];
    calls[i] = 0;
  }
  active.store(true, std::memory_order_release);
}

void begin_only(uint64_t index) noexcept {
  begin({index, {}});
  only_call = index;
}

void suspend() noexcept {
  active = false;
}

void resume() noexcept {
  active.store(true, std::memory_order_release);
}

uint64_t end() noexcept {
  suspend();
  return failed_calls;
}

Scope::Scope(Mode mode) noexcept : before_(t_spared) {
  t_spared = mode == Mode::kSpared;
}

Scope::~Scope() {
  t_spared = before_;
}

}  // namespace faults
