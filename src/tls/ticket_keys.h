// Keys that session tickets are sealed with: one that makes tickets, and those before it, which are
// still taken until their last ticket has expired.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"

namespace tcpkit {

struct TicketKey {
  static constexpr size_t kNameBytes = 16;
  static constexpr size_t kSecretBytes = 32;

  std::array<uint8_t, kNameBytes> name;
  std::array<uint8_t, kSecretBytes> mac_key;  // HMAC-SHA-256
  std::array<uint8_t, kSecretBytes> aes_key;  // AES-256-CBC
  uint64_t made_ms = 0;
  uint64_t forgotten_ms = UINT64_MAX;  // when it is taken no longer

  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();
};
static_assert(TicketKey::kNameBytes + 2 * TicketKey::kSecretBytes == TCPKIT_TLS_TICKET_KEY_SIZE);

// Any thread; a handshake holds the lock for as long as copying a pointer takes.
class TicketKeys {
 public:
  using NowMs = uint64_t (*)() noexcept;
  using KeyRef = std::shared_ptr<const TicketKey>;

  // rotation_ms may be TCPKIT_UNLIMITED: the first key stays.
  TicketKeys(uint64_t rotation_ms, uint64_t lifetime_ms, NowMs now_ms) noexcept
      : rotation_ms_(rotation_ms), lifetime_ms_(lifetime_ms), now_ms_(now_ms) {}

  // The key that makes tickets now, a new one if its time has come; null if there is no randomness.
  KeyRef current();
  struct Found {
    KeyRef key;  // null: no ticket of ours, or too old
    bool is_current = false;
  };
  // The key of that name, TicketKey::kNameBytes long.
  Found find(const uint8_t* name);

  // Takes these in place of all others and makes none from now on; 1 to 16.
  Status set(ByteView keys);

 private:
  KeyRef rotate(uint64_t now);

  const uint64_t rotation_ms_;
  const uint64_t lifetime_ms_;
  const NowMs now_ms_;
  std::mutex mutex_;
  bool is_set_ = false;
  std::vector<KeyRef> keys_;  // the current one first
};

}  // namespace tcpkit
