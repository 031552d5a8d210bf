// Options from text: config files, environment, command lines.
#include <charconv>
#include <cstring>
#include <string_view>

#include "server/option_table.h"

namespace tcpkit {
namespace {

struct NamedValue {
  const char* name;
  int32_t value;
};

constexpr NamedValue kSwitchNames[] = {{"on", TCPKIT_ON}, {"off", TCPKIT_OFF}};
constexpr NamedValue kOversizeNames[] = {{"close", TCPKIT_OVERSIZE_CLOSE},
                                         {"discard", TCPKIT_OVERSIZE_DISCARD}};
constexpr NamedValue kLogLevelNames[] = {{"off", TCPKIT_LOG_OFF},
                                         {"error", TCPKIT_LOG_ERROR},
                                         {"warning", TCPKIT_LOG_WARNING},
                                         {"info", TCPKIT_LOG_INFO},
                                         {"debug", TCPKIT_LOG_DEBUG}};

constexpr NamedValue kProxyNames[] = {{"off", TCPKIT_PROXY_OFF},
                                      {"optional", TCPKIT_PROXY_OPTIONAL},
                                      {"required", TCPKIT_PROXY_REQUIRED}};
constexpr NamedValue kAtLimitNames[] = {{"reset", TCPKIT_AT_LIMIT_RESET},
                                        {"wait", TCPKIT_AT_LIMIT_WAIT}};

std::span<const NamedValue> names_of(OptionType type) noexcept {
  if (type == OptionType::kSwitch) return kSwitchNames;
  if (type == OptionType::kOversize) return kOversizeNames;
  if (type == OptionType::kProxyProtocol) return kProxyNames;
  if (type == OptionType::kAtLimit) return kAtLimitNames;
  return kLogLevelNames;
}

bool same_key(std::string_view key, std::string_view written) noexcept {
  if (key.size() != written.size()) return false;
  for (size_t i = 0; i < key.size(); ++i) {
    if (key[i] != (written[i] == '-' ? '_' : written[i])) return false;
  }
  return true;
}

const OptionRow* find_option(const char* key) noexcept {
  for (const OptionRow& row : option_table()) {
    if (same_key(row.key, key)) return &row;
  }
  return nullptr;
}

Status bad_value(const OptionRow& row, const char* text) noexcept {
  return fail(TCPKIT_E_BAD_VALUE, "%s: \"%s\" is not one of %s", row.key, text, row.value_syntax);
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
  if (row.may_be_unlimited && std::strcmp(text, "unlimited") == 0) {
    value = UINT64_MAX;
    return TCPKIT_OK;
  }
  const bool parsed =
      row.type == OptionType::kSize ? parse_size(text, value) : parse_count(text, value);
  if (!parsed) {
    return fail(TCPKIT_E_BAD_VALUE, "%s: \"%s\" is not a number%s%s", row.key, text,
                row.type == OptionType::kSize ? " of bytes" : "",
                row.may_be_unlimited ? " or \"unlimited\"" : "");
  }
  if (value >= row.smallest && value <= row.largest) return TCPKIT_OK;
  return fail(TCPKIT_E_BAD_VALUE, "%s: \"%s\" is outside %llu to %llu%s", row.key, text,
              static_cast<unsigned long long>(row.smallest),
              static_cast<unsigned long long>(row.largest),
              row.may_be_unlimited ? "; for no limit write \"unlimited\"" : "");
}

Status set_number(const OptionRow& row, const char* text, unsigned char* field) noexcept {
  uint64_t value = 0;
  const Status status = parse_number(row, text, value);
  if (status != TCPKIT_OK) return status;
  if (row.type == OptionType::kCount32) {
    const auto narrow = static_cast<uint32_t>(value);
    std::memcpy(field, &narrow, sizeof narrow);
  } else {
    std::memcpy(field, &value, sizeof value);
  }
  return TCPKIT_OK;
}

Status set_choice(const OptionRow& row, const char* text, unsigned char* field) noexcept {
  for (const NamedValue& named : names_of(row.type)) {
    if (std::strcmp(named.name, text) != 0) continue;
    std::memcpy(field, &named.value, sizeof named.value);
    return TCPKIT_OK;
  }
  return bad_value(row, text);
}

Status set_framing(const OptionRow& row, const char* text, tcpkit_framing& framing) noexcept {
  tcpkit_framing parsed = TCPKIT_FRAMING_INIT;
  const Status status = tcpkit_framing_parse(text, &parsed);
  if (status == TCPKIT_OK) {
    framing = parsed;
    return TCPKIT_OK;
  }
  char cause[256];
  std::strncpy(cause, last_error().message, sizeof cause - 1);
  cause[sizeof cause - 1] = '\0';
  return fail(status, "%s: \"%s\": %s", row.key, text, cause);
}

}  // namespace

Status set_option_from_text(tcpkit_server_options& options, const char* key,
                            const char* text) noexcept {
  const OptionRow* row = find_option(key);
  if (row == nullptr) return fail(TCPKIT_E_UNKNOWN_OPTION, "there is no option \"%s\"", key);
  auto* field = reinterpret_cast<unsigned char*>(&options) + row->offset;
  if (row->type == OptionType::kFraming) return set_framing(*row, text, options.framing);
  if (is_choice(row->type)) return set_choice(*row, text, field);
  if (row->type != OptionType::kText) return set_number(*row, text, field);
  std::memcpy(field, &text, sizeof text);
  return TCPKIT_OK;
}

}  // namespace tcpkit
