// Descriptions of options, as the program and the documentation ask for them.
#pragma once

#include <span>

#include "api/guard.h"
#include "base/option_row.h"

namespace tcpkit {

[[nodiscard]] inline Status describe_option(std::span<const OptionRow> table, size_t index,
                                            tcpkit_option_info* out_info) noexcept {
  tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
  const Status status = copy_struct(out_info, info, "out_info");
  if (status != TCPKIT_OK) return status;
  if (index >= table.size()) {
    return fail(TCPKIT_E_NOT_FOUND, "index %zu: there are %zu options", index, table.size());
  }
  const OptionRow& row = table[index];
  info.key = row.key;
  info.value_syntax = row.value_syntax;
  info.default_text = row.default_text;
  info.help = row.help;
  fill_struct(*out_info, info);
  return TCPKIT_OK;
}

}  // namespace tcpkit
