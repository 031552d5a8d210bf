// The stack of close handlers: last registered first, none lost and none run twice at the end.
#include "conn/close_handlers.h"

#include <gtest/gtest.h>

#include <array>
#include <latch>
#include <memory>
#include <thread>
#include <vector>

namespace tcpkit::test {
namespace {

std::vector<const CloseHandler*> listed(const CloseHandler* first) {
  std::vector<const CloseHandler*> handlers;
  for (; first != nullptr; first = first->next) handlers.push_back(first);
  return handlers;
}

TEST(CloseHandlers, EndGivesTheLastRegisteredFirst) {
  CloseHandlers handlers;
  std::array<CloseHandler, 3> registered{};
  for (CloseHandler& handler : registered) EXPECT_TRUE(handlers.push(&handler));
  const std::vector<const CloseHandler*> expected = {&registered[2], &registered[1],
                                                     &registered[0]};
  EXPECT_EQ(listed(handlers.end()), expected);
}

TEST(CloseHandlers, EndOfNoneGivesNone) {
  CloseHandlers handlers;
  EXPECT_EQ(handlers.end(), nullptr);
}

TEST(CloseHandlers, RefuseWhatComesAfterTheEnd) {
  CloseHandlers handlers;
  (void)handlers.end();
  CloseHandler late{};
  EXPECT_FALSE(handlers.push(&late));
  EXPECT_FALSE(handlers.push(&late));
  EXPECT_EQ(late.next, nullptr);
}

TEST(CloseHandlers, AreListedOrRefusedOnceWhenManyThreadsPushWhileItEnds) {
  constexpr size_t kThreads = 4;
  constexpr size_t kEach = 500;
  constexpr int kRounds = 20;
  for (int round = 0; round < kRounds; ++round) {
    CloseHandlers handlers;
    std::vector<std::vector<CloseHandler>> owned(kThreads);
    std::vector<size_t> accepted(kThreads);
    std::latch begin(kThreads + 1);
    std::latch some_pushed(1);
    std::vector<std::thread> threads;
    for (size_t i = 0; i < kThreads; ++i) {
      owned[i] = std::vector<CloseHandler>(kEach);
      threads.emplace_back([&, i] {
        begin.arrive_and_wait();
        for (size_t k = 0; k < kEach && handlers.push(&owned[i][k]); ++k) {
          ++accepted[i];
          if (i == 0 && k == kEach / 4) some_pushed.count_down();
        }
      });
    }
    begin.arrive_and_wait();
    some_pushed.wait();
    const std::vector<const CloseHandler*> ended = listed(handlers.end());
    for (std::thread& thread : threads) thread.join();

    // Of each thread's handlers exactly the accepted ones are listed, the last one first.
    std::vector<size_t> left = accepted;
    for (const CloseHandler* handler : ended) {
      for (size_t i = 0; i < kThreads; ++i) {
        if (left[i] > 0 && handler == &owned[i][left[i] - 1]) --left[i];
      }
    }
    size_t all_accepted = 0;
    for (size_t i = 0; i < kThreads; ++i) {
      EXPECT_EQ(left[i], 0u) << "thread " << i;
      all_accepted += accepted[i];
    }
    EXPECT_EQ(ended.size(), all_accepted);
  }
}

TEST(CloseHandlers, ShowARefusedThreadWhatWasWrittenBeforeTheEnd) {
  CloseHandlers handlers;
  int cause = 0;  // plain: the end publishes it
  std::thread refused([&] {
    std::vector<std::unique_ptr<CloseHandler>> pushed;
    do {
      pushed.push_back(std::make_unique<CloseHandler>());
    } while (handlers.push(pushed.back().get()));
    EXPECT_EQ(cause, 7);
  });
  cause = 7;
  (void)handlers.end();
  refused.join();
}

}  // namespace
}  // namespace tcpkit::test
