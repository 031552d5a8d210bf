// The filters of one connection, one behind the other: bytes go in at one end and come out of the
// other, or a filter fails. Knows no connection and no I/O.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"
#include "filters/filter_buffer.h"
#include "filters/filter_spec.h"

namespace tcpkit {

// Which filter failed, and in which of its callbacks.
struct FilterFailure {
  Status status = TCPKIT_OK;
  bool threw = false;
  const char* filter = "";  // its name, as long as the chain has it
  const char* step = "";
};

// Stage 0 is nearest to the network.
//
// A filter pushes: what it writes is handed to the next one inside that call, so between two of
// them nothing is kept, and only what comes out of the last one needs a buffer. Rejected: filters
// that are asked for their output piece by piece. They would have to keep their input, each in its
// own way, and a compressor has its own buffers already.
//
// Home thread: that of the loop.
class FilterChain {
 public:
  // Most that one call on a piece of input may make, if there is no smaller limit.
  static constexpr size_t kMostOutputBytes = 16u << 20;

  enum class Direction : uint8_t { kDecode, kEncode };

  explicit FilterChain(size_t most_output_bytes) noexcept;
  FilterChain(const FilterChain&) = delete;
  FilterChain& operator=(const FilterChain&) = delete;
  ~FilterChain() { end(); }

  // Adds a stage behind the last one and makes its state. TCPKIT_E_LIMIT, or TCPKIT_E_CALLBACK if
  // it gives none. The spec is borrowed, or owned.
  Status add(const FilterSpec& spec) noexcept;
  Status add(std::unique_ptr<const FilterSpec>& spec) noexcept;  // taken only if it succeeds

  // Frees the states, the last stage first.
  void end() noexcept;

  // Each adds to out. False: a filter of that direction has failed, now or before.
  bool decode(size_t first_stage, ByteView bytes, FilterBuffer& out) noexcept;
  bool decode_end(FilterBuffer& out) noexcept;
  bool encode(ByteView bytes, FilterBuffer& out) noexcept;
  bool flush(FilterBuffer& out) noexcept;
  bool encode_end(FilterBuffer& out) noexcept;

  // For tcpkit_filter_write: hands bytes to the stages from next on, counted in their direction.
  Status pass(Direction direction, size_t next, ByteView bytes) noexcept;

  size_t size() const noexcept { return size_; }
  // A callback of a filter runs.
  bool is_running() const noexcept { return depth_ > 0; }
  const FilterFailure& failure(Direction direction) const noexcept {
    return failures_[static_cast<size_t>(direction)];
  }
  bool failed(Direction direction) const noexcept { return failure(direction).status != TCPKIT_OK; }
  size_t most_output_bytes() const noexcept { return most_output_bytes_; }

 private:
  struct Stage {
    const FilterSpec* spec;
    void* state;
    std::unique_ptr<const FilterSpec> owned;
  };
  using Transform = tcpkit_status (*tcpkit_filter::*)(void*, const uint8_t*, size_t,
                                                      tcpkit_filter_output*);
  using End = tcpkit_status (*tcpkit_filter::*)(void*, tcpkit_filter_output*);

  // Stages in the order in which bytes of a direction meet them.
  Stage& stage_at(Direction direction, size_t place) noexcept {
    return stages_[direction == Direction::kDecode ? place : size_ - 1 - place];
  }
  template <typename Call>
  Status run(Direction direction, size_t place, const char* step, Call call) noexcept;
  Status note(Direction direction, const FilterFailure& failure) noexcept;
  bool end_all(Direction direction, End end, const char* step, FilterBuffer& out) noexcept;
  // Where the bytes of a direction end, and how many may be there after the call that runs. Each
  // direction has its own, since a filter that decodes may send.
  struct Sink {
    FilterBuffer* out = nullptr;
    size_t limit = 0;
  };
  Sink& sink(Direction direction) noexcept { return sinks_[static_cast<size_t>(direction)]; }
  void begin(Direction direction, FilterBuffer& out) noexcept;

  std::array<Stage, FilterSpec::kMostFilters> stages_{};
  size_t size_ = 0;
  const size_t most_output_bytes_;
  uint32_t depth_ = 0;
  std::array<Sink, 2> sinks_{};
  std::array<FilterFailure, 2> failures_{};
};

}  // namespace tcpkit

// What a filter writes to: the rest of its chain.
struct tcpkit_filter_output {
  tcpkit::FilterChain& chain;
  tcpkit::FilterChain::Direction direction;
  size_t next;
};
