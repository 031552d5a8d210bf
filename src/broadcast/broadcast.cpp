// From the call to the queues of the targets, and back to the completion.

// An account of the counting:
//
// A delivery is the broadcast on one loop. It is in as many queues as it counts as queued, plus one
// while it is being handed out, and all that is counted on its loop without an atomic. When it is
// in none any more its counts are added to those of the broadcast. The last delivery to end, or the
// call itself if that is later, makes the completion a task of its loop: what ends a delivery may
// be a write of a connection, in the middle of which no user code may run.
#include "broadcast/broadcast.h"

#include <cstring>
#include <new>

namespace tcpkit {
namespace {

constexpr size_t kDefaultBehindBytes = size_t{1} << 20;
constexpr uint64_t kDefaultBehindFrames = 1024;
constexpr uint32_t kDefaultPoolSize = 256;

void count(FrameCounts& counts, FrameOutcome outcome) noexcept {
  switch (outcome) {
    case FrameOutcome::kQueued:
      ++counts.queued;
      return;
    case FrameOutcome::kDropped:
      ++counts.dropped;
      return;
    case FrameOutcome::kSlow:
      ++counts.closed;
      return;
    case FrameOutcome::kNotOpen:
      ++counts.not_open;
      return;
  }
}

void fill_receipt(tcpkit_receipt& receipt, const FrameCounts& counts) noexcept {
  receipt.targets = counts.queued + counts.sent + counts.dropped + counts.closed + counts.not_open;
  receipt.queued = counts.queued;
  receipt.sent = counts.sent;
  receipt.dropped = counts.dropped;
  receipt.closed = counts.closed;
  receipt.not_open = counts.not_open;
}

void add(FrameCounts& sum, const FrameCounts& counts) noexcept {
  sum.queued += counts.queued;
  sum.sent += counts.sent;
  sum.dropped += counts.dropped;
  sum.closed += counts.closed;
  sum.not_open += counts.not_open;
}

}  // namespace

// ---- On one loop ----

class Broadcast::Delivery final : public Task, public SharedFrame {
 public:
  enum class Counted : uint8_t { kNo, kYes };  // as a broadcast of its server
  Delivery(Broadcast& owner, BroadcastTargets targets, Ref<ConnGroup> group,
           const FrameRules& rules, Counted counted) noexcept
      : owner_(owner),
        targets_(std::move(targets)),
        group_(std::move(group)),
        rules_(rules),
        counted_(counted) {
    key = owner.message_.key;
  }

  ConnHost& host() const noexcept { return *targets_.host; }
  void run() noexcept override { (void)deliver(); }
  // The delivery may be gone after this.
  FrameCounts deliver() noexcept;
  // Its loop takes no task any more, so none of its targets is there.
  void give_up() noexcept { owner_.delivery_ended({}, nullptr); }
  void left_queue(Fate fate) noexcept override;

 private:
  void give_to_host() noexcept;
  void give(Conn& conn, FrameScope* scope) noexcept;
  void end_if_unused() noexcept;

