// Joining and leaving: at once on the loop of the connection, from elsewhere by a task.
#include "broadcast/group.h"

#include <new>

namespace tcpkit {
namespace {

Status out_of_memory(const char* what) noexcept {
  return fail(TCPKIT_E_NO_MEMORY, "group: out of memory for a %s", what);
}

Status closed() noexcept {
  return fail(TCPKIT_E_CLOSED, "conn: it is closing or closed");
}

class MemberTask final : public Task {
 public:
  enum class What : uint8_t { kJoin, kLeave };
  MemberTask(GroupPart& part, Conn& conn, What what) noexcept
      : part_(Ref<GroupPart>::adopt(&part)), conn_(Ref<Conn>::share(&conn)), what_(what) {
    part.retain();
  }
  void run() noexcept override {
    if (what_ == What::kJoin) (void)part_->join(*conn_);
    if (what_ == What::kLeave) part_->leave(*conn_);
    delete this;
  }

 private:
  Ref<GroupPart> part_;
  Ref<Conn> conn_;
  What what_;
};

Status post_member(GroupPart& part, Conn& conn, MemberTask::What what) noexcept {
  auto* task = new (std::nothrow) MemberTask(part, conn, what);
  if (task == nullptr) return out_of_memory("task");
  if (conn.host().loop().post(task)) return TCPKIT_OK;
  delete task;
  return closed();
}

class DissolveTask final : public Task {
 public:
  explicit DissolveTask(Ref<GroupPart> part) noexcept : part_(std::move(part)) {}
  void run() noexcept override {
    part_->dissolve();
    delete this;
  }

 private:
  Ref<GroupPart> part_;
};

// What the tasks of one post share; each loop runs the user's function for its own members.
struct Visitor : RefCounted<Visitor> {
  Visitor(tcpkit_conn_fn called, UserData data) noexcept
      : function(called), user_data(std::move(data)) {}
  void destroy() noexcept { delete this; }
  tcpkit_conn_fn function;
  UserData user_data;
};

class VisitTask final : public Task {
 public:
  VisitTask(GroupPart& part, Ref<Visitor> visitor)
      : part_(Ref<GroupPart>::adopt(&part)), visitor_(std::move(visitor)) {
    part.retain();
  }
  Loop& loop() const noexcept { return part_->host().loop(); }
  void run() noexcept override {
    part_->visit([this](FrameScope& scope) {
      scope.conn.run_user_task(visitor_->function, visitor_->user_data.get());
    });
    delete this;
  }

 private:
  Ref<GroupPart> part_;
  Ref<Visitor> visitor_;
};

}  // namespace

// ---- One part, on its loop ----

Status GroupPart::join(Conn& conn) noexcept {
  if (dissolved_ || !conn.takes_frames()) return closed();
  FrameScope* scope = conn.take_scope(this);
  if (scope == nullptr) return out_of_memory("member");
  if (scope->is_member()) return TCPKIT_OK;
  try {
    members_.push_back(scope);
  } catch (const std::bad_alloc&) {
    conn.give_back_scope(*scope);
    return out_of_memory("member");
  }
  scope->place = static_cast<uint32_t>(members_.size() - 1);
  size_.store(size() + 1, std::memory_order_relaxed);
  return TCPKIT_OK;
}

void GroupPart::leave(Conn& conn) noexcept {
  FrameScope* scope = conn.find_scope(this);
  if (scope == nullptr || !scope->is_member()) return;
  drop_member(*scope);
  conn.give_back_scope(*scope);
}

void GroupPart::drop_member(FrameScope& scope) noexcept {
  size_.store(size() - 1, std::memory_order_relaxed);
  if (visits_ > 0) {
    members_[scope.place] = nullptr;
    has_holes_ = true;
  } else {
    members_[scope.place] = members_.back();
    members_[scope.place]->place = scope.place;
    members_.pop_back();
  }
  scope.place = FrameScope::kNoMember;
}

void GroupPart::close_holes() noexcept {
  has_holes_ = false;
  size_t kept = 0;
  for (FrameScope* member : members_) {
    if (member == nullptr) continue;
    member->place = static_cast<uint32_t>(kept);
    members_[kept++] = member;
  }
  members_.resize(kept);
}

void GroupPart::dissolve() noexcept {
  dissolved_ = true;
  visit([this](FrameScope& scope) {
    drop_member(scope);
    scope.conn.give_back_scope(scope);
  });
}

// ---- The group ----

Group::~Group() {
  GroupPart* part = first_part_.load(std::memory_order_acquire);
  while (part != nullptr) {
    const Ref<GroupPart> owned = Ref<GroupPart>::adopt(part);
    part = part->next;
    Loop& loop = owned->host().loop();
    if (loop.is_home()) {
      owned->dissolve();
      continue;
    }
    // A loop that takes no task has no connection either. Without memory for the task the members
    // stay until they close.
    auto* task = new (std::nothrow) DissolveTask(owned);
    if (task != nullptr && !loop.post(task)) delete task;
  }
}

GroupPart* Group::find_part(const ConnHost& host) const noexcept {
  GroupPart* part = first_part();
  while (part != nullptr && &part->host() != &host) part = part->next;
  return part;
}

GroupPart* Group::take_part(ConnHost& host) noexcept {
  if (GroupPart* found = find_part(host)) return found;
  const std::lock_guard lock(mutex_);
  if (GroupPart* found = find_part(host)) return found;
  auto* part = new (std::nothrow) GroupPart(Ref<ConnHost>::share(&host), rules_);
  if (part == nullptr) return nullptr;
  part->next = first_part_.load(std::memory_order_relaxed);
  first_part_.store(part, std::memory_order_release);
  return part;
}

Status Group::join(Conn& conn) noexcept {
  if (conn.is_closed()) return closed();
  GroupPart* part = take_part(conn.host());
  if (part == nullptr) return out_of_memory("part");
  if (conn.host().loop().is_home()) return part->join(conn);
  return post_member(*part, conn, MemberTask::What::kJoin);
}

Status Group::leave(Conn& conn) noexcept {
  GroupPart* part = find_part(conn.host());
  if (part == nullptr) return TCPKIT_OK;
  if (!conn.host().loop().is_home()) {
    const Status status = post_member(*part, conn, MemberTask::What::kLeave);
    return status == TCPKIT_E_CLOSED ? TCPKIT_OK : status;
  }
  part->leave(conn);
  return TCPKIT_OK;
}

uint64_t Group::size() const noexcept {
  uint64_t size = 0;
  for (GroupPart* part = first_part(); part != nullptr; part = part->next) size += part->size();
  return size;
}

// All tasks are made before the first is posted, so that a failure is one of the whole call.
Status Group::post(tcpkit_conn_fn task, UserData user_data) {
  const Ref<Visitor> visitor = Ref<Visitor>::adopt(new Visitor(task, std::move(user_data)));
  std::vector<std::unique_ptr<VisitTask>> tasks;
  for (GroupPart* part = first_part(); part != nullptr; part = part->next) {
    tasks.push_back(std::make_unique<VisitTask>(*part, visitor));
  }
  for (std::unique_ptr<VisitTask>& made : tasks) {
    if (made->loop().post(made.get())) (void)made.release();
  }
  return TCPKIT_OK;
}

}  // namespace tcpkit
