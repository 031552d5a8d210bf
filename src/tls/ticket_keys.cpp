// Making, aging and forgetting of ticket keys.
#include "tls/ticket_keys.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>

#include <cstring>

namespace tcpkit {
namespace {

constexpr size_t kMaxSetKeys = 16;
// With a rotation that is far shorter than the lifetime of sessions the oldest keys go early.
constexpr size_t kMaxKeys = 256;

uint64_t add_up(uint64_t time, uint64_t span) noexcept {
  return span > UINT64_MAX - time ? UINT64_MAX : time + span;
}

std::shared_ptr<TicketKey> key_from(const uint8_t* bytes) {
  auto key = std::make_shared<TicketKey>();
  std::memcpy(key->name.data(), bytes, key->name.size());
  bytes += key->name.size();
  std::memcpy(key->mac_key.data(), bytes, key->mac_key.size());
  bytes += key->mac_key.size();
  std::memcpy(key->aes_key.data(), bytes, key->aes_key.size());
  return key;
}

}  // namespace

TicketKey::~TicketKey() {
  OPENSSL_cleanse(mac_key.data(), mac_key.size());
  OPENSSL_cleanse(aes_key.data(), aes_key.size());
}

// The new key goes to the front; the one before is forgotten when the last ticket it made expires.
TicketKeys::KeyRef TicketKeys::rotate(uint64_t now) {
  uint8_t random[TCPKIT_TLS_TICKET_KEY_SIZE];
  if (RAND_bytes(random, sizeof random) != 1) return nullptr;
  const std::shared_ptr<TicketKey> made = key_from(random);
  OPENSSL_cleanse(random, sizeof random);
  made->made_ms = now;
  if (!keys_.empty()) {
    auto before = std::make_shared<TicketKey>(*keys_.front());
    before->forgotten_ms = add_up(now, lifetime_ms_);
    keys_.front() = before;
  }
  keys_.insert(keys_.begin(), made);
  std::erase_if(keys_, [now](const KeyRef& key) { return key->forgotten_ms <= now; });
  if (keys_.size() > kMaxKeys) keys_.pop_back();
  return made;
}

TicketKeys::KeyRef TicketKeys::current() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (is_set_) return keys_.front();
  const uint64_t now = now_ms_();
  const bool is_due = keys_.empty() || now >= add_up(keys_.front()->made_ms, rotation_ms_);
  return is_due ? rotate(now) : keys_.front();
}

TicketKeys::Found TicketKeys::find(const uint8_t* name) {
  const KeyRef newest = current();
  const std::lock_guard<std::mutex> lock(mutex_);
  const uint64_t now = now_ms_();
  for (const KeyRef& key : keys_) {
    if (std::memcmp(key->name.data(), name, key->name.size()) != 0) continue;
    if (key->forgotten_ms <= now) break;
    return {key, key == newest};
  }
  return {};
}

Status TicketKeys::set(ByteView keys) {
  const size_t count = keys.size() / TCPKIT_TLS_TICKET_KEY_SIZE;
  if (keys.size() % TCPKIT_TLS_TICKET_KEY_SIZE != 0 || count == 0 || count > kMaxSetKeys) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "%zu bytes are not 1 to %zu ticket keys of %d bytes",
                keys.size(), kMaxSetKeys, TCPKIT_TLS_TICKET_KEY_SIZE);
  }
  std::vector<KeyRef> taken;
  for (size_t i = 0; i < count; ++i) {
    taken.push_back(key_from(keys.data() + i * TCPKIT_TLS_TICKET_KEY_SIZE));
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  keys_.swap(taken);
  is_set_ = true;
  return TCPKIT_OK;
}

}  // namespace tcpkit