  Broadcast& owner_;
  const BroadcastTargets targets_;
  const Ref<ConnGroup> group_;  // whose frames these are; null: of none
  const FrameRules rules_;
  const Counted counted_;
  FrameCounts counts_;
  uint64_t uses_ = 1;  // queues that have it, and its own run
};

FrameCounts Broadcast::Delivery::deliver() noexcept {
  LoopCounters& counters = host().own_counters();
  queued_at_ms = host().loop().turn_ms();
  if (counted_ == Counted::kYes) counters.broadcasts.add(1);
  if (targets_.members_of) {
    targets_.members_of->visit([this](FrameScope& scope) { give(scope.conn, &scope); });
  } else if (targets_.all_of_host) {
    give_to_host();
  } else {
    for (const Ref<Conn>& conn : targets_.conns) give(*conn, conn->take_scope(group_.get()));
  }
  const FrameCounts counts = counts_;
  --uses_;
  end_if_unused();
  return counts;
}

void Broadcast::Delivery::give_to_host() noexcept {
  uint32_t slot = 0;
  while (const Ref<Conn> conn = host().slab().next_listed(slot)) {
    if (conn->is_announced()) give(*conn, conn->take_scope(group_.get()));
  }
}

// Counted before the call, since the frame may leave the queue in it.
void Broadcast::Delivery::give(Conn& conn, FrameScope* scope) noexcept {
  if (&conn == owner_.message_.except.get()) return;
  if (scope == nullptr) return count(counts_, FrameOutcome::kNotOpen);
  ++uses_;
  ++counts_.queued;
  const FrameOutcome outcome = conn.queue_frame(*this, *scope, rules_);
  LoopCounters& counters = host().own_counters();
  if (outcome == FrameOutcome::kQueued) return counters.frames_queued.add(1);
  if (outcome == FrameOutcome::kDropped) counters.frames_dropped.add(1);
  --uses_;
  --counts_.queued;
  count(counts_, outcome);
}

void Broadcast::Delivery::left_queue(Fate fate) noexcept {
  --counts_.queued;
  if (fate == Fate::kSent) ++counts_.sent;
  if (fate == Fate::kLost) ++counts_.closed;
  if (fate == Fate::kDropped) {
    ++counts_.dropped;
    host().own_counters().frames_dropped.add(1);
  }
  --uses_;
  end_if_unused();
}

void Broadcast::Delivery::end_if_unused() noexcept {
  if (uses_ == 0) owner_.delivery_ended(counts_, &host().loop());
}

// ---- The call ----

FrameRules Broadcast::default_rules() noexcept {
  return {TCPKIT_SLOW_DROP_NEW, kDefaultBehindBytes, kDefaultBehindFrames, TCPKIT_UNLIMITED,
          kDefaultPoolSize};
}

Broadcast::Broadcast(BroadcastMessage message) noexcept : message_(std::move(message)) {}

Broadcast::~Broadcast() = default;

Status Broadcast::encode(const Framing* framing, Ref<SharedBuffer>& bytes) const {
  const ByteView data = message_.buffer == nullptr ? message_.data : message_.buffer->view();
  Envelope envelope{};
  if (framing != nullptr) {
    const Status status = framing->encode(data, envelope);
    if (status != TCPKIT_OK) return status;
  } else if (message_.buffer != nullptr) {
    bytes = Ref<SharedBuffer>::share(message_.buffer);
    return TCPKIT_OK;
  }
  bytes = SharedBuffer::with_size(envelope.header_size + data.size() + envelope.trailer_size);
  if (!bytes) return fail(TCPKIT_E_NO_MEMORY, "out of memory for %zu bytes", data.size());
  uint8_t* target = bytes->writable_bytes();
  std::memcpy(target, envelope.header, envelope.header_size);
  target += envelope.header_size;
  if (!data.empty()) std::memcpy(target, data.data(), data.size());
  if (envelope.trailer_size == 0) return TCPKIT_OK;
  std::memcpy(target + data.size(), envelope.trailer, envelope.trailer_size);
  return TCPKIT_OK;
}

// Targets with the same framing share their bytes.
Status Broadcast::encode_for(const ConnHost& host, ByteView& bytes) {
  const Group* group = message_.rules;
  const Framing* framing = host.config().framing.get();
  if (group != nullptr && group->framing() != nullptr) framing = group->framing();
  if (message_.raw) framing = nullptr;
  for (const Encoded& encoded : encodings_) {
    if (encoded.framing != framing) continue;
    bytes = encoded.bytes->view();
    return TCPKIT_OK;
  }
  Ref<SharedBuffer> made;
  const Status status = encode(framing, made);
  if (status != TCPKIT_OK) return status;
  bytes = made->view();
  encodings_.push_back({framing, std::move(made)});
  if (!bytes.empty()) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT, "broadcast: there are no bytes to send");
}

