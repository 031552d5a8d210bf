// What a connection with filters has besides: its chain, and the bytes that are on one side of it
// and cannot go on.
#pragma once

#include "buffer/write_queue.h"
#include "filters/filter_chain.h"

namespace tcpkit {

struct ConnFilters {
  explicit ConnFilters(size_t most_output_bytes) noexcept : chain(most_output_bytes) {}

  FilterChain chain;
  // Received and not decoded, first to be decoded first. The kind of a block is the first stage
  // that has to see it. Counted like the stash.
  Block* undecoded = nullptr;
  // Encoded, and not taken by the kernel or by TLS.
  WriteQueue encoded;
  // Of filters that were added in this event: what is in the stash then is for these only.
  size_t first_new_stage = 0;
  bool stash_waits = false;  // the framer was not shown all of the stash
  bool decode_ended = false;
  bool needs_flush = false;  // something was encoded since the last one
  bool encode_ended = false;
  char detail[160] = "";  // of a failure, for close info
};

// Per loop, for whichever connection decodes or encodes right now.
struct FilterBuffers {
  explicit FilterBuffers(size_t front_bytes) noexcept : decoded(front_bytes) {}

  FilterBuffer decoded;
  FilterBuffer encoded{0};
  bool encoding = false;  // a callback of a filter may try to write for another connection
};

}  // namespace tcpkit
