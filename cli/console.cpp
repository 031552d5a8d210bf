// What the program shows. Rates and totals are counted in bytes and shown with binary prefixes,
// like the sizes that the options take.
#include "console.h"

#include <unistd.h>

#include <array>
#include <cinttypes>
#include <cstdio>

namespace tcpkit::cli {
namespace {

// "0 B", "1023 B", "1.0 KiB", "12.5 GiB".
std::string bytes_text(uint64_t bytes) {
  constexpr std::array<const char*, 6> kUnits = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double amount = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (amount >= 1023.95 && unit + 1 < kUnits.size()) {
    amount /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %s", amount, kUnits[unit]);
  return text.data();
}

// "1 packet", "2 packets".
std::string count_text(uint64_t count, const char* noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

const char* level_name(tcpkit_log_level level) {
  switch (level) {
    case TCPKIT_LOG_ERROR:
      return "error";
    case TCPKIT_LOG_WARNING:
      return "warning";
    case TCPKIT_LOG_INFO:
      return "info";
    default:
      return "debug";
  }
}

}  // namespace

void print_error(const std::string& text) {
  std::fprintf(stderr, "tcpkit: %s\n", text.c_str());
}

ExitStatus report_failure(const std::string& prefix, tcpkit_status status) {
  print_error(prefix + tcpkit_last_error_message());
  return tcpkit_status_class_of(status) == TCPKIT_CLASS_USAGE ? kExitUsage : kExitFailure;
}

Console::Console(Verbosity verbosity)
    : verbosity_(verbosity),
      shows_live_line_(verbosity != Verbosity::kQuiet && ::isatty(STDERR_FILENO) == 1) {}

void Console::print_listening(const std::string& address) {
  if (verbosity_ == Verbosity::kQuiet) return;
  const std::lock_guard lock(mutex_);
  const bool written = std::printf("listening on %s\n", address.c_str()) >= 0;
  if (!written || std::fflush(stdout) != 0) output_failed_ = true;
}

void Console::print_log(tcpkit_log_level level, const char* message) {
  if (verbosity_ == Verbosity::kQuiet) return;
  const std::lock_guard lock(mutex_);
  erase_live_line();
  std::fprintf(stderr, "tcpkit: %s: %s\n", level_name(level), message);
}

void Console::print_live_line(const tcpkit_metrics& metrics) {
  const std::string text = count_text(metrics.connections, "connection") + " | in " +
                           bytes_text(metrics.reads_per_second) + "/s | out " +
                           bytes_text(metrics.writes_per_second) + "/s | " +
                           count_text(metrics.packets_read, "packet");
  const std::lock_guard lock(mutex_);
  erase_live_line();
  std::fputs(text.c_str(), stderr);
  live_line_visible_ = true;
}

void Console::print_totals(const tcpkit_metrics& metrics) {
  if (verbosity_ == Verbosity::kQuiet) return;
  std::string text = "served " + count_text(metrics.accepted, "connection") + ": in " +
                     bytes_text(metrics.total_read) + ", out " + bytes_text(metrics.total_written);
  if (metrics.packets_read > 0) text += ", " + count_text(metrics.packets_read, "packet");
  if (metrics.packets_discarded > 0) {
    text += ", " + std::to_string(metrics.packets_discarded) + " discarded";
  }
  if (metrics.frame_errors > 0) text += ", " + count_text(metrics.frame_errors, "frame error");
  if (metrics.tls_handshakes > 0) text += ", " + count_text(metrics.tls_handshakes, "handshake");
  if (metrics.tls_resumed > 0) text += " (" + std::to_string(metrics.tls_resumed) + " resumed)";
  if (metrics.tls_failures > 0) text += ", " + count_text(metrics.tls_failures, "failed handshake");
  const uint64_t timeouts = metrics.idle_timeouts + metrics.read_timeouts + metrics.write_timeouts;
  if (timeouts > 0) text += ", " + count_text(timeouts, "timeout");
  if (metrics.refused_sends > 0) text += ", " + count_text(metrics.refused_sends, "refused send");
  if (metrics.drained_by_force > 0) {
    text += ", " + std::to_string(metrics.drained_by_force) + " reset at the end";
  }
  const std::lock_guard lock(mutex_);
  erase_live_line();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Console::erase_live_line() {
  if (live_line_visible_) std::fputs("\r\033[K", stderr);
  live_line_visible_ = false;
}

}  // namespace tcpkit::cli
