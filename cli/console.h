// What the program shows: addresses on stdout for scripts, everything for people on stderr.
#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include "exit_status.h"
#include "tcpkit.h"

namespace tcpkit::cli {

enum class Verbosity { kNormal, kQuiet };

// Writes "tcpkit: text" to stderr, also when quiet: it says why the program ends.
void print_error(const std::string& text);

// Prints why the last call of the library failed; prefix says where the refused text came from.
ExitStatus report_failure(const std::string& prefix, tcpkit_status status);

// Any thread. The live line is rewritten in place, so that whatever else goes to stderr has to
// erase it first; the mutex keeps both apart.
class Console {
 public:
  explicit Console(Verbosity verbosity);

  // True if there is a terminal on which a line can be rewritten.
  bool shows_live_line() const { return shows_live_line_; }

  void print_listening(const std::string& address);
  void print_log(tcpkit_log_level level, const char* message);
  void print_live_line(const tcpkit_metrics& metrics);
  void print_totals(const tcpkit_metrics& metrics);

  // True once stdout did not take what it was given.
  bool output_failed() const { return output_failed_; }

 private:
  void erase_live_line();  // requires mutex_

  const Verbosity verbosity_;
  const bool shows_live_line_;
  std::mutex mutex_;
  bool live_line_visible_ = false;
  std::atomic<bool> output_failed_ = false;  // set on a loop, read by whoever waits for the server
};

}  // namespace tcpkit::cli
