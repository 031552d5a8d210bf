// Which calls that the library makes fail, and how often. The wrappers ask for each call.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace faults {

// Calls that can be made to fail: those of the C library, and the two ways to memory.
enum class Site : uint8_t {
  kAccept,
  kReceive,
  kSend,
  kSocket,
  kBind,
  kListen,
  kSetOption,
  kGetOption,
  kGetName,
  kWatch,
  kOpenEpoll,
  kWait,
  kOpenEvent,
  kStartThread,
  kMap,
  kMalloc,
  kNew
};
inline constexpr size_t kSites = 17;

// How often calls fail, in thousandths; all zero: never.
struct Plan {
  uint64_t seed = 0;
  std::array<uint16_t, kSites> per_mille{};

  Plan& with(Site site, uint16_t often) {
    per_mille[static_cast<size_t>(site)] = often;
    return *this;
  }
};

// What an asking call gets: it may go on, or it fails in the way that `choice` picks.
struct Fate {
  bool fails;
  uint64_t choice;
};
Fate ask(Site site) noexcept;

void begin(const Plan& plan) noexcept;
// Of all calls that follow, only number `index`, from 0, fails.
void begin_only(uint64_t index) noexcept;
// No call fails until resume().
void suspend() noexcept;
void resume() noexcept;
// Returns the number of calls that failed since the begin.
uint64_t end() noexcept;

// Calls of this thread fail too, or do not. A new thread is not spared; those of the library are
// never told.
enum class Mode : uint8_t { kSpared, kExposed };
class Scope {
 public:
  explicit Scope(Mode mode) noexcept;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope();

 private:
  const bool before_;
};

template <typename Call>
auto exposed(Call call) {
  const Scope scope(Mode::kExposed);
  return call();
}

// Blocks of memory that exist now: of operator new anywhere, and of the library's malloc.
int64_t live_blocks() noexcept;

}  // namespace faults
