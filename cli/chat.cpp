// Commands of the chat, and what everybody in a room gets to read.
#include "chat.h"

#include <algorithm>
#include <utility>

namespace tcpkit::cli {
namespace {

constexpr size_t kLongestName = 24;
constexpr const char* kFirstRoom = "lobby";
constexpr const char* kHelp =
    "* /nick NAME, /join ROOM, /who, /quit; everything else is said to the room";

// How far a reader may fall behind before the oldest lines are dropped for it.
constexpr uint64_t kMostLinesBehind = 1000;

void tell(tcpkit_conn* conn, const std::string& line) {
  (void)tcpkit_conn_send_packet(conn, line.data(), line.size());
}

void say(tcpkit_group* group, const std::string& line, const tcpkit_conn* except) {
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  options.except = except;
  (void)tcpkit_group_broadcast(group, line.data(), line.size(), &options, nullptr);
}

bool is_control(char character) {
  const auto byte = static_cast<unsigned char>(character);
  return byte < 0x20 || byte == 0x7F;
}

// Names of people and rooms: no spaces, nothing that a terminal would obey.
bool is_good_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName &&
         std::none_of(name.begin(), name.end(), [](char c) { return is_control(c) || c == ' '; });
}

// Lines go to other people's terminals.
std::string without_controls(std::string_view line) {
  std::string text(line);
  std::replace_if(text.begin(), text.end(), is_control, '?');
  return text;
}

std::string_view without_cr(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

}  // namespace

Chat::Guest* Chat::guest_of(tcpkit_conn* conn) {
  return static_cast<Guest*>(tcpkit_conn_user_data(conn));
}

void Chat::welcome(tcpkit_conn* conn) {
  auto guest = std::make_unique<Guest>();
  {
    const std::lock_guard lock(mutex_);
    do {
      guest->name = "guest" + std::to_string(next_guest_++);
    } while (!names_.insert(guest->name).second);
  }
  const auto free_guest = [](void* kept) { delete static_cast<Guest*>(kept); };
  if (tcpkit_conn_set_user_data(conn, guest.release(), free_guest) != TCPKIT_OK) return;
  tell(conn, "* you are " + guest_of(conn)->name);
  tell(conn, kHelp);
  if (!enter(conn, kFirstRoom)) tcpkit_conn_close(conn);
}

void Chat::leave(tcpkit_conn* conn) {
  Guest* guest = guest_of(conn);
  if (guest == nullptr) return;
  exit_room(conn, "has left");
  const std::lock_guard lock(mutex_);
  names_.erase(guest->name);
}

void Chat::take_line(tcpkit_conn* conn, std::string_view line) {
  line = without_cr(line);
  const Guest* guest = guest_of(conn);
  if (guest == nullptr || guest->room == nullptr || line.empty()) return;
  if (line.front() == '/') {
    const size_t space = std::min(line.find(' '), line.size());
    return run_command(conn, line.substr(1, space - 1),
                       line.substr(std::min(space + 1, line.size())));
  }
  say(guest->room->group.get(), guest->name + ": " + without_controls(line), conn);
}

void Chat::run_command(tcpkit_conn* conn, std::string_view command, std::string_view argument) {
  if (command == "nick") return rename(conn, argument);
  if (command == "join") return move(conn, argument);
  if (command == "who") return show_names(conn);
  if (command == "quit") {
    tcpkit_conn_close(conn);
    return;
  }
  tell(conn, kHelp);
}

void Chat::rename(tcpkit_conn* conn, std::string_view name) {
  Guest& guest = *guest_of(conn);
  if (!is_good_name(name)) {
    return tell(conn, "* a name has 1 to 24 characters and no spaces");
  }
  const std::string before = std::exchange(guest.name, std::string(name));
  bool is_free = false;
  {
    const std::lock_guard lock(mutex_);
    is_free = names_.insert(guest.name).second;
    if (is_free) {
      names_.erase(before);
      guest.room->names.erase(before);
      guest.room->names.insert(guest.name);
    }
  }
  if (!is_free) {
    guest.name = before;
    return tell(conn, "* that name is taken");
  }
  say(guest.room->group.get(), "* " + before + " is now " + guest.name, nullptr);
}

void Chat::move(tcpkit_conn* conn, std::string_view room_name) {
  if (!is_good_name(room_name)) {
    return tell(conn, "* a room has a name of 1 to 24 characters and no spaces");
  }
  if (guest_of(conn)->room->name == room_name) return show_names(conn);
  exit_room(conn, "has gone to " + std::string(room_name));
  if (!enter(conn, room_name)) tcpkit_conn_close(conn);
}

void Chat::show_names(tcpkit_conn* conn) {
  const Room& room = *guest_of(conn)->room;
  std::string line = "* in " + room.name + ":";
  {
    const std::lock_guard lock(mutex_);
    for (const std::string& name : room.names) line += " " + name;
  }
  tell(conn, line);
}

std::shared_ptr<Chat::Room> Chat::take_room(std::string_view name) {
  const auto found = rooms_.find(name);
  if (found != rooms_.end()) return found->second;
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.slow_policy = TCPKIT_SLOW_DROP_OLDEST;
  options.max_behind_frames = kMostLinesBehind;
  tcpkit_group* group = nullptr;
  if (tcpkit_group_create(&options, &group) != TCPKIT_OK) return nullptr;
  auto room = std::make_shared<Room>();
  room->group.reset(group);
  room->name = name;
  rooms_.emplace(room->name, room);
  return room;
}

bool Chat::enter(tcpkit_conn* conn, std::string_view room_name) {
  Guest& guest = *guest_of(conn);
  {
    const std::lock_guard lock(mutex_);
    guest.room = take_room(room_name);
    if (guest.room == nullptr) return false;
    guest.room->names.insert(guest.name);
  }
  if (tcpkit_group_join(guest.room->group.get(), conn) != TCPKIT_OK) return false;
  show_names(conn);
  say(guest.room->group.get(), "* " + guest.name + " is here", conn);
  return true;
}

// The last one turns off the light.
void Chat::exit_room(tcpkit_conn* conn, const std::string& why) {
  Guest& guest = *guest_of(conn);
  const std::shared_ptr<Room> room = std::exchange(guest.room, nullptr);
  if (room == nullptr) return;
  (void)tcpkit_group_leave(room->group.get(), conn);
  say(room->group.get(), "* " + guest.name + " " + why, conn);
  const std::lock_guard lock(mutex_);
  room->names.erase(guest.name);
  if (room->names.empty()) rooms_.erase(room->name);
}

}  // namespace tcpkit::cli