Status Broadcast::prepare(std::vector<BroadcastTargets>& targets) {
  const FrameRules rules = message_.rules == nullptr ? default_rules() : message_.rules->rules();
  for (BroadcastTargets& some : targets) {
    ByteView bytes;
    const Status status = encode_for(*some.host, bytes);
    if (status != TCPKIT_OK) return status;
    if (bytes.size() > rules.max_bytes) {
      return fail(TCPKIT_E_PACKET_TOO_BIG,
                  "broadcast: %zu bytes are more than max_behind_bytes, %zu", bytes.size(),
                  rules.max_bytes);
    }
    GroupPart* part = nullptr;
    if (message_.rules != nullptr) {
      part = message_.rules->take_part(*some.host);
      if (part == nullptr) return fail(TCPKIT_E_NO_MEMORY, "out of memory for a broadcast");
    }
    auto counted = Delivery::Counted::kYes;
    for (const auto& other : deliveries_) {
      if (&other->host().config() == &some.host->config()) counted = Delivery::Counted::kNo;
    }
    deliveries_.push_back(std::make_unique<Delivery>(*this, std::move(some),
                                                     Ref<ConnGroup>::share(part), rules, counted));
    deliveries_.back()->bytes = bytes;
  }
  message_.rules = nullptr;  // it may be freed once the call has returned
  return TCPKIT_OK;
}

Status Broadcast::send(BroadcastMessage message, std::vector<BroadcastTargets> targets,
                       tcpkit_receipt& receipt) {
  struct Delete {
    void operator()(Broadcast* failed) const noexcept { delete failed; }
  };
  std::unique_ptr<Broadcast, Delete> broadcast(new Broadcast(std::move(message)));
  const Status status = broadcast->prepare(targets);
  if (status == TCPKIT_OK) broadcast.release()->start(receipt);
  return status;
}

// Other loops begin before this one does its share.
void Broadcast::start(tcpkit_receipt& receipt) noexcept {
  FrameCounts counts;
  deliveries_left_.store(deliveries_.size() + 1, std::memory_order_relaxed);
  for (const auto& delivery : deliveries_) {
    if (delivery->host().loop().is_home()) continue;
    if (delivery->host().loop().post(delivery.get())) {
      ++receipt.loops_left;
    } else {
      delivery->give_up();
    }
  }
  for (const auto& delivery : deliveries_) {
    if (delivery->host().loop().is_home()) add(counts, delivery->deliver());
  }
  fill_receipt(receipt, counts);
  delivery_ended({}, nullptr);
}

// ---- The completion ----

// loop: that of the calling thread; null in the call itself. The broadcast may be gone after this.
void Broadcast::delivery_ended(const FrameCounts& counts, Loop* loop) noexcept {
  sent_.fetch_add(counts.sent, std::memory_order_relaxed);
  dropped_.fetch_add(counts.dropped, std::memory_order_relaxed);
  closed_.fetch_add(counts.closed, std::memory_order_relaxed);
  not_open_.fetch_add(counts.not_open, std::memory_order_relaxed);
  // acq_rel: the last one sees what all others have added, and what they did to their frames.
  if (deliveries_left_.fetch_sub(1, std::memory_order_acq_rel) == 1) complete(loop);
}

void Broadcast::complete(Loop* loop) noexcept {
  if (message_.on_done == nullptr) {
    delete this;
    return;
  }
  if (loop != nullptr && loop->post(this)) return;
  for (const auto& delivery : deliveries_) {
    if (delivery->host().loop().post(this)) return;
  }
  run();
}

// To a server of this loop, which exists then; elsewhere nobody may be there to be told.
void Broadcast::log_throw() const noexcept {
  for (const auto& delivery : deliveries_) {
    const ConnHost& host = delivery->host();
    if (!host.loop().is_home()) continue;
    host.config().log.write(TCPKIT_LOG_ERROR, "an on_done threw; it is dropped");
    return;
  }
}

void Broadcast::run() noexcept {
  const FrameCounts counts{
      0, sent_.load(std::memory_order_relaxed), dropped_.load(std::memory_order_relaxed),
      closed_.load(std::memory_order_relaxed), not_open_.load(std::memory_order_relaxed)};
  tcpkit_receipt receipt = TCPKIT_RECEIPT_INIT;
  fill_receipt(receipt, counts);
  try {
    message_.on_done(&receipt, message_.user_data.get());
  } catch (...) {
    log_throw();
  }
  delete this;
}

}  // namespace tcpkit
