// Text into a caller's buffer, with the length that it needs.
#pragma once

#include <cstddef>
#include <cstring>
#include <string_view>

namespace tcpkit {

// Copies as much as fits, always with a NUL, and returns the length of the whole text.
inline size_t write_text(std::string_view text, char* buffer, size_t buffer_size) noexcept {
  if (buffer == nullptr || buffer_size == 0) return text.size();
  const size_t copied = text.size() < buffer_size ? text.size() : buffer_size - 1;
  std::memcpy(buffer, text.data(), copied);
  buffer[copied] = '\0';
  return text.size();
}

}  // namespace tcpkit
