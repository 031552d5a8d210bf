// The framing settings of tcpkit.h: ready-made ones, and those with a text name. The framing room
// validates them when an object is created with them.
#include <charconv>
#include <cstring>
#include <string_view>

#include "api/guard.h"
#include "tcpkit.h"

namespace {

using tcpkit::fail;
using tcpkit::Status;

tcpkit_framing make_framing(tcpkit_framing_kind kind) noexcept {
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  framing.kind = kind;
  return framing;
}

tcpkit_framing make_separator(std::string_view separator) noexcept {
  tcpkit_framing framing = make_framing(TCPKIT_FRAMING_SEPARATOR);
  framing.separator_size = separator.size();
  std::memcpy(framing.separator_bytes, separator.data(), separator.size());
  return framing;
}

struct NamedFraming {
  std::string_view name;
  tcpkit_framing (*make)();
};

constexpr NamedFraming kNamedFramings[] = {
    {"none", [] { return make_framing(TCPKIT_FRAMING_NONE); }},
    {"line", tcpkit_framing_line},
    {"crlf", tcpkit_framing_crlf},
    {"nul", tcpkit_framing_nul},
    {"len1", [] { return tcpkit_framing_length(1, TCPKIT_BIG_ENDIAN); }},
    {"len2be", [] { return tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN); }},
    {"len2le", [] { return tcpkit_framing_length(2, TCPKIT_LITTLE_ENDIAN); }},
    {"len3be", [] { return tcpkit_framing_length(3, TCPKIT_BIG_ENDIAN); }},
    {"len3le", [] { return tcpkit_framing_length(3, TCPKIT_LITTLE_ENDIAN); }},
    {"len4be", [] { return tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN); }},
    {"len4le", [] { return tcpkit_framing_length(4, TCPKIT_LITTLE_ENDIAN); }},
    {"len8be", [] { return tcpkit_framing_length(8, TCPKIT_BIG_ENDIAN); }},
    {"len8le", [] { return tcpkit_framing_length(8, TCPKIT_LITTLE_ENDIAN); }},
    {"varint", tcpkit_framing_varint},
    {"varlong", tcpkit_framing_varlong},
    {"kafka", tcpkit_framing_kafka},
    {"minecraft", tcpkit_framing_minecraft},
    {"mqtt", tcpkit_framing_mqtt},
};

constexpr std::string_view kFixedPrefix = "fixed:";
constexpr std::string_view kSeparatorPrefix = "separator:";

Status parse_fixed(std::string_view digits, tcpkit_framing& out) noexcept {
  size_t size = 0;
  const char* end = digits.data() + digits.size();
  const std::from_chars_result result = std::from_chars(digits.data(), end, size);
  if (result.ec != std::errc() || result.ptr != end || size == 0) {
    return fail(TCPKIT_E_BAD_VALUE, "framing fixed:N needs a number of bytes from 1, not \"%.64s\"",
                digits.data());
  }
  out = tcpkit_framing_fixed(size);
  return TCPKIT_OK;
}

// Reads the byte that an escape at the start of text stands for; returns the characters of the
// escape, 0 if it is none.
size_t read_escape(std::string_view text, uint8_t& byte) noexcept {
  constexpr std::string_view kNames = "rnt0\\";
  constexpr std::string_view kBytes{"\r\n\t\0\\", 5};
  if (text.size() < 2) return 0;
  const size_t index = kNames.find(text[1]);
  if (index != std::string_view::npos) {
    byte = static_cast<uint8_t>(kBytes[index]);
    return 2;
  }
  if (text[1] != 'x' || text.size() < 4) return 0;
  const char* digits = text.data() + 2;
  const std::from_chars_result result = std::from_chars(digits, digits + 2, byte, 16);
  return result.ec == std::errc() && result.ptr == digits + 2 ? 4 : 0;
}

