// One broadcast: encoded once, one task for each loop with targets, and what became of it.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "base/user_data.h"
#include "broadcast/group.h"
#include "buffer/shared_buffer.h"

namespace tcpkit {

// What is sent and what is to be known of it, as a user gave it.
struct BroadcastMessage {
  ByteView data;
  SharedBuffer* buffer = nullptr;  // in place of data
  bool raw = false;                // never as a packet
  Ref<Conn> except;                // no target
  uint64_t key = 0;
  Group* rules = nullptr;  // whose rules hold, and whose frames these are; null: the defaults
  tcpkit_receipt_fn on_done = nullptr;
  UserData user_data;
};

// What became of the targets; each is in exactly one of the counts.
struct FrameCounts {
  uint64_t queued = 0;
  uint64_t sent = 0;
  uint64_t dropped = 0;
  uint64_t closed = 0;
  uint64_t not_open = 0;
};

// Where the targets on one loop come from.
struct BroadcastTargets {
  Ref<ConnHost> host;
  bool all_of_host = false;
  Ref<GroupPart> members_of = {};     // else: all members of it
  std::vector<Ref<Conn>> conns = {};  // else: these
};

class Broadcast final : public Task {
 public:
  // The rules of broadcasts that name no group.
  static FrameRules default_rules() noexcept;
  // May throw std::bad_alloc. Nothing has happened if it fails.
  static Status send(BroadcastMessage message, std::vector<BroadcastTargets> targets,
                     tcpkit_receipt& receipt);

  // The completion.
  void run() noexcept override;

 private:
  class Delivery;
  struct Encoded {
    const Framing* framing;
    Ref<SharedBuffer> bytes;
  };

  explicit Broadcast(BroadcastMessage message) noexcept;
  ~Broadcast();
  Status prepare(std::vector<BroadcastTargets>& targets);
  Status encode_for(const ConnHost& host, ByteView& bytes);
  Status encode(const Framing* framing, Ref<SharedBuffer>& bytes) const;
  void start(tcpkit_receipt& receipt) noexcept;
  void delivery_ended(const FrameCounts& counts, Loop* loop) noexcept;
  void complete(Loop* loop) noexcept;
  void log_throw() const noexcept;

  BroadcastMessage message_;
  std::vector<Encoded> encodings_;
  std::vector<std::unique_ptr<Delivery>> deliveries_;
  std::atomic<size_t> deliveries_left_{0};
  std::atomic<uint64_t> sent_{0};
  std::atomic<uint64_t> dropped_{0};
  std::atomic<uint64_t> closed_{0};
  std::atomic<uint64_t> not_open_{0};
};

}  // namespace tcpkit
