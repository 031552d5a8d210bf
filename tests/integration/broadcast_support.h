// Groups, and completions that a test waits for.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "server_fixture.h"

namespace testkit {

struct GroupFree {
  void operator()(tcpkit_group* group) const { tcpkit_group_free(group); }
};
using GroupOwner = std::unique_ptr<tcpkit_group, GroupFree>;

inline GroupOwner make_group(const tcpkit_group_options& options = TCPKIT_GROUP_OPTIONS_INIT) {
  tcpkit_group* group = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_group_create(&options, &group)) << TestServer::last_error();
  return GroupOwner(group);
}

// The completion of one broadcast; outlives it.
class Completion {
 public:
  tcpkit_broadcast_options options() {
    tcpkit_broadcast_options made = TCPKIT_BROADCAST_OPTIONS_INIT;
    made.on_done = [](const tcpkit_receipt* receipt, void* self) {
      static_cast<Completion*>(self)->receipt_ = *receipt;
    };
    made.user_data = this;
    made.user_data_free = [](void* self) { static_cast<Completion*>(self)->freed_.set(); };
    return made;
  }
  // Once it came and its user data was freed.
  tcpkit_receipt receipt() const {
    EXPECT_TRUE(freed_.wait());
    EXPECT_EQ(1, freed_.count());
    return receipt_;
  }
  bool is_done() const { return freed_.count() > 0; }

 private:
  Event freed_;
  tcpkit_receipt receipt_ = TCPKIT_RECEIPT_INIT;
};

inline tcpkit_status broadcast(const GroupOwner& group, std::string_view text,
                               const tcpkit_broadcast_options* options = nullptr,
                               tcpkit_receipt* receipt = nullptr) {
  return tcpkit_group_broadcast(group.get(), text.data(), text.size(), options, receipt);
}

// Broadcasts, and waits until it is done.
inline tcpkit_receipt broadcast_and_wait(const GroupOwner& group, std::string_view text) {
  Completion completion;
  const tcpkit_broadcast_options options = completion.options();
  EXPECT_EQ(TCPKIT_OK, broadcast(group, text, &options)) << TestServer::last_error();
  return completion.receipt();
}

// Some clients of a server, each with its connection, members of a group.
struct Members {
  Members(TestServer& server, size_t count, const GroupOwner& group, int receive_buffer_size = 0)
      : clients(count) {
    for (RawClient& client : clients) {
      conns.push_back(server.accepted(client, receive_buffer_size));
      EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group.get(), conns.back().get()));
    }
    EXPECT_TRUE(server.wait_until([&] { return tcpkit_group_size(group.get()) >= count; }));
  }
  std::vector<RawClient> clients;
  std::vector<KeptConn> conns;
};

}  // namespace testkit
