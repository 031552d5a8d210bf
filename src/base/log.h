// Log lines on their way to the user's hook; nothing is printed here.
#pragma once

#include "tcpkit.h"

namespace tcpkit {

class Log {
 public:
  Log() = default;
  Log(tcpkit_log_level level, tcpkit_log_fn sink, void* user_data) noexcept;

  bool wants(tcpkit_log_level level) const noexcept { return sink_ != nullptr && level <= level_; }

  // Formats and hands over one line of at most 511 bytes. Any thread.
  [[gnu::format(printf, 3, 4)]] void write(tcpkit_log_level level, const char* format,
                                           ...) const noexcept;

 private:
  tcpkit_log_level level_ = TCPKIT_LOG_OFF;
  tcpkit_log_fn sink_ = nullptr;
  void* user_data_ = nullptr;
};

}  // namespace tcpkit
