// The listening sockets of a server: opened at once or at start, closed at stop, opened again at
// the next start.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "loop/listener.h"

namespace tcpkit {

// Not thread-safe: the server's lock guards it.
class Listeners {
 public:
  struct Entry {
    ListenSettings settings;
    // One, or with reuse_port one per loop; empty while it is closed.
    std::vector<std::unique_ptr<ListenSocket>> sockets;
    bool opened_by_start = false;

    // What is open stays so: nothing can fail any more.
    void keep() noexcept {
      opened_by_start = false;
      for (const auto& socket : sockets) socket->keep();
    }
    AcceptSource source(size_t index) const noexcept {
      return {sockets[index]->fd(), settings.reuse_port ? Placement::kHere : Placement::kSpread,
              settings.transport};
    }
  };

  explicit Listeners(const tcpkit_server_options& options) noexcept : options_(options) {}

  // Makes the entry of an address, not open yet and not in here; the message of a failure names
  // it. Like open(), it touches nothing but the entry.
  Status make_entry(const char* address, const tcpkit_listen_options& listen_options,
                    Entry& entry) const;
  // Adds each of a comma-separated list, closed.
  Status add_list(const char* addresses);

  // For a start: opens what is closed. On failure nothing that this call opened stays open.
  Status open_all(size_t loop_count);
  // After a start: closes what the last open_all opened if the start failed later, or keeps it.
  void undo_open_all() noexcept;
  void keep_all() noexcept;
  Status open(Entry& entry, size_t loop_count) const;
  void close_all() noexcept;

  std::vector<Entry>& entries() noexcept { return entries_; }
  size_t count() const noexcept { return entries_.size(); }
  // -1 if it is closed or there is none.
  int hand_over(size_t index) noexcept;
  // "" if it is closed or there is none.
  std::string bound_text(size_t index) const;

 private:
  const tcpkit_server_options& options_;
  std::vector<Entry> entries_;
};

}  // namespace tcpkit
