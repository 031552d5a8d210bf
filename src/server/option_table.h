// The options of a server, once: the table that sets fields from text, fills in defaults, checks
// ranges, and from which the program and the documentation take their flags.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace tcpkit {

enum class OptionType : uint8_t {
  kCount32,
  kCount64,
  kMilliseconds,
  kSize,
  kSwitch,
  kOversize,
  kLogLevel,
  kProxyProtocol,
  kAtLimit,
  kFraming,
  kText
};

struct OptionRow {
  const char* key;
  OptionType type;
  size_t offset;  // of the field in tcpkit_server_options
  const char* value_syntax;
  const char* default_text;
  const char* help;
  // For numbers: what zero stands for, and the range of everything else.
  uint64_t fallback = 0;
  uint64_t smallest = 0;
  uint64_t largest = 0;
  bool may_be_unlimited = false;
};

std::span<const OptionRow> option_table() noexcept;

// One of the named constants of an enumeration, in 32 bits.
constexpr bool is_choice(OptionType type) noexcept {
  return type == OptionType::kSwitch || type == OptionType::kOversize ||
         type == OptionType::kLogLevel || type == OptionType::kProxyProtocol ||
         type == OptionType::kAtLimit;
}

// Sets one field from text. The message of a failure names key and text.
Status set_option_from_text(tcpkit_server_options& options, const char* key,
                            const char* text) noexcept;

// Fills in defaults and checks every field; the message of a failure names the field.
Status resolve_options(tcpkit_server_options& options) noexcept;

}  // namespace tcpkit
