// A write queue with its pool, and what it would send as one string.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "buffer/write_queue.h"

namespace tcpkit::test {

inline ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Text in which no two near places look alike.
inline std::string patterned_text(size_t size, size_t seed = 0) {
  std::string cycle(251, '\0');
  for (size_t i = 0; i < cycle.size(); ++i) cycle[i] = static_cast<char>((i + seed) % cycle.size());
  std::string text;
  text.reserve(size + cycle.size());
  while (text.size() < size) text += cycle;
  text.resize(size);
  return text;
}

struct Queue {
  BlockPool pool;
  WriteQueue queue;

  ~Queue() { queue.clear(pool); }

  bool append(std::string_view text) {
    const ByteView piece = bytes_of(text);
    return queue.append(pool, {&piece, 1}, piece.size());
  }
  bool append_shared(std::string_view text) {
    return queue.append_shared(pool, *SharedBuffer::copy(bytes_of(text)));
  }
  void consume(size_t bytes) { queue.consume(pool, bytes); }
  void settle() { queue.settle(pool); }
  void clear() { queue.clear(pool); }

  // Sizes of the pieces that the next write would send.
  std::vector<size_t> piece_sizes() const {
    std::array<iovec, 4096> entries;
    std::vector<size_t> sizes;
    const size_t count = queue.gather(entries);
    for (size_t i = 0; i < count; ++i) sizes.push_back(entries[i].iov_len);
    return sizes;
  }
  std::string text() const {
    std::array<iovec, 4096> entries;
    std::string whole;
    const size_t count = queue.gather(entries);
    for (size_t i = 0; i < count; ++i) {
      whole.append(static_cast<const char*>(entries[i].iov_base), entries[i].iov_len);
    }
    return whole;
  }
};

}  // namespace tcpkit::test
