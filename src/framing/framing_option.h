// The framing among the options of a server or client: its row in their tables, and its text.
#pragma once

#include "base/option_row.h"

namespace tcpkit {

constexpr OptionRow framing_option(OptionField field) {
  return {field.key,
          OptionType::kFraming,
          field.offset,
          "none|line|crlf|nul|len1|len2be|len2le|len3be|len3le|len4be|len4le|len8be|len8le|"
          "varint|varlong|kafka|minecraft|mqtt|fixed:N|separator:TEXT",
          "none",
          "How the byte stream is cut into packets."};
}

// The message of a failure names key and text.
Status set_framing_option(const char* key, const char* text, tcpkit_framing& framing) noexcept;

inline constexpr NamedValue kOversizeNames[] = {{"close", TCPKIT_OVERSIZE_CLOSE},
                                                {"discard", TCPKIT_OVERSIZE_DISCARD}};
inline constexpr NamedValue kLogLevelNames[] = {{"off", TCPKIT_LOG_OFF},
                                                {"error", TCPKIT_LOG_ERROR},
                                                {"warning", TCPKIT_LOG_WARNING},
                                                {"info", TCPKIT_LOG_INFO},
                                                {"debug", TCPKIT_LOG_DEBUG}};

}  // namespace tcpkit
