// The queue into a loop: order per producer, one wake-up per batch, nothing lost at its end.
#include "loop/task_queue.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace tcpkit::test {
namespace {

constexpr int kProducers = 4;
constexpr int kTasksOfEach = 100'000;

class NumberedTask final : public Task {
 public:
  void run() noexcept override {}
  int producer = 0;
  int number = 0;
};

std::vector<int> numbers_of(Task* list) {
  std::vector<int> numbers;
  while (list != nullptr)
    numbers.push_back(static_cast<NumberedTask*>(TaskQueue::pop(list))->number);
  return numbers;
}

TEST(TaskQueue, RefusesUntilItIsOpened) {
  TaskQueue queue;
  NumberedTask task;
  EXPECT_EQ(queue.push(&task), TaskQueue::Pushed::kRefused);
  EXPECT_EQ(queue.close(), nullptr);
  queue.reopen();
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.push(&task), TaskQueue::Pushed::kFirst);
}

TEST(TaskQueue, SaysWhichTaskFoundItEmpty) {
  TaskQueue queue;
  queue.reopen();
  NumberedTask tasks[3];
  EXPECT_EQ(queue.push(&tasks[0]), TaskQueue::Pushed::kFirst);
  EXPECT_EQ(queue.push(&tasks[1]), TaskQueue::Pushed::kMore);
  EXPECT_FALSE(queue.empty());
  EXPECT_NE(queue.take_all(), nullptr);
  EXPECT_TRUE(queue.empty());
  EXPECT_EQ(queue.take_all(), nullptr);
  EXPECT_EQ(queue.push(&tasks[2]), TaskQueue::Pushed::kFirst);
}

TEST(TaskQueue, GivesTheOldestTaskFirst) {
  TaskQueue queue;
  queue.reopen();
  NumberedTask tasks[5];
  for (int i = 0; i < 5; ++i) {
    tasks[i].number = i;
    queue.push(&tasks[i]);
  }
  EXPECT_EQ(numbers_of(queue.take_all()), (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST(TaskQueue, GivesTheRestWhenItCloses) {
  TaskQueue queue;
  queue.reopen();
  NumberedTask tasks[4];
  for (int i = 0; i < 3; ++i) {
    tasks[i].number = i;
    queue.push(&tasks[i]);
  }
  EXPECT_EQ(numbers_of(queue.close()), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(queue.push(&tasks[3]), TaskQueue::Pushed::kRefused);
  EXPECT_EQ(queue.close(), nullptr);
}

// Takes tasks until all have come and checks the order of each producer's.
class Consumer {
 public:
  void take(Task* list) {
    while (list != nullptr) {
      const auto* task = static_cast<NumberedTask*>(TaskQueue::pop(list));
      if (task->number != next_[task->producer]++) ++out_of_order;
      ++taken;
    }
  }

  int taken = 0;
  int out_of_order = 0;

 private:
  int next_[kProducers] = {};
};

TEST(TaskQueue, KeepsTheOrderOfEachOfFourProducers) {
  TaskQueue queue;
  queue.reopen();
  std::vector<NumberedTask> tasks(kProducers * kTasksOfEach);
  std::atomic<int> firsts = 0;
  std::vector<std::thread> producers;
  for (int producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&, producer] {
      for (int number = 0; number < kTasksOfEach; ++number) {
        NumberedTask& task = tasks[static_cast<size_t>(producer * kTasksOfEach + number)];
        task.producer = producer;
        task.number = number;
        if (queue.push(&task) == TaskQueue::Pushed::kFirst) ++firsts;
      }
    });
  }
  Consumer consumer;
  int batches = 0;
  while (consumer.taken < kProducers * kTasksOfEach) {
    Task* list = queue.take_all();
    if (list == nullptr) {
      std::this_thread::yield();
      continue;
    }
    ++batches;
    consumer.take(list);
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(consumer.out_of_order, 0);
  EXPECT_EQ(firsts, batches);
}

TEST(TaskQueue, LosesNothingWhenItClosesBetweenProducers) {
  for (int round = 0; round < 50; ++round) {
    TaskQueue queue;
    queue.reopen();
    std::vector<NumberedTask> tasks(kProducers * 100);
    std::atomic<int> accepted = 0;
    std::vector<std::thread> producers;
    for (int producer = 0; producer < kProducers; ++producer) {
      producers.emplace_back([&, producer] {
        for (int number = 0; number < 100; ++number) {
          NumberedTask& task = tasks[static_cast<size_t>(producer * 100 + number)];
          task.producer = producer;
          task.number = number;
          if (queue.push(&task) != TaskQueue::Pushed::kRefused) ++accepted;
        }
      });
    }
    Consumer consumer;
    for (int i = 0; i < round; ++i) consumer.take(queue.take_all());
    consumer.take(queue.close());
    for (std::thread& producer : producers) producer.join();
    EXPECT_EQ(consumer.taken, accepted);
    EXPECT_EQ(consumer.out_of_order, 0);
  }
}

}  // namespace
}  // namespace tcpkit::test
