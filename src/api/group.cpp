// tcpkit_group_* and tcpkit_*_broadcast: checks of arguments, and from targets to loops.
#include "broadcast/group.h"

#include <algorithm>
#include <cerrno>

#include "api/guard.h"
#include "broadcast/broadcast.h"
#include "server/server.h"

using namespace tcpkit;

namespace {

Status check_group(const tcpkit_group* group) noexcept {
  if (group == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "group is NULL");
  return Group::from_handle(group)->fork_guard().check();
}

Status check_conn(const tcpkit_conn* conn, const char* name) noexcept {
  if (conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "%s is NULL", name);
  return Conn::from_handle(conn)->host().config().fork_guard.check();
}

// ---- Options of a group ----

Status resolve_rules(const tcpkit_group_options& options, FrameRules& rules) noexcept {
  if (options.slow_policy < TCPKIT_SLOW_DEFAULT || options.slow_policy > TCPKIT_SLOW_CLOSE) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.slow_policy is %d, which is none",
                options.slow_policy);
  }
  if (options.reserved != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.reserved is not zero");
  }
  rules = Broadcast::default_rules();
  if (options.slow_policy != TCPKIT_SLOW_DEFAULT) rules.policy = options.slow_policy;
  if (options.max_behind_bytes != 0) rules.max_bytes = options.max_behind_bytes;
  if (options.max_behind_frames != 0) rules.max_frames = options.max_behind_frames;
  if (options.pool_size != 0) rules.pool_size = options.pool_size;
  if (options.write_quantum_ms != 0) {
    rules.quantum_ms = options.write_quantum_ms;
  } else if (rules.policy == TCPKIT_SLOW_LATEST) {
    rules.quantum_ms = 0;
  }
  return TCPKIT_OK;
}

// The framing owns its user data from create on, also when that fails.
Status create_group(const tcpkit_group_options& options, tcpkit_group** out_group) {
  FrameRules rules;
  Status status = resolve_rules(options, rules);
  if (status == TCPKIT_OK) status = check_not_null(out_group, "out_group");
  const tcpkit_framing& framing = options.framing;
  const bool none = framing.kind == TCPKIT_FRAMING_NONE &&
                    (framing.struct_size == 0 || framing.struct_size >= sizeof framing);
  if (none || status != TCPKIT_OK) Framing::free_user_data(framing);
  std::unique_ptr<Framing> made;
  if (status == TCPKIT_OK && !none) {
    status = Framing::create(framing, {rules.max_bytes, TCPKIT_OVERSIZE_CLOSE}, made);
  }
  if (status != TCPKIT_OK) return status;
  auto group = std::make_unique<Group>(rules, std::move(made));
  if (!group->arm_fork_guard()) return fail_errno(errno, "cannot guard a group against fork");
  *out_group = group.release()->handle();
  return TCPKIT_OK;
}

// ---- Broadcasts ----

// Takes over options.user_data, also when it fails.
Status read_message(tcpkit_slice data, const tcpkit_broadcast_options* given,
                    BroadcastMessage& message) noexcept {
  tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
  if (given != nullptr) {
    const Status status = copy_struct(given, options, "options");
    if (status != TCPKIT_OK) return status;
  }
  message.user_data = UserData(options.user_data, options.user_data_free);
  message.on_done = options.on_done;
  message.key = options.key;
  message.raw = options.raw == TCPKIT_ON;
  message.buffer = reinterpret_cast<SharedBuffer*>(options.buffer);
  message.data = {static_cast<const uint8_t*>(data.data), data.size};
  if (options.raw < TCPKIT_DEFAULT || options.raw > TCPKIT_OFF) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.raw is %d, which is no switch", options.raw);
  }
  if (options.buffer != nullptr && (data.data != nullptr || data.size != 0)) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "there are both data and options.buffer");
  }
  if (data.data == nullptr && data.size != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "data is NULL");
  }
  if (options.rules != nullptr) {
    const Status status = check_group(options.rules);
    if (status != TCPKIT_OK) return status;
    message.rules = Group::from_handle(options.rules);
  }
  if (options.except == nullptr) return TCPKIT_OK;
  const Status status = check_conn(options.except, "options.except");
  if (status != TCPKIT_OK) return status;
  message.except = Ref<Conn>::share(const_cast<Conn*>(Conn::from_handle(options.except)));
  return TCPKIT_OK;
}

// collect(message, targets) finds out who is meant; the message is read first, so that its user
// data is freed whatever is wrong.
template <typename Collect>
Status broadcast(tcpkit_slice data, const tcpkit_broadcast_options* options,
                 tcpkit_receipt* out_receipt, Collect collect) noexcept {
  return guarded([&]() -> Status {
    BroadcastMessage message;
    Status status = read_message(data, options, message);
    if (status != TCPKIT_OK) return status;
    tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;
    if (out_receipt != nullptr) status = copy_struct(out_receipt, receipt, "out_receipt");
    if (status != TCPKIT_OK) return status;
    receipt = TCPKIT_RECEIPT_INIT;
    std::vector<BroadcastTargets> targets;
    status = collect(message, targets);
    if (status == TCPKIT_OK) {
      status = Broadcast::send(std::move(message), std::move(targets), receipt);
    }
    if (status == TCPKIT_OK && out_receipt != nullptr) fill_struct(*out_receipt, receipt);
    return status;
  });
}

