// Tables of options, one row per field of a struct: from them fields are set from text, filled with
// defaults and checked, and the program and the documentation take their flags.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/status.h"

namespace tcpkit {

enum class OptionType : uint8_t {
  kCount32,
  kCount64,
  kMilliseconds,
  kSize,
  kSwitch,
  kChoice,
  kFraming,  // read by the server
  kText      // borrowed
};

// One of the named constants of an enumeration, in 32 bits.
constexpr bool is_choice(OptionType type) noexcept {
  return type == OptionType::kSwitch || type == OptionType::kChoice;
}

constexpr bool is_32_bit(OptionType type) noexcept {
  return type == OptionType::kCount32 || is_choice(type);
}

struct NamedValue {
  const char* name;
  int32_t value;
};

inline constexpr NamedValue kSwitchNames[] = {{"on", TCPKIT_ON}, {"off", TCPKIT_OFF}};

struct OptionRow {
  const char* key;
  OptionType type;
  size_t offset;  // of the field in its struct
  const char* value_syntax;
  const char* default_text;
  const char* help;
  // For numbers and choices: what zero stands for, and the range of everything else.
  uint64_t fallback = 0;
  uint64_t smallest = 0;
  uint64_t largest = 0;
  // For numbers: whether the largest value of the field has a meaning of its own, and its text.
  bool may_be_unlimited = false;
  const char* unlimited_text = "unlimited";
  std::span<const NamedValue> names{};  // of a choice
};

struct OptionField {
  const char* key;
  size_t offset;
};

constexpr OptionRow number(OptionField field, OptionType type, const char* default_text,
                           const char* help) {
  const char* syntax = type == OptionType::kSize           ? "BYTES"
                       : type == OptionType::kMilliseconds ? "MS"
                                                           : "N";
  return {field.key, type, field.offset, syntax, default_text, help};
}

constexpr OptionRow with_range(OptionRow row, uint64_t fallback, uint64_t smallest,
                               uint64_t largest) {
  row.fallback = fallback;
  row.smallest = smallest;
  row.largest = largest;
  return row;
}

constexpr OptionRow or_unlimited(OptionRow row, const char* text = "unlimited") {
  row.may_be_unlimited = true;
  row.unlimited_text = text;
  return row;
}

constexpr OptionRow text_of(OptionField field, const char* syntax, const char* default_text,
                            const char* help) {
  return {field.key, OptionType::kText, field.offset, syntax, default_text, help};
}

// The default is the value that default_text names; zero stays zero if it names none.
constexpr OptionRow choice(OptionField field, std::span<const NamedValue> names, const char* syntax,
                           const char* default_text, const char* help) {
  OptionRow row{field.key, OptionType::kChoice, field.offset, syntax, default_text, help};
  row.names = names;
  for (const NamedValue& named : names) {
    const auto value = static_cast<uint64_t>(named.value);
    if (std::string_view(named.name) == default_text) row.fallback = value;
    if (value > row.largest) row.largest = value;
  }
  return row;
}

constexpr OptionRow on_or_off(OptionField field, const char* default_text, const char* help) {
  OptionRow row = choice(field, kSwitchNames, "on|off", default_text, help);
  row.type = OptionType::kSwitch;
  return row;
}

// The row with that key, in which '-' stands for '_' too; null, as a failure that names the key.
const OptionRow* find_option(std::span<const OptionRow> table, const char* key) noexcept;

// Sets the field of a row, of any type but kFraming, from text. The message of a failure names
// both.
Status set_field(const OptionRow& row, void* options, const char* text) noexcept;

// Fills in the defaults of numbers and choices and checks their ranges; the message of a failure
// names the field.
Status resolve_fields(std::span<const OptionRow> table, void* options) noexcept;

}  // namespace tcpkit
