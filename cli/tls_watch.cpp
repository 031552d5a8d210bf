// Watches by modification time, once a second: that also sees files that are replaced by a rename
// or through a symbolic link to another folder, as certificates of containers are.
#include "tls_watch.h"

#include <sys/stat.h>

#include <utility>

namespace tcpkit::cli {

TlsWatch::TlsWatch(std::vector<std::string> paths, Console& console)
    : paths_(std::move(paths)), console_(console), stamps_(take_stamps()) {}

void TlsWatch::start(tcpkit_tls* tls, tcpkit_loop* loop) {
  constexpr uint64_t kIntervalMs = 1000;
  tls_ = tls;
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  timer.delay_ms = kIntervalMs;
  timer.repeat_ms = kIntervalMs;
  timer.on_timer = [](tcpkit_loop*, void* watch) { static_cast<TlsWatch*>(watch)->look(); };
  timer.user_data = this;
  if (tcpkit_loop_start_timer(loop, &timer, nullptr) == TCPKIT_OK) return;
  console_.print_log(TCPKIT_LOG_ERROR, tcpkit_last_error_message());
}

std::vector<TlsWatch::Stamp> TlsWatch::take_stamps() const {
  std::vector<Stamp> stamps;
  for (const std::string& path : paths_) {
    Stamp stamp;
    struct stat found {};
    if (::stat(path.c_str(), &found) == 0) {
      stamp = {found.st_ino, found.st_size, found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
    }
    stamps.push_back(stamp);
  }
  return stamps;
}

// A certificate and its key are two files, and each takes its time to write: they are loaded once
// nothing has changed for a whole interval.
void TlsWatch::look() {
  std::vector<Stamp> stamps = take_stamps();
  if (stamps != stamps_) {
    stamps_ = std::move(stamps);
    changed_ = true;
    return;
  }
  if (std::exchange(changed_, false)) reload();
}

void TlsWatch::reload() {
  const tcpkit_status status = tcpkit_tls_reload(tls_);
  const std::string generation = "generation " + std::to_string(tcpkit_tls_generation(tls_));
  if (status == TCPKIT_OK) {
    console_.print_log(TCPKIT_LOG_INFO, ("TLS files loaded again: " + generation).c_str());
    return;
  }
  const std::string cause = tcpkit_last_error_message();
  console_.print_log(TCPKIT_LOG_ERROR,
                     ("TLS files not loaded, " + generation + " stays: " + cause).c_str());
}

}  // namespace tcpkit::cli
