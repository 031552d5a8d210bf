// The write queue: every byte leaves once and in order, wherever the kernel stops taking them.
#include "buffer/write_queue.h"

#include <gtest/gtest.h>

#include <cstring>
#include <numeric>

#include "unit/buffer/queue_support.h"

namespace tcpkit::test {
namespace {

TEST(WriteQueue, BeginsEmpty) {
  Queue queue;
  EXPECT_TRUE(queue.queue.empty());
  EXPECT_EQ(queue.queue.bytes(), 0u);
  EXPECT_EQ(queue.text(), "");
  queue.consume(0);
  queue.settle();
  queue.clear();
  EXPECT_TRUE(queue.queue.empty());
}

TEST(WriteQueue, PutsSmallMessagesIntoOneBlock) {
  Queue queue;
  for (const char* text : {"one ", "two ", "three"}) EXPECT_TRUE(queue.append(text));
  EXPECT_EQ(queue.queue.bytes(), 13u);
  EXPECT_EQ(queue.piece_sizes(), std::vector<size_t>{13});
  EXPECT_EQ(queue.text(), "one two three");
}

TEST(WriteQueue, JoinsThePiecesOfOneMessage) {
  Queue queue;
  const ByteView pieces[] = {bytes_of("head"), bytes_of(""), bytes_of("body"), bytes_of("tail")};
  EXPECT_TRUE(queue.queue.append(queue.pool, pieces, 12));
  EXPECT_EQ(queue.text(), "headbodytail");
}

TEST(WriteQueue, QueuesNothingForAMessageWithoutBytes) {
  Queue queue;
  EXPECT_TRUE(queue.append(""));
  EXPECT_TRUE(queue.append_shared(""));
  EXPECT_TRUE(queue.queue.append(queue.pool, {}, 0));
  EXPECT_TRUE(queue.queue.empty());
  EXPECT_TRUE(queue.piece_sizes().empty());
}

TEST(WriteQueue, GoesOnInNewBlocksForEverySizeOfMessage) {
  constexpr size_t kSizes[] = {16'359,  16'360,  16'361,  32'768,  262'119,   262'120,
                               262'121, 262'144, 300'000, 524'241, 1'000'000, 3'000'001};
  for (const size_t size : kSizes) {
    for (const size_t before : {0u, 1u, 16'359u, 16'360u}) {
      Queue queue;
      const std::string first = patterned_text(before, 3);
      const std::string second = patterned_text(size, 5);
      ASSERT_TRUE(queue.append(first));
      ASSERT_TRUE(queue.append(second));
      EXPECT_EQ(queue.queue.bytes(), before + size);
      EXPECT_TRUE(queue.text() == first + second) << before << " then " << size;
    }
  }
}

TEST(WriteQueue, KeepsTheOrderOfCopiesAndSharedBuffers) {
  Queue queue;
  queue.append("a");
  queue.append_shared("B");
  queue.append("c");
  queue.append("d");
  queue.append_shared("E");
  queue.append_shared("F");
  EXPECT_EQ(queue.text(), "aBcdEF");
  EXPECT_EQ(queue.piece_sizes(), (std::vector<size_t>{1, 1, 2, 1, 1}));
}

TEST(WriteQueue, SendsASharedBufferFromWhereItLies) {
  Queue queue;
  const Ref<SharedBuffer> buffer = SharedBuffer::copy(bytes_of("shared"));
  ASSERT_TRUE(queue.queue.append_shared(queue.pool, *buffer));
  ASSERT_TRUE(queue.queue.append_shared(queue.pool, *buffer));
  iovec entries[2];
  ASSERT_EQ(queue.queue.gather(entries), 2u);
  EXPECT_EQ(entries[0].iov_base, buffer->view().data());
  EXPECT_EQ(entries[1].iov_base, buffer->view().data());
}

TEST(WriteQueue, ClaimsPlaceOnlyWhereTheLastBlockHasRoom) {
  Queue queue;
  EXPECT_EQ(queue.queue.claim(1), nullptr);
  queue.append("begin ");
  uint8_t* place = queue.queue.claim(3);
  ASSERT_NE(place, nullptr);
  std::memcpy(place, "end", 3);
  EXPECT_EQ(queue.text(), "begin end");
  EXPECT_EQ(queue.queue.bytes(), 9u);
  EXPECT_EQ(queue.queue.claim(16'384), nullptr);
  queue.append_shared(" shared");
  EXPECT_EQ(queue.queue.claim(1), nullptr);
  EXPECT_EQ(queue.text(), "begin end shared");
}

TEST(WriteQueue, ClaimsTheLastByteOfABlock) {
  Queue queue;
  queue.append(std::string(16'359, 'x'));
  uint8_t* place = queue.queue.claim(1);
  ASSERT_NE(place, nullptr);
  *place = 'y';
  EXPECT_EQ(queue.queue.claim(1), nullptr);
  EXPECT_TRUE(queue.text() == std::string(16'359, 'x') + 'y');
  EXPECT_EQ(queue.piece_sizes().size(), 1u);
}

TEST(WriteQueue, FillsNoMoreEntriesThanThereAre) {
  Queue queue;
  for (const char* text : {"a", "b", "c"}) queue.append_shared(text);
  iovec entries[3];
  EXPECT_EQ(queue.queue.gather({entries, 0}), 0u);
  EXPECT_EQ(queue.queue.gather({entries, 2}), 2u);
  EXPECT_EQ(queue.queue.gather({entries, 3}), 3u);
}

// Two shared buffers between copies; one of them fills more than a block.
std::string fill_with_every_kind(Queue& queue) {
  const std::string large = patterned_text(16'370, 9);
  queue.append("abc");
  queue.append_shared("DEFG");
  queue.append(large);
  queue.append_shared("HI");
  queue.append("jk");
  return "abcDEFG" + large + "HIjk";
}

TEST(WriteQueue, ConsumesUpToEveryBoundaryAndOneByteAroundIt) {
  Queue model;
  fill_with_every_kind(model);
  size_t boundary = 0;
  for (const size_t size : model.piece_sizes()) {
    boundary += size;
    for (const size_t sent : {boundary - 1, boundary, boundary + 1}) {
      Queue queue;
      const std::string whole = fill_with_every_kind(queue);
      if (sent > whole.size()) continue;
      queue.consume(sent);
      EXPECT_TRUE(queue.text() == whole.substr(sent)) << sent;
      EXPECT_EQ(queue.queue.bytes(), whole.size() - sent);
      EXPECT_EQ(queue.queue.empty(), sent == whole.size());
    }
  }
}

TEST(WriteQueue, ConsumesByteByByte) {
  Queue queue;
  std::string rest = "abcDEFGhi";
  queue.append("abc");
  queue.append_shared("DEFG");
  queue.append("hi");
  while (!rest.empty()) {
    queue.consume(1);
    rest.erase(0, 1);
    EXPECT_EQ(queue.text(), rest);
  }
  EXPECT_TRUE(queue.queue.empty());
}

TEST(WriteQueue, TakesMoreAfterItRanEmpty) {
  Queue queue;
  for (int round = 0; round < 3; ++round) {
    queue.append("copied");
    queue.append_shared("shared");
    EXPECT_EQ(queue.text(), "copiedshared");
    queue.consume(12);
    EXPECT_TRUE(queue.queue.empty());
    EXPECT_TRUE(queue.piece_sizes().empty());
  }
}

TEST(WriteQueue, ReleasesASharedBufferWhenItsLastByteIsSent) {
  int freed = 0;
  Queue queue;
  const std::string text = "shared";
  queue.queue.append_shared(queue.pool,
                            *SharedBuffer::wrap(bytes_of(text), UserData(&freed, [](void* count) {
                                                  ++*static_cast<int*>(count);
                                                })));
  queue.consume(5);
  EXPECT_EQ(freed, 0);
  queue.consume(1);
  EXPECT_EQ(freed, 1);
}

TEST(WriteQueue, ReleasesSharedBuffersWhenItIsCleared) {
  int freed = 0;
  Queue queue;
  const std::string text = "shared";
  {
    const auto buffer = SharedBuffer::wrap(
        bytes_of(text), UserData(&freed, [](void* count) { ++*static_cast<int*>(count); }));
    queue.queue.append_shared(queue.pool, *buffer);
    queue.append("between");
    queue.queue.append_shared(queue.pool, *buffer);
  }
  queue.clear();
  EXPECT_EQ(freed, 1);
  EXPECT_TRUE(queue.queue.empty());
  EXPECT_EQ(queue.text(), "");
  queue.append("again");
  EXPECT_EQ(queue.text(), "again");
}

// What a free function appends while its buffer is sent comes after all that was queued.
struct LateSender {
  Queue* queue;
  int left;
};

void append_late(void* user_data) {
  auto* sender = static_cast<LateSender*>(user_data);
  if (--sender->left >= 0) sender->queue->append("late");
}

TEST(WriteQueue, TakesBytesFromAFreeFunctionInTheMiddleOfAConsume) {
  const std::string text = "shared";
  for (size_t sent = 1; sent <= 12; ++sent) {
    Queue queue;
    LateSender sender{&queue, 1};
    queue.append("abc");
    queue.queue.append_shared(queue.pool,
                              *SharedBuffer::wrap(bytes_of(text), UserData(&sender, append_late)));
    queue.append("xyz");
    queue.consume(sent);
    const std::string whole = sent < 9 ? "abcsharedxyz" : "abcsharedxyzlate";
    EXPECT_EQ(queue.text(), whole.substr(sent)) << sent;
    EXPECT_EQ(queue.queue.bytes(), whole.size() - sent) << sent;
    sender.left = 0;
  }
}

TEST(WriteQueue, TakesBytesFromTheFreeFunctionOfItsOnlyEntry) {
  Queue queue;
  LateSender sender{&queue, 1};
  const std::string text = "shared";
  queue.queue.append_shared(queue.pool,
                            *SharedBuffer::wrap(bytes_of(text), UserData(&sender, append_late)));
  queue.consume(6);
  EXPECT_EQ(queue.text(), "late");
  EXPECT_EQ(queue.queue.bytes(), 4u);
}

TEST(WriteQueue, ClearsAlsoWhatAFreeFunctionAppends) {
  Queue queue;
  LateSender sender{&queue, 1};
  const std::string text = "shared";
  queue.queue.append_shared(queue.pool,
                            *SharedBuffer::wrap(bytes_of(text), UserData(&sender, append_late)));
  queue.clear();
  EXPECT_TRUE(queue.queue.empty());
  EXPECT_TRUE(queue.piece_sizes().empty());
}

TEST(WriteQueue, MovesAFewBytesOutOfALargeBlock) {
  Queue queue;
  queue.append("a few bytes");
  iovec before;
  iovec after;
  queue.queue.gather({&before, 1});
  queue.settle();
  queue.queue.gather({&after, 1});
  EXPECT_NE(before.iov_base, after.iov_base);
  EXPECT_EQ(queue.text(), "a few bytes");
  EXPECT_EQ(queue.queue.bytes(), 11u);
  Block* large = queue.pool.take(16'360);
  EXPECT_EQ(large->bytes(), before.iov_base) << "the large block is free for others";
  queue.pool.give_back(large);
}

TEST(WriteQueue, MovesWhatIsLeftOfABlock) {
  Queue queue;
  const std::string text = patterned_text(16'000);
  queue.append(text);
  queue.consume(15'990);
  queue.settle();
  EXPECT_EQ(queue.text(), text.substr(15'990));
  queue.append("more");
  EXPECT_EQ(queue.text(), text.substr(15'990) + "more");
  queue.consume(14);
  EXPECT_TRUE(queue.queue.empty());
}

TEST(WriteQueue, LeavesAFullBlockAndSeveralPiecesWhereTheyAre) {
  Queue full;
  full.append(patterned_text(10'000));
  iovec before;
  iovec after;
  full.queue.gather({&before, 1});
  full.settle();
  full.queue.gather({&after, 1});
  EXPECT_EQ(before.iov_base, after.iov_base);

  Queue several;
  several.append("a");
  several.append_shared("B");
  several.settle();
  EXPECT_EQ(several.text(), "aB");
  several.consume(1);
  several.settle();
  EXPECT_EQ(several.text(), "B");
}

}  // namespace
}  // namespace tcpkit::test
