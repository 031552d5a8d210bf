// What travels in a run, so that every byte that comes back can be told to be right: packets of a
// client that are echoed, and announcements of the server that are counted per connection.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tcpkit.h"

namespace faults {

enum class Cut : uint8_t { kNone, kLine, kLength4 };

inline tcpkit_framing framing_of(Cut cut) {
  if (cut == Cut::kLine) return tcpkit_framing_line();
  if (cut == Cut::kLength4) return tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  return TCPKIT_FRAMING_INIT;
}

inline std::string framed_packet(Cut cut, std::string_view packet) {
  std::string frame;
  if (cut == Cut::kLength4) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      frame += static_cast<char>(packet.size() >> shift & 0xFF);
    }
  }
  frame += packet;
  if (cut == Cut::kLine) frame += '\n';
  return frame;
}

// Takes the first whole packet off stream; false if there is none.
inline bool take_packet(Cut cut, std::string_view& stream, std::string_view& packet) {
  if (cut == Cut::kLine) {
    const size_t end = stream.find('\n');
    if (end == std::string_view::npos) return false;
    packet = stream.substr(0, end);
    stream.remove_prefix(end + 1);
    return true;
  }
  if (stream.size() < 4) return false;
  size_t size = 0;
  for (size_t i = 0; i < 4; ++i) size = size << 8 | static_cast<uint8_t>(stream[i]);
  if (stream.size() - 4 < size) return false;
  packet = stream.substr(4, size);
  stream.remove_prefix(4 + size);
  return true;
}

// Packet number `index` of client number `client`: of a size that both know, and like no other.
inline std::string client_packet(uint64_t client, uint64_t index, size_t size) {
  std::string packet = "C" + std::to_string(client) + ":" + std::to_string(index) + ":";
  for (uint64_t i = packet.size(); i < size; ++i) {
    packet += static_cast<char>('a' + (i * 7 + index + client) % 26);
  }
  return packet;
}

// Announcement number `index` to the connection `id`.
inline std::string announcement(uint64_t id, uint64_t index) {
  return "A" + std::to_string(id) + ":" + std::to_string(index) + ":news";
}

}  // namespace faults
