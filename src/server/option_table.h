// The options of a server, once: the table that sets fields from text, fills in defaults, checks
// ranges, and from which the program and the documentation take their flags.
#pragma once

#include <span>

#include "base/option_row.h"
#include "base/status.h"

namespace tcpkit {

std::span<const OptionRow> option_table() noexcept;

// Sets one field from text. The message of a failure names key and text.
Status set_option_from_text(tcpkit_server_options& options, const char* key,
                            const char* text) noexcept;

// Fills in defaults and checks every field; the message of a failure names the field.
Status resolve_options(tcpkit_server_options& options) noexcept;

}  // namespace tcpkit
