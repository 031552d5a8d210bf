// A group on a loop whose time is the test's, with targets that read when they are told to.
#pragma once

#include <string>
#include <string_view>

#include "unit/conn/host_bed.h"

namespace tcpkit::test {

class GroupBed {
 public:
  explicit GroupBed(const tcpkit_group_options& options, const BedSettings& settings = {})
      : bed(settings) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_group_create(&options, &group_));
  }
  GroupBed(const GroupBed&) = delete;
  GroupBed& operator=(const GroupBed&) = delete;
  ~GroupBed() {
    bed.stop();
    tcpkit_group_free(group_);
  }

  tcpkit_group* group() const { return group_; }

  // On the loop, at the end of a turn.
  template <typename Action>
  void on_loop(Action action) {
    bed.run_until([&] {
      action();
      return true;
    });
  }
  void join(const Peer& peer) {
    on_loop([&] { EXPECT_EQ(TCPKIT_OK, tcpkit_group_join(group_, peer.conn().handle())); });
  }
  // More than its kernel buffers take; the rest waits, and what comes after it.
  void stall(const Peer& peer) {
    const std::string filler = stall_bytes();
    on_loop([&] {
      EXPECT_LE(0, tcpkit_conn_send(peer.conn().handle(), filler.data(), filler.size()));
    });
    bed.run_turns(2);
    EXPECT_GT(peer.conn().queued_bytes(), 0u);
  }
  static std::string stall_bytes() { return patterned(2u << 20); }

  tcpkit_receipt broadcast(std::string_view text, uint64_t key = 0) {
    tcpkit_broadcast_options options = TCPKIT_BROADCAST_OPTIONS_INIT;
    options.key = key;
    return broadcast(text, options);
  }
  tcpkit_receipt broadcast(std::string_view text, const tcpkit_broadcast_options& options) {
    tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;
    on_loop([&] {
      EXPECT_EQ(TCPKIT_OK,
                tcpkit_group_broadcast(group_, text.data(), text.size(), &options, &receipt))
          << tcpkit_last_error_message();
    });
    return receipt;
  }
  // Reads until nothing more comes; what came, but for the bytes that stall() sent.
  std::string read_after_stall(const Peer& peer) {
    std::string got = read_settled(peer);
    const std::string filler = stall_bytes();
    EXPECT_EQ(0, got.compare(0, filler.size(), filler));
    return got.substr(std::min(got.size(), filler.size()));
  }
  std::string read_settled(const Peer& peer) {
    std::string got;
    for (size_t before = 1; before != got.size();) {
      before = got.size();
      bed.run_turns(3);
      got += peer.read_all();
    }
    return got;
  }

  HostBed bed;

 private:
  tcpkit_group* group_ = nullptr;
};

inline tcpkit_group_options with_policy(tcpkit_slow_policy policy, uint64_t max_frames = 0) {
  tcpkit_group_options options = TCPKIT_GROUP_OPTIONS_INIT;
  options.slow_policy = policy;
  options.max_behind_frames = max_frames;
  return options;
}

}  // namespace tcpkit::test
