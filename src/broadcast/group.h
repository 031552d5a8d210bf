// A group: its rules, and its members in one part for each host that has some.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <vector>

#include "base/fork_guard.h"
#include "base/user_data.h"
#include "conn/conn.h"
#include "conn/conn_host.h"
#include "framing/framing.h"

namespace tcpkit {

// The members of one host, which all have the framing of that host. Home thread: that of its loop,
// but for what is marked. Kept by its group, by the scopes of its connections, and by tasks.
class GroupPart final : public ConnGroup {
 public:
  GroupPart(Ref<ConnHost> host, const FrameRules& rules) noexcept
      : host_(std::move(host)), rules_(rules) {}
  void destroy() noexcept override { delete this; }

  // Any thread.
  ConnHost& host() const noexcept { return *host_; }
  const FrameRules& rules() const noexcept { return rules_; }
  uint64_t size() const noexcept { return size_.load(std::memory_order_relaxed); }
  GroupPart* next = nullptr;  // of the group's list; set before it is published

  Status join(Conn& conn) noexcept;
  void leave(Conn& conn) noexcept;
  void drop_member(FrameScope& scope) noexcept override;
  // The group is freed.
  void dissolve() noexcept;

  // Calls visit for each one that is a member now. It may join, leave and visit again.
  template <typename Visit>
  void visit(Visit visit) noexcept {
    const size_t count = members_.size();
    ++visits_;
    for (size_t i = 0; i < count; ++i) {
      if (members_[i] != nullptr) visit(*members_[i]);
    }
    if (--visits_ == 0 && has_holes_) close_holes();
  }

 private:
  void close_holes() noexcept;

  const Ref<ConnHost> host_;
  const FrameRules rules_;
  std::vector<FrameScope*> members_;  // null: left during a visit
  uint32_t visits_ = 0;               // under way
  bool has_holes_ = false;
  bool dissolved_ = false;
  std::atomic<uint64_t> size_{0};  // one writer, the loop
};

// Any thread.
class Group {
 public:
  // framing: null for that of each target.
  Group(const FrameRules& rules, std::unique_ptr<const Framing> framing) noexcept
      : rules_(rules), framing_(std::move(framing)) {}
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;
  // Lets its members go, each on its loop, soon. Frames that were queued still leave.
  ~Group();

  static Group* from_handle(tcpkit_group* handle) noexcept {
    return reinterpret_cast<Group*>(handle);
  }
  static const Group* from_handle(const tcpkit_group* handle) noexcept {
    return reinterpret_cast<const Group*>(handle);
  }
  tcpkit_group* handle() noexcept { return reinterpret_cast<tcpkit_group*>(this); }

  // Before anything else; false if that is not possible, errno says why.
  bool arm_fork_guard() noexcept { return fork_guard_.arm(); }
  const ForkGuard& fork_guard() const noexcept { return fork_guard_; }
  const FrameRules& rules() const noexcept { return rules_; }
  const Framing* framing() const noexcept { return framing_.get(); }

  Status join(Conn& conn) noexcept;
  Status leave(Conn& conn) noexcept;
  uint64_t size() const noexcept;
  // Runs task on the loop of each member, and frees user_data after the last.
  Status post(tcpkit_conn_fn task, UserData user_data);

  // The parts are only added to.
  GroupPart* first_part() const noexcept { return first_part_.load(std::memory_order_acquire); }
  // The part for that host; made if it is not there; null if memory ran out.
  GroupPart* take_part(ConnHost& host) noexcept;

 private:
  GroupPart* find_part(const ConnHost& host) const noexcept;

  ForkGuard fork_guard_;
  const FrameRules rules_;
  const std::unique_ptr<const Framing> framing_;
  std::mutex mutex_;  // guards adding a part; a join on the loop takes it for the first member only
  std::atomic<GroupPart*> first_part_{nullptr};
};

}  // namespace tcpkit
