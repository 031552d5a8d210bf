// Comma-separated texts and host names in them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tcpkit {

// The items of "a, b,c" without the blanks around them; an empty one stays an item.
inline std::vector<std::string> split_commas(std::string_view text) {
  std::vector<std::string> items;
  for (;;) {
    const size_t length = text.find(',');
    std::string_view item = text.substr(0, length);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    items.emplace_back(item);
    if (length == std::string_view::npos) return items;
    text.remove_prefix(length + 1);
  }
}

// Host names are compared without regard to the case of ASCII letters.
inline std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& letter : lower) {
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  }
  return lower;
}

}  // namespace tcpkit
