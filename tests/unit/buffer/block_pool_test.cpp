// Size classes, reuse and the limit of what a pool keeps. A pool hands out the block that it got
// back last, so the order of pointers tells what it kept.
#include "buffer/block_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

namespace tcpkit::test {
namespace {

constexpr size_t kHeader = sizeof(Block);
constexpr size_t kLargestClass = size_t{1}
                                 << (BlockPool::kSmallestShift + BlockPool::kClassCount - 1);

struct GiveBack {
  BlockPool* pool;
  void operator()(Block* block) const { pool->give_back(block); }
};
using OwnedBlock = std::unique_ptr<Block, GiveBack>;

OwnedBlock take(BlockPool& pool, size_t min_bytes) {
  return OwnedBlock(pool.take(min_bytes), GiveBack{&pool});
}

TEST(BlockPool, TakesTheSmallestClassThatFits) {
  BlockPool pool;
  for (uint16_t size_class = 0; size_class < BlockPool::kClassCount; ++size_class) {
    const size_t room = (size_t{64} << size_class) - kHeader;
    const OwnedBlock full = take(pool, room);
    EXPECT_EQ(full->size_class, size_class);
    EXPECT_EQ(full->capacity, room);
    const OwnedBlock over = take(pool, room + 1);
    EXPECT_EQ(over->size_class, size_class + 1);
    EXPECT_GT(over->capacity, room);
  }
}

TEST(BlockPool, GivesAnEmptyBlockForEverySizeThatCanBeWrittenWhole) {
  BlockPool pool;
  for (const size_t bytes : {0u, 1u, 39u, 40u, 41u, 1000u, 65536u, 1048575u, 3000000u}) {
    const OwnedBlock block = take(pool, bytes);
    ASSERT_GE(block->capacity, bytes);
    EXPECT_EQ(block->size(), 0u);
    EXPECT_EQ(block->room(), block->capacity);
    EXPECT_EQ(block->kind, 0);
    EXPECT_EQ(block->next, nullptr);
    std::memset(block->bytes(), 0xAB, block->capacity);
  }
}

TEST(BlockPool, ReusesTheBlockThatCameBackLast) {
  BlockPool pool;
  Block* first = pool.take(100);
  Block* second = pool.take(100);
  pool.give_back(first);
  pool.give_back(second);
  const OwnedBlock third = take(pool, 90);
  const OwnedBlock fourth = take(pool, 90);
  EXPECT_EQ(third.get(), second);
  EXPECT_EQ(fourth.get(), first);
}

TEST(BlockPool, DoesNotReuseABlockForAnotherClass) {
  BlockPool pool;
  Block* small = pool.take(1);
  pool.give_back(small);
  const OwnedBlock large = take(pool, 1000);
  EXPECT_NE(large.get(), small);
  EXPECT_GE(large->capacity, 1000u);
}

TEST(BlockPool, HandsOutAReusedBlockAsIfItWereNew) {
  BlockPool pool;
  Block* used = pool.take(100);
  used->begin = 3;
  used->end = 50;
  used->kind = 7;
  used->next = used;
  pool.give_back(used);
  const OwnedBlock again = take(pool, 100);
  ASSERT_EQ(again.get(), used);
  EXPECT_EQ(again->begin, 0u);
  EXPECT_EQ(again->end, 0u);
  EXPECT_EQ(again->kind, 0);
  EXPECT_EQ(again->next, nullptr);
  EXPECT_EQ(again->capacity, 128 - kHeader);
}

TEST(BlockPool, KeepsFreeBlocksUpToItsLimitOnly) {
  constexpr size_t kKept = BlockPool::kKeptBytes / kLargestClass;
  BlockPool pool;
  std::vector<Block*> blocks;
  for (size_t i = 0; i < kKept + 1; ++i) blocks.push_back(pool.take(kLargestClass - kHeader));
  for (Block* block : blocks) pool.give_back(block);
  std::vector<OwnedBlock> again;
  for (size_t i = 0; i < kKept; ++i) {
    again.push_back(take(pool, kLargestClass - kHeader));
    EXPECT_EQ(again.back().get(), blocks[kKept - 1 - i]) << i;
  }
}

TEST(BlockPool, CountsWhatItKeepsOverAllClasses) {
  constexpr size_t kKept = BlockPool::kKeptBytes / kLargestClass;
  BlockPool pool;
  std::vector<Block*> large;
  for (size_t i = 0; i < kKept; ++i) large.push_back(pool.take(kLargestClass - kHeader));
  Block* first_small = pool.take(1);
  Block* second_small = pool.take(1);
  pool.give_back(first_small);
  for (Block* block : large)
    pool.give_back(block);  // the last one does not fit beside the small one
  const OwnedBlock newest = take(pool, kLargestClass - kHeader);
  EXPECT_EQ(newest.get(), large[kKept - 2]);
  pool.give_back(second_small);
  EXPECT_EQ(take(pool, 1).get(), second_small);
}

TEST(BlockPool, TakesLargeBlocksFromTheHeapAndKeepsNone) {
  BlockPool pool;
  const size_t bytes = BlockPool::kKeptBytes + 1;
  Block* block = pool.take(bytes);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(block->size_class, BlockPool::kFromHeap);
  EXPECT_EQ(block->capacity, bytes);
  pool.give_back(block);
  EXPECT_EQ(take(pool, kLargestClass)->size_class, BlockPool::kFromHeap);
}

TEST(BlockPool, RefusesWhatABlockCannotCount) {
  BlockPool pool;
  EXPECT_EQ(pool.take(std::numeric_limits<size_t>::max()), nullptr);
  EXPECT_EQ(pool.take(size_t{std::numeric_limits<uint32_t>::max()}), nullptr);
}

TEST(BlockPool, WorksAfterATrim) {
  BlockPool pool;
  pool.give_back(pool.take(100));
  pool.give_back(pool.take(10'000));
  pool.trim();
  pool.trim();
  const OwnedBlock block = take(pool, 100);
  EXPECT_EQ(block->size(), 0u);
}

TEST(Block, CountsWhatLiesBetweenBeginAndEnd) {
  BlockPool pool;
  const OwnedBlock block = take(pool, 100);
  block->begin = 10;
  block->end = 30;
  EXPECT_EQ(block->size(), 20u);
  EXPECT_EQ(block->room(), block->capacity - 30);
  EXPECT_EQ(block->data(), block->bytes() + 10);
}

}  // namespace
}  // namespace tcpkit::test
