// What a connection has to do with broadcasts: the groups that it is in, and the frames that wait
// for it, by group.
#pragma once

#include "base/ref.h"
#include "buffer/shared_frame.h"
#include "tcpkit.h"

namespace tcpkit {

class Conn;
struct FrameScope;

// When frames are too many for a connection, and what happens then. Filled in, no defaults.
struct FrameRules {
  tcpkit_slow_policy policy = TCPKIT_SLOW_DROP_NEW;
  size_t max_bytes = 0;
  uint64_t max_frames = 0;
  uint64_t quantum_ms = 0;  // TCPKIT_UNLIMITED: none
  uint32_t pool_size = 0;
};

enum class FrameOutcome : uint8_t {
  kQueued,
  kDropped,  // the new frame, by the policy
  kSlow,     // the connection is closed, by the policy
  kNotOpen   // it was closing, or memory ran out
};

// The connections of one host in a group. Counted: each scope holds a reference.
class ConnGroup : public RefCounted<ConnGroup> {
 public:
  virtual void destroy() noexcept = 0;
  // Loop thread: the scope is no member any more.
  virtual void drop_member(FrameScope& scope) noexcept = 0;

 protected:
  ~ConnGroup() = default;
};

// One connection and one group: whether it is a member, and the frames that wait. Owned by the
// connection. Home thread: that of its loop.
struct FrameScope {
  static constexpr uint32_t kNoMember = UINT32_MAX;

  FrameScope(Conn& owner, Ref<ConnGroup> of_group) noexcept
      : conn(owner), group(std::move(of_group)) {}
  bool is_member() const noexcept { return place != kNoMember; }

  Conn& conn;
  const Ref<ConnGroup> group;  // null: frames that belong to no group
  FrameBacklog backlog;
  uint32_t place = kNoMember;  // among the members
  uint32_t pins = 0;           // frames that are being queued: it must stay
  FrameScope* next = nullptr;  // of the connection
};

}  // namespace tcpkit
