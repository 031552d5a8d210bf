// Ticket keys by themselves: how they age, are found, set and forgotten.
#include "tls/ticket_keys.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace tcpkit::test {
namespace {

std::atomic<uint64_t> g_now_ms{0};

uint64_t manual_now_ms() noexcept {
  return g_now_ms;
}

std::string key_bytes(char letter, size_t count = 1) {
  return std::string(count * TCPKIT_TLS_TICKET_KEY_SIZE, letter);
}

Status set_keys(TicketKeys& keys, const std::string& bytes) {
  return keys.set({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()});
}

TEST(TicketKeys, AreRandomAndTheSameUntilTheirAge) {
  g_now_ms = 5000;
  TicketKeys keys(100, 1000, manual_now_ms);
  TicketKeys others(100, 1000, manual_now_ms);
  const TicketKeys::KeyRef first = keys.current();
  ASSERT_TRUE(first);
  EXPECT_NE(first->aes_key, others.current()->aes_key);
  EXPECT_NE(first->aes_key, first->mac_key);
  g_now_ms += 99;
  EXPECT_EQ(keys.current(), first);
  g_now_ms += 1;
  EXPECT_NE(keys.current(), first);
}

TEST(TicketKeys, AreFoundByNameUntilTheirLastTicketHasExpired) {
  g_now_ms = 0;
  TicketKeys keys(100, 1000, manual_now_ms);
  const TicketKeys::KeyRef first = keys.current();
  EXPECT_TRUE(keys.find(first->name.data()).is_current);
  g_now_ms = 500;  // replaced now
  const TicketKeys::Found old = keys.find(first->name.data());
  ASSERT_TRUE(old.key);
  EXPECT_FALSE(old.is_current);
  EXPECT_EQ(old.key->aes_key, first->aes_key);
  g_now_ms = 1499;
  EXPECT_TRUE(keys.find(first->name.data()).key);
  g_now_ms = 1500;
  EXPECT_FALSE(keys.find(first->name.data()).key);
}

TEST(TicketKeys, OfOthersAreNotFound) {
  TicketKeys keys(TCPKIT_UNLIMITED, 1000, manual_now_ms);
  const uint8_t name[TicketKey::kNameBytes] = {};
  EXPECT_FALSE(keys.find(name).key);
}

TEST(TicketKeys, AreNoMoreThanACertainNumber) {
  g_now_ms = 0;
  TicketKeys keys(1, TCPKIT_UNLIMITED, manual_now_ms);
  const TicketKeys::KeyRef first = keys.current();
  std::vector<TicketKeys::KeyRef> made;
  for (int i = 0; i < 256; ++i) {
    ++g_now_ms;
    made.push_back(keys.current());
  }
  EXPECT_FALSE(keys.find(first->name.data()).key);
  EXPECT_TRUE(keys.find(made.front()->name.data()).key);
}

TEST(TicketKeys, ThatAreSetReplaceAllOthersAndStay) {
  g_now_ms = 0;
  TicketKeys keys(100, 1000, manual_now_ms);
  const TicketKeys::KeyRef made = keys.current();
  ASSERT_EQ(set_keys(keys, key_bytes('a') + key_bytes('b')), TCPKIT_OK);
  EXPECT_FALSE(keys.find(made->name.data()).key);
  EXPECT_EQ(keys.current()->name[0], 'a');
  const std::string name = "bbbbbbbbbbbbbbbb";
  EXPECT_TRUE(keys.find(reinterpret_cast<const uint8_t*>(name.data())).key);
  g_now_ms = UINT64_MAX;
  EXPECT_EQ(keys.current()->name[0], 'a');
}

TEST(TicketKeys, AreTakenFromTheirThreeParts) {
  TicketKeys keys(100, 1000, manual_now_ms);
  ASSERT_EQ(set_keys(keys, std::string(16, 'n') + std::string(32, 'm') + std::string(32, 'e')),
            TCPKIT_OK);
  const TicketKeys::KeyRef key = keys.current();
  EXPECT_EQ(key->name.back(), 'n');
  EXPECT_EQ(key->mac_key.front(), 'm');
  EXPECT_EQ(key->mac_key.back(), 'm');
  EXPECT_EQ(key->aes_key.front(), 'e');
}

TEST(TicketKeys, OfAWrongSizeOrNumberAreRefused) {
  TicketKeys keys(100, 1000, manual_now_ms);
  EXPECT_EQ(set_keys(keys, ""), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(set_keys(keys, std::string(79, 'a')), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(set_keys(keys, std::string(81, 'a')), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(set_keys(keys, key_bytes('a', 17)), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_EQ(set_keys(keys, key_bytes('a', 16)), TCPKIT_OK);
}

TEST(TicketKeys, AreOneForAllThreads) {
  g_now_ms = 0;
  TicketKeys keys(TCPKIT_UNLIMITED, 1000, manual_now_ms);
  std::vector<TicketKeys::KeyRef> seen(4);
  std::vector<std::thread> threads;
  threads.reserve(seen.size());
  for (TicketKeys::KeyRef& mine : seen) {
    threads.emplace_back([&keys, &mine] { mine = keys.current(); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const TicketKeys::KeyRef& key : seen) EXPECT_EQ(key, seen.front());
}

}  // namespace
}  // namespace tcpkit::test
