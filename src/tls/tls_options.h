// The options of TLS, once: the table that sets fields from text, fills in defaults, checks ranges,
// and from which the program and the documentation take their flags.
#pragma once

#include <span>

#include "base/option_row.h"
#include "base/status.h"

namespace tcpkit {

std::span<const OptionRow> tls_option_table() noexcept;

// Sets one field from text. The message of a failure names key and text.
Status set_tls_option_from_text(tcpkit_tls_options& options, const char* key,
                                const char* text) noexcept;

// Fills in the defaults of numbers and choices and checks them; system_trust keeps its zero, which
// depends on the role.
Status resolve_tls_options(tcpkit_tls_options& options) noexcept;

}  // namespace tcpkit
