// Keeps the books of one run: what every user_data and every connection is owed, and what it got.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "faults/faults.h"
#include "tcpkit.h"

namespace faults {

// One user_data. The call that takes it is told to the token afterwards.
class Token {
 public:
  enum class Kind : uint8_t {
    kData,   // only freed
    kTask,   // runs once
    kTimer,  // runs at most once
    kTicker  // runs as often as it likes
  };

  explicit Token(Kind kind) noexcept : kind_(kind) {}

  void ran() noexcept {
    ++runs_;
    if (frees_ > 0) late_ = true;
  }
  static void free(void* token) noexcept { ++static_cast<Token*>(token)->frees_; }
  // Returns status, for the caller to look at.
  tcpkit_status taken_with(tcpkit_status status) noexcept {
    taken_ = status >= 0;
    return status;
  }
  bool is_freed() const noexcept { return frees_ > 0; }

  void check() const {
    const int runs = runs_;
    const bool once = taken_ && kind_ == Kind::kTask;
    EXPECT_EQ(1, frees_) << "user_data_free, kind " << static_cast<int>(kind_);
    EXPECT_FALSE(late_) << "used after user_data_free";
    EXPECT_TRUE(taken_ || runs == 0) << "a failed call must have no effect";
    EXPECT_TRUE(!once || runs == 1) << "a task ran " << runs << " times";
    EXPECT_TRUE(kind_ != Kind::kTimer || runs <= 1) << "a timer came due " << runs << " times";
  }

 private:
  const Kind kind_;
  std::atomic<int> runs_{0};
  std::atomic<int> frees_{0};
  std::atomic<bool> late_{false};
  std::atomic<bool> taken_{false};
};

class Ledger {
 public:
  Token* make_token(Token::Kind kind) {
    const Scope spared(Mode::kSpared);
    const std::lock_guard lock(mutex_);
    tokens_.push_back(std::make_unique<Token>(kind));
    return tokens_.back().get();
  }

  void opened(uint64_t id) {
    change(id, [](Life& life) { ++life.opens; });
  }
  void used(uint64_t id) {
    change(id, [](Life& life) { life.used_while_shut |= life.opens != 1 || life.closes != 0; });
  }
  void closed(uint64_t id) {
    change(id, [](Life& life) { ++life.closes; });
  }
  // Of a server that has stopped: every connection has had its last callback.
  void check_connections() const {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, life] : lives_) {
      // A PROXY header that does not come ends a connection that was never open.
      EXPECT_LE(life.opens, 1) << "connection " << id;
      EXPECT_EQ(1, life.closes) << "on_close of connection " << id;
      EXPECT_FALSE(life.used_while_shut) << "a callback outside of the life of connection " << id;
    }
  }
  void check_metrics(const tcpkit_metrics& metrics) const {
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(metrics.accepted, metrics.closed);
    EXPECT_EQ(metrics.closed, lives_.size());
    EXPECT_EQ(0u, metrics.connections);
    EXPECT_EQ(0u, metrics.buffered_bytes);
    EXPECT_EQ(0u, metrics.handler_threads);
  }

  void check_tokens() const {
    const std::lock_guard lock(mutex_);
    for (const auto& token : tokens_) token->check();
  }

 private:
  struct Life {
    int opens = 0;
    int closes = 0;
    bool used_while_shut = false;
  };
  template <typename Change>
  void change(uint64_t id, Change change) {
    const std::lock_guard lock(mutex_);
    change(lives_[id]);
  }

  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Token>> tokens_;
  std::map<uint64_t, Life> lives_;
};

}  // namespace faults
