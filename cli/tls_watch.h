// --tls-watch: loads certificates and keys again when their files change.
#pragma once

#include <string>
#include <vector>

#include "console.h"

namespace tcpkit::cli {

// Made before the files are loaded the first time, so that no change is missed; after start it
// belongs to its loop, and must live as long as the server runs.
class TlsWatch {
 public:
  TlsWatch(std::vector<std::string> paths, Console& console);

  // Looks at the files each second from now on.
  void start(tcpkit_tls* tls, tcpkit_loop* loop);

 private:
  // What changes when a file is written, or another one takes its name.
  struct Stamp {
    uint64_t file = 0;  // 0: there is none
    int64_t size = 0;
    int64_t modified_s = 0;
    int64_t modified_ns = 0;
    bool operator==(const Stamp&) const = default;
  };

  std::vector<Stamp> take_stamps() const;
  void look();
  void reload();

  const std::vector<std::string> paths_;
  Console& console_;
  tcpkit_tls* tls_ = nullptr;
  std::vector<Stamp> stamps_;
  bool changed_ = false;
};

}  // namespace tcpkit::cli
