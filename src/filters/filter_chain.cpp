// Calls of the filters' callbacks. What they answer is checked, what they throw is caught here,
// since a filter may be called from inside another one, which may be written in C.
#include "filters/filter_chain.h"

#include <algorithm>

namespace tcpkit {

FilterChain::FilterChain(size_t most_output_bytes) noexcept
    : most_output_bytes_(std::min(most_output_bytes, kMostOutputBytes)) {}

Status FilterChain::add(const FilterSpec& spec) noexcept {
  if (size_ == stages_.size()) {
    return fail(TCPKIT_E_LIMIT, "a connection has at most %zu filters", stages_.size());
  }
  void* state = spec.user_data();
  if (spec.table().state_create != nullptr) {
    try {
      state = spec.table().state_create(spec.user_data());
    } catch (...) {
      state = nullptr;
    }
    if (state == nullptr) {
      return fail(TCPKIT_E_CALLBACK, "filter %s: state_create gave none", spec.table().name);
    }
  }
  stages_[size_] = {&spec, state, nullptr};
  ++size_;
  return TCPKIT_OK;
}

Status FilterChain::add(std::unique_ptr<const FilterSpec>& spec) noexcept {
  const Status status = add(*spec);
  if (status == TCPKIT_OK) stages_[size_ - 1].owned = std::move(spec);
  return status;
}

void FilterChain::end() noexcept {
  while (size_ > 0) {
    Stage& stage = stages_[--size_];
    const tcpkit_filter& table = stage.spec->table();
    if (table.state_create != nullptr && table.state_free != nullptr) {
      try {
        table.state_free(stage.state);
      } catch (...) {
        // The state is gone either way, and nobody is left to be told.
        stage.state = nullptr;
      }
    }
    stage = {};
  }
}

// ---- One callback ----

// The first failure of a direction is the one that is told: a filter that hears of the failure of
// the next one has not failed itself.
Status FilterChain::note(Direction direction, const FilterFailure& failure) noexcept {
  FilterFailure& kept = failures_[static_cast<size_t>(direction)];
  if (kept.status == TCPKIT_OK) kept = failure;
  return kept.status;
}

template <typename Call>
Status FilterChain::run(Direction direction, size_t place, const char* step, Call call) noexcept {
  Stage& stage = stage_at(direction, place);
  const tcpkit_filter& table = stage.spec->table();
  tcpkit_filter_output output{*this, direction, place + 1};
  Status status = TCPKIT_OK;
  bool threw = false;
  ++depth_;
  try {
    status = call(table, stage.state, &output);
  } catch (...) {
    status = TCPKIT_E_CALLBACK;
    threw = true;
  }
  --depth_;
  if (failed(direction)) return failure(direction).status;
  if (status == TCPKIT_OK) return TCPKIT_OK;
  return note(direction, {status < 0 ? status : TCPKIT_E_FILTER, threw, table.name, step});
}

// Bytes that no stage is left for are done. Those of a filter that made too many of them fail it.
Status FilterChain::pass(Direction direction, size_t next, ByteView bytes) noexcept {
  if (failed(direction)) return failure(direction).status;
  if (bytes.empty()) return TCPKIT_OK;
  const bool decodes = direction == Direction::kDecode;
  const Transform transform = decodes ? &tcpkit_filter::decode : &tcpkit_filter::encode;
  size_t place = next;
  while (place < size_ && stage_at(direction, place).spec->table().*transform == nullptr) ++place;
  if (place < size_) {
    return run(direction, place, decodes ? "decode" : "encode",
               [&](const tcpkit_filter& table, void* state, tcpkit_filter_output* output) {
                 return (table.*transform)(state, bytes.data(), bytes.size(), output);
               });
  }
  const Status status = sink(direction).out->append(bytes, sink(direction).limit);
  if (status == TCPKIT_OK) return TCPKIT_OK;
  const char* name = next > 0 ? stage_at(direction, next - 1).spec->table().name : "";
  return note(direction, {status, false, name, "output"});
}

// ---- All of them ----

void FilterChain::begin(Direction direction, FilterBuffer& out) noexcept {
  sink(direction) = {&out, out.size() + most_output_bytes_};
}

bool FilterChain::decode(size_t first_stage, ByteView bytes, FilterBuffer& out) noexcept {
  begin(Direction::kDecode, out);
  return pass(Direction::kDecode, first_stage, bytes) == TCPKIT_OK;
}

bool FilterChain::encode(ByteView bytes, FilterBuffer& out) noexcept {
  begin(Direction::kEncode, out);
  return pass(Direction::kEncode, 0, bytes) == TCPKIT_OK;
}

// What a stage writes now still goes through those behind it, so they come after it.
bool FilterChain::end_all(Direction direction, End end, const char* step,
                          FilterBuffer& out) noexcept {
  begin(direction, out);
  for (size_t place = 0; place < size_; ++place) {
    if (failed(direction)) return false;
    if (stage_at(direction, place).spec->table().*end == nullptr) continue;
    (void)run(direction, place, step,
              [&](const tcpkit_filter& table, void* state, tcpkit_filter_output* output) {
                return (table.*end)(state, output);
              });
  }
  return !failed(direction);
}

bool FilterChain::decode_end(FilterBuffer& out) noexcept {
  return end_all(Direction::kDecode, &tcpkit_filter::decode_end, "decode_end", out);
}

bool FilterChain::flush(FilterBuffer& out) noexcept {
  return end_all(Direction::kEncode, &tcpkit_filter::flush, "flush", out);
}

bool FilterChain::encode_end(FilterBuffer& out) noexcept {
  return end_all(Direction::kEncode, &tcpkit_filter::encode_end, "encode_end", out);
}

}  // namespace tcpkit
