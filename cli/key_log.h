// The file of --tls-key-log: secrets of connections, with which their captures can be decrypted.
#pragma once

#include <atomic>
#include <string>

#include "console.h"

namespace tcpkit::cli {

// Any thread: each line is one write at the end of the file, which other programs may append to.
class KeyLog {
 public:
  KeyLog(std::string path, Console& console);
  ~KeyLog();
  KeyLog(const KeyLog&) = delete;
  KeyLog& operator=(const KeyLog&) = delete;

  // Opens the file, which only its owner can read if it is new.
  ExitStatus open();
  void append(const char* line);

 private:
  const std::string path_;
  Console& console_;
  int descriptor_ = -1;
  std::atomic<bool> failed_ = false;  // told once; set and read on any loop
};

}  // namespace tcpkit::cli