Status parse_separator(std::string_view text, tcpkit_framing& out) noexcept {
  tcpkit_framing framing = make_framing(TCPKIT_FRAMING_SEPARATOR);
  for (std::string_view rest = text; !rest.empty();) {
    uint8_t byte = static_cast<uint8_t>(rest.front());
    const size_t taken = byte == '\\' ? read_escape(rest, byte) : 1;
    if (taken == 0) {
      return fail(TCPKIT_E_BAD_VALUE, "framing separator: unknown escape at \"%.64s\"",
                  rest.data());
    }
    if (framing.separator_size == sizeof framing.separator_bytes) {
      return fail(TCPKIT_E_BAD_VALUE, "framing separator: more than %zu bytes",
                  sizeof framing.separator_bytes);
    }
    framing.separator_bytes[framing.separator_size++] = byte;
    rest.remove_prefix(taken);
  }
  if (framing.separator_size == 0) {
    return fail(TCPKIT_E_BAD_VALUE, "framing separator:TEXT needs at least 1 byte of TEXT");
  }
  out = framing;
  return TCPKIT_OK;
}

Status parse_framing(std::string_view text, tcpkit_framing& out) noexcept {
  for (const NamedFraming& row : kNamedFramings) {
    if (row.name != text) continue;
    out = row.make();
    return TCPKIT_OK;
  }
  if (text.starts_with(kFixedPrefix)) return parse_fixed(text.substr(kFixedPrefix.size()), out);
  if (text.starts_with(kSeparatorPrefix)) {
    return parse_separator(text.substr(kSeparatorPrefix.size()), out);
  }
  return fail(TCPKIT_E_BAD_VALUE, "no framing is called \"%.64s\"", text.data());
}

}  // namespace

void tcpkit_framing_callbacks_init(tcpkit_framing_callbacks* callbacks) {
  if (callbacks == nullptr) return;
  *callbacks = TCPKIT_FRAMING_CALLBACKS_INIT;
}

void tcpkit_framing_init(tcpkit_framing* framing) {
  if (framing == nullptr) return;
  *framing = make_framing(TCPKIT_FRAMING_NONE);
}

tcpkit_framing tcpkit_framing_line(void) {
  return make_separator("\n");
}

tcpkit_framing tcpkit_framing_crlf(void) {
  return make_separator("\r\n");
}

tcpkit_framing tcpkit_framing_nul(void) {
  return make_separator({"\0", 1});
}

// NULL becomes a separator of size 0, which create refuses, and not the bytes in separator_bytes.
tcpkit_framing tcpkit_framing_separator(const void* separator, size_t separator_size) {
  tcpkit_framing framing = make_framing(TCPKIT_FRAMING_SEPARATOR);
  framing.separator = separator;
  framing.separator_size = separator == nullptr ? 0 : separator_size;
  return framing;
}

tcpkit_framing tcpkit_framing_length(uint32_t length_size, tcpkit_byte_order byte_order) {
  tcpkit_framing framing = make_framing(TCPKIT_FRAMING_LENGTH);
  framing.length_size = length_size;
  framing.byte_order = byte_order;
  return framing;
}

tcpkit_framing tcpkit_framing_varint(void) {
  return make_framing(TCPKIT_FRAMING_VARINT);
}

tcpkit_framing tcpkit_framing_varlong(void) {
  return make_framing(TCPKIT_FRAMING_VARLONG);
}

tcpkit_framing tcpkit_framing_fixed(size_t fixed_size) {
  tcpkit_framing framing = make_framing(TCPKIT_FRAMING_FIXED);
  framing.fixed_size = fixed_size;
  return framing;
}

tcpkit_framing tcpkit_framing_kafka(void) {
  return tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
}

tcpkit_framing tcpkit_framing_minecraft(void) {
  tcpkit_framing framing = tcpkit_framing_varint();
  framing.length_size = 3;
  return framing;
}

tcpkit_framing tcpkit_framing_mqtt(void) {
  tcpkit_framing framing = tcpkit_framing_varint();
  framing.length_size = 4;
  framing.length_offset = 1;
  framing.strip_size = TCPKIT_STRIP_NONE;
  return framing;
}

tcpkit_status tcpkit_framing_parse(const char* text, tcpkit_framing* out_framing) {
  return tcpkit::guarded([&]() -> Status {
    Status status = tcpkit::check_not_null(text, "text");
    if (status == TCPKIT_OK) status = tcpkit::check_not_null(out_framing, "out_framing");
    if (status != TCPKIT_OK) return status;
    return parse_framing(text, *out_framing);
  });
}
