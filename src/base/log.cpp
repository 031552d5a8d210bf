// Formatting of log lines, and the guard around the user's hook.
#include "base/log.h"

#include <cstdarg>
#include <cstdio>

namespace tcpkit {

Log::Log(tcpkit_log_level level, tcpkit_log_fn sink, void* user_data) noexcept
    : level_(level == TCPKIT_LOG_DEFAULT ? TCPKIT_LOG_WARNING : level),
      sink_(sink),
      user_data_(user_data) {}

void Log::write(tcpkit_log_level level, const char* format, ...) const noexcept {
  if (!wants(level)) return;
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  try {
    sink_(level, line, user_data_);
  } catch (...) {
    // A log hook that throws has nowhere to report it.
    return;
  }
}

}  // namespace tcpkit