Status collect_members(tcpkit_group* group, BroadcastMessage& message,
                       std::vector<BroadcastTargets>& targets) {
  const Status status = check_group(group);
  if (status != TCPKIT_OK) return status;
  Group& target = *Group::from_handle(group);
  if (message.rules != nullptr && message.rules != &target) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options.rules is another group than that of the call");
  }
  message.rules = &target;
  for (GroupPart* part = target.first_part(); part != nullptr; part = part->next) {
    targets.push_back(
        {.host = Ref<ConnHost>::share(&part->host()), .members_of = Ref<GroupPart>::share(part)});
  }
  return TCPKIT_OK;
}

Status collect_hosts(tcpkit_server* server, std::vector<BroadcastTargets>& targets) {
  Status status = check_not_null(server, "server");
  if (status == TCPKIT_OK) status = Server::from_handle(server)->fork_check();
  if (status != TCPKIT_OK) return status;
  const Server& asked = *Server::from_handle(server);
  for (size_t i = 0; i < asked.loop_count(); ++i) {
    targets.push_back({.host = Ref<ConnHost>::share(asked.host(i)), .all_of_host = true});
  }
  return TCPKIT_OK;
}

Status collect_conns(tcpkit_conn* const* conns, size_t conn_count,
                     std::vector<BroadcastTargets>& targets) {
  if (conns == nullptr && conn_count != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "conns is NULL");
  }
  for (size_t i = 0; i < conn_count; ++i) {
    const Status status = check_conn(conns[i], "one of conns");
    if (status != TCPKIT_OK) return status;
    Ref<Conn> conn = Ref<Conn>::share(Conn::from_handle(conns[i]));
    const auto found = std::find_if(targets.begin(), targets.end(), [&](const auto& some) {
      return some.host.get() == &conn->host();
    });
    if (found != targets.end()) {
      found->conns.push_back(std::move(conn));
      continue;
    }
    targets.push_back({.host = Ref<ConnHost>::share(&conn->host())});
    targets.back().conns.push_back(std::move(conn));
  }
  return TCPKIT_OK;
}

}  // namespace

void tcpkit_group_options_init(tcpkit_group_options* options) {
  if (options != nullptr) *options = TCPKIT_GROUP_OPTIONS_INIT;
}

void tcpkit_receipt_init(tcpkit_receipt* receipt) {
  if (receipt != nullptr) *receipt = TCPKIT_RECEIPT_INIT;
}

void tcpkit_broadcast_options_init(tcpkit_broadcast_options* options) {
  if (options != nullptr) *options = TCPKIT_BROADCAST_OPTIONS_INIT;
}

tcpkit_status tcpkit_group_create(const tcpkit_group_options* options, tcpkit_group** out_group) {
  return guarded([&]() -> Status {
    tcpkit_group_options taken = TCPKIT_GROUP_OPTIONS_INIT;
    if (options != nullptr) {
      const Status status = copy_struct(options, taken, "options");
      if (status != TCPKIT_OK) return status;
    }
    return create_group(taken, out_group);
  });
}

void tcpkit_group_free(tcpkit_group* group) {
  if (group == nullptr || check_group(group) != TCPKIT_OK) return;
  delete Group::from_handle(group);
}

tcpkit_status tcpkit_group_join(tcpkit_group* group, tcpkit_conn* conn) {
  Status status = check_group(group);
  if (status == TCPKIT_OK) status = check_conn(conn, "conn");
  if (status != TCPKIT_OK) return status;
  return guarded([&] { return Group::from_handle(group)->join(*Conn::from_handle(conn)); });
}

tcpkit_status tcpkit_group_leave(tcpkit_group* group, tcpkit_conn* conn) {
  Status status = check_group(group);
  if (status == TCPKIT_OK) status = check_conn(conn, "conn");
  if (status != TCPKIT_OK) return status;
  return guarded([&] { return Group::from_handle(group)->leave(*Conn::from_handle(conn)); });
}

uint64_t tcpkit_group_size(const tcpkit_group* group) {
  return group == nullptr ? 0 : Group::from_handle(group)->size();
}

tcpkit_status tcpkit_group_post(tcpkit_group* group, tcpkit_conn_fn task, void* user_data,
                                tcpkit_free_fn user_data_free) {
  UserData owner(user_data, user_data_free);
  Status status = check_group(group);
  if (status == TCPKIT_OK && task == nullptr) {
    status = fail(TCPKIT_E_INVALID_ARGUMENT, "task is NULL");
  }
  if (status != TCPKIT_OK) return status;
  return guarded([&] { return Group::from_handle(group)->post(task, std::move(owner)); });
}

tcpkit_status tcpkit_group_broadcast(tcpkit_group* group, const void* data, size_t data_size,
                                     const tcpkit_broadcast_options* options,
                                     tcpkit_receipt* out_receipt) {
  return broadcast({data, data_size}, options, out_receipt,
                   [&](BroadcastMessage& message, std::vector<BroadcastTargets>& targets) {
                     return collect_members(group, message, targets);
                   });
}

tcpkit_status tcpkit_server_broadcast(tcpkit_server* server, const void* data, size_t data_size,
                                      const tcpkit_broadcast_options* options,
                                      tcpkit_receipt* out_receipt) {
  return broadcast({data, data_size}, options, out_receipt,
                   [&](BroadcastMessage&, std::vector<BroadcastTargets>& targets) {
                     return collect_hosts(server, targets);
                   });
}

tcpkit_status tcpkit_conns_broadcast(tcpkit_conn* const* conns, size_t conn_count,
                                     tcpkit_slice data, const tcpkit_broadcast_options* options,
                                     tcpkit_receipt* out_receipt) {
  return broadcast(data, options, out_receipt,
                   [&](BroadcastMessage&, std::vector<BroadcastTargets>& targets) {
                     return collect_conns(conns, conn_count, targets);
                   });
}
