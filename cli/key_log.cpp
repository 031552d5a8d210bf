// Appends lines of key material to a file.
#include "key_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace tcpkit::cli {

KeyLog::KeyLog(std::string path, Console& console) : path_(std::move(path)), console_(console) {}

KeyLog::~KeyLog() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

ExitStatus KeyLog::open() {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (descriptor_ >= 0) return kExitOk;
  print_error(path_ + ": " + std::strerror(errno));
  return kExitFailure;
}

void KeyLog::append(const char* line) {
  const std::string text = std::string(line) + "\n";
  if (::write(descriptor_, text.data(), text.size()) == static_cast<ssize_t>(text.size())) return;
  if (failed_.exchange(true)) return;
  console_.print_log(TCPKIT_LOG_ERROR, (path_ + ": a line could not be written").c_str());
}

}  // namespace tcpkit::cli
