// tcpkit_server_options_*, tcpkit_server_option_*, and the init functions of what a server is
// created from.
#include "api/guard.h"
#include "api/option_info.h"
#include "server/option_table.h"

using namespace tcpkit;

void tcpkit_handlers_init(tcpkit_handlers* handlers) {
  if (handlers != nullptr) *handlers = TCPKIT_HANDLERS_INIT;
}

void tcpkit_strategy_init(tcpkit_strategy* strategy) {
  if (strategy != nullptr) *strategy = TCPKIT_STRATEGY_INIT;
}

void tcpkit_server_options_init(tcpkit_server_options* options) {
  if (options != nullptr) *options = TCPKIT_SERVER_OPTIONS_INIT;
}

void tcpkit_option_info_init(tcpkit_option_info* info) {
  if (info != nullptr) *info = TCPKIT_OPTION_INFO_INIT;
}

tcpkit_status tcpkit_server_options_set(tcpkit_server_options* options, const char* key,
                                        const char* text) {
  if (key == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "key is NULL");
  if (text == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "text is NULL, for \"%s\"", key);
  tcpkit_server_options changed = TCPKIT_SERVER_OPTIONS_INIT;
  Status status = copy_struct(options, changed, "options");
  if (status != TCPKIT_OK) return status;
  status = set_option_from_text(changed, key, text);
  if (status == TCPKIT_OK) fill_struct(*options, changed);
  return status;
}

size_t tcpkit_server_option_count(void) {
  return option_table().size();
}

tcpkit_status tcpkit_server_option_at(size_t index, tcpkit_option_info* out_info) {
  return describe_option(option_table(), index, out_info);
}
