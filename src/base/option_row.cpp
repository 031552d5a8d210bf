// Fields of structs of options by their rows: from text of config files, environment and command
// lines, and the defaults and ranges of what comes in a struct.
#include "base/option_row.h"

#include <charconv>
#include <cstring>

namespace tcpkit {
namespace {

static_assert(sizeof(size_t) == sizeof(uint64_t), "fields of type size_t are read as 64 bits");

unsigned char* field_of(const OptionRow& row, void* options) noexcept {
  return static_cast<unsigned char*>(options) + row.offset;
}

uint64_t read_field(const unsigned char* field, OptionType type) noexcept {
  if (is_32_bit(type)) {
    uint32_t value;
    std::memcpy(&value, field, sizeof value);
    return value;
  }
  uint64_t value;
  std::memcpy(&value, field, sizeof value);
  return value;
}

void write_field(unsigned char* field, OptionType type, uint64_t value) noexcept {
  if (is_32_bit(type)) {
    const auto narrow = static_cast<uint32_t>(value);
    std::memcpy(field, &narrow, sizeof narrow);
  } else {
    std::memcpy(field, &value, sizeof value);
  }
}

uint64_t unlimited_of(const OptionRow& row) noexcept {
  return is_32_bit(row.type) ? UINT32_MAX : UINT64_MAX;
}

bool same_key(std::string_view key, std::string_view written) noexcept {
  if (key.size() != written.size()) return false;
  for (size_t i = 0; i < key.size(); ++i) {
    if (key[i] != (written[i] == '-' ? '_' : written[i])) return false;
  }
  return true;
}

// "64k": digits and a power of 1024; false if it is no number, or too large for 64 bits.
bool parse_size(std::string_view text, uint64_t& value) noexcept {
  unsigned shift = 0;
  if (!text.empty()) {
    const char suffix = text.back();
    if (suffix == 'k' || suffix == 'K') shift = 10;
    if (suffix == 'm' || suffix == 'M') shift = 20;
    if (suffix == 'g' || suffix == 'G') shift = 30;
  }
  if (shift != 0) text.remove_suffix(1);
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc() || stop != end) return false;
  if (shift != 0 && value > (UINT64_MAX >> shift)) return false;
  value <<= shift;
  return true;
}

bool parse_count(std::string_view text, uint64_t& value) noexcept {
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, value);
  return !text.empty() && error == std::errc() && stop == end;
}

Status parse_number(const OptionRow& row, const char* text, uint64_t& value) noexcept {
  if (row.may_be_unlimited && std::strcmp(text, row.unlimited_text) == 0) {
    value = unlimited_of(row);
    return TCPKIT_OK;
  }
  const bool parsed =
      row.type == OptionType::kSize ? parse_size(text, value) : parse_count(text, value);
  const char* word = row.may_be_unlimited ? row.unlimited_text : "";
  const char* quote = row.may_be_unlimited ? "\"" : "";
  if (!parsed) {
    return fail(TCPKIT_E_BAD_VALUE, "%s: \"%s\" is not a number%s%s%s%s%s", row.key, text,
                row.type == OptionType::kSize ? " of bytes" : "",
                row.may_be_unlimited ? " or " : "", quote, word, quote);
  }
  if (value >= row.smallest && value <= row.largest) return TCPKIT_OK;
  return fail(TCPKIT_E_BAD_VALUE, "%s: \"%s\" is outside %llu to %llu%s%s%s%s", row.key, text,
              static_cast<unsigned long long>(row.smallest),
              static_cast<unsigned long long>(row.largest),
              row.may_be_unlimited ? "; for no limit write " : "", quote, word, quote);
}

Status set_number(const OptionRow& row, const char* text, unsigned char* field) noexcept {
  uint64_t value = 0;
  const Status status = parse_number(row, text, value);
  if (status == TCPKIT_OK) write_field(field, row.type, value);
  return status;
}

Status set_choice(const OptionRow& row, const char* text, unsigned char* field) noexcept {
  for (const NamedValue& named : row.names) {
    if (std::strcmp(named.name, text) != 0) continue;
    std::memcpy(field, &named.value, sizeof named.value);
    return TCPKIT_OK;
  }
  return fail(TCPKIT_E_BAD_VALUE, "%s: \"%s\" is not one of %s", row.key, text, row.value_syntax);
}

Status check_number(const OptionRow& row, uint64_t value) noexcept {
  if (row.may_be_unlimited && value == unlimited_of(row)) return TCPKIT_OK;
  if (value >= row.smallest && value <= row.largest) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT, "options: %s is %llu, outside %llu to %llu", row.key,
              static_cast<unsigned long long>(value), static_cast<unsigned long long>(row.smallest),
              static_cast<unsigned long long>(row.largest));
}

Status check_choice(const OptionRow& row, uint64_t value) noexcept {
  for (const NamedValue& named : row.names) {
    if (static_cast<uint64_t>(named.value) == value) return TCPKIT_OK;
  }
  return fail(TCPKIT_E_INVALID_ARGUMENT, "options: %s is %d, which is none of its constants",
              row.key, static_cast<int>(value));
}

}  // namespace

const OptionRow* find_option(std::span<const OptionRow> table, const char* key) noexcept {
  for (const OptionRow& row : table) {
    if (same_key(row.key, key)) return &row;
  }
  (void)fail(TCPKIT_E_UNKNOWN_OPTION, "there is no option \"%s\"", key);
  return nullptr;
}

Status set_field(const OptionRow& row, void* options, const char* text) noexcept {
  unsigned char* field = field_of(row, options);
  if (is_choice(row.type)) return set_choice(row, text, field);
  if (row.type != OptionType::kText) return set_number(row, text, field);
  std::memcpy(field, &text, sizeof text);
  return TCPKIT_OK;
}

Status resolve_fields(std::span<const OptionRow> table, void* options) noexcept {
  for (const OptionRow& row : table) {
    if (row.type == OptionType::kText || row.type == OptionType::kFraming) continue;
    unsigned char* field = field_of(row, options);
    const uint64_t value = read_field(field, row.type);
    if (value == 0) {
      write_field(field, row.type, row.fallback);
      continue;
    }
    const Status status = is_choice(row.type) ? check_choice(row, value) : check_number(row, value);
    if (status != TCPKIT_OK) return status;
  }
  return TCPKIT_OK;
}

}  // namespace tcpkit
