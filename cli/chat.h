// `tcpkit serve chat`: people with names in rooms; each line goes to the others in the room.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>

#include "tcpkit.h"

namespace tcpkit::cli {

// Any thread: connections are on several loops. What is said goes through groups, without a lock;
// the mutex guards names and rooms, which change seldom.
class Chat {
 public:
  // Keeps a guest with conn; call leave() when it closes.
  void welcome(tcpkit_conn* conn);
  void take_line(tcpkit_conn* conn, std::string_view line);
  void leave(tcpkit_conn* conn);

 private:
  struct GroupFree {
    void operator()(tcpkit_group* group) const { tcpkit_group_free(group); }
  };
  struct Room {
    std::string name;
    std::unique_ptr<tcpkit_group, GroupFree> group;
    std::set<std::string> names;  // of those who are in it
  };
  // One connection; touched on its loop only.
  struct Guest {
    std::string name;
    std::shared_ptr<Room> room;
  };

  static Guest* guest_of(tcpkit_conn* conn);
  void run_command(tcpkit_conn* conn, std::string_view command, std::string_view argument);
  void rename(tcpkit_conn* conn, std::string_view name);
  void move(tcpkit_conn* conn, std::string_view room_name);
  void show_names(tcpkit_conn* conn);
  bool enter(tcpkit_conn* conn, std::string_view room_name);
  void exit_room(tcpkit_conn* conn, const std::string& why);
  std::shared_ptr<Room> take_room(std::string_view name);  // requires mutex_; null: no memory

  std::mutex mutex_;
  uint64_t next_guest_ = 1;
  std::set<std::string> names_;
  std::map<std::string, std::shared_ptr<Room>, std::less<>> rooms_;
};

}  // namespace tcpkit::cli
