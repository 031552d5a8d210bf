// The options of a client, once: the table that sets fields from text, fills in defaults and checks
// ranges, and from which the program takes its flags.
#pragma once

#include <span>

#include "base/option_row.h"
#include "base/status.h"

namespace tcpkit {

std::span<const OptionRow> client_option_table() noexcept;

// Sets one field from text. The message of a failure names key and text.
Status set_client_option(tcpkit_client_options& options, const char* key,
                         const char* text) noexcept;

// Fills in defaults and checks every field; the message of a failure names the field.
Status resolve_client_options(tcpkit_client_options& options) noexcept;

}  // namespace tcpkit
