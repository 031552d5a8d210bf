// Ref, RefCounted and UserData: everything is freed, and exactly once.
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>
#include <vector>

#include "base/ref.h"
#include "base/user_data.h"

namespace tcpkit::test {
namespace {

class Counted : public RefCounted<Counted> {
 public:
  explicit Counted(int& destroyed) : destroyed_(destroyed) {}
  void destroy() noexcept {
    ++destroyed_;
    delete this;
  }

 private:
  int& destroyed_;
};

TEST(Ref, FreesWithTheLastReference) {
  int destroyed = 0;
  auto first = Ref<Counted>::adopt(new Counted(destroyed));
  {
    const Ref<Counted> second = first;
    EXPECT_EQ(second.get(), first.get());
    first = {};
    EXPECT_FALSE(first);
    EXPECT_EQ(destroyed, 0);
  }
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, MovesWithoutCounting) {
  int destroyed = 0;
  auto first = Ref<Counted>::adopt(new Counted(destroyed));
  Ref<Counted> second = std::move(first);
  EXPECT_TRUE(second);
  second = {};
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, SharesWhatAnotherOwns) {
  int destroyed = 0;
  auto* object = new Counted(destroyed);
  auto owner = Ref<Counted>::adopt(object);
  auto guest = Ref<Counted>::share(object);
  guest = {};
  EXPECT_EQ(destroyed, 0);
  owner = {};
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, DetachesWithoutGivingTheReferenceBack) {
  int destroyed = 0;
  Counted* object = Ref<Counted>::adopt(new Counted(destroyed)).detach();
  EXPECT_EQ(destroyed, 0);
  object->release();
  EXPECT_EQ(destroyed, 1);
}

TEST(Ref, MayBeEmpty) {
  const auto empty = Ref<Counted>::share(nullptr);
  EXPECT_FALSE(empty);
  EXPECT_EQ(Ref<Counted>(empty).get(), nullptr);
}

TEST(Ref, SurvivesAssignmentToItself) {
  int destroyed = 0;
  auto first = Ref<Counted>::adopt(new Counted(destroyed));
  auto& same = first;
  first = same;
  EXPECT_TRUE(first);
  EXPECT_EQ(destroyed, 0);
  first = {};
  EXPECT_EQ(destroyed, 1);
}

TEST(RefCounted, FreesOnceWhenManyThreadsLetGo) {
  int destroyed = 0;
  auto owner = Ref<Counted>::adopt(new Counted(destroyed));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([guest = owner] {
      for (int round = 0; round < 10'000; ++round) Ref<Counted>::share(guest.get());
    });
  }
  owner = {};
  for (std::thread& thread : threads) thread.join();
  threads.clear();
  EXPECT_EQ(destroyed, 1);
}

void count_free(void* user_data) {
  ++*static_cast<int*>(user_data);
}

TEST(UserData, IsFreedOnce) {
  int freed = 0;
  {
    const UserData owner(&freed, count_free);
    EXPECT_EQ(owner.get(), &freed);
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}

TEST(UserData, IsFreedOnceAfterMoves) {
  int freed = 0;
  {
    UserData first(&freed, count_free);
    UserData second(std::move(first));
    UserData third;
    third = std::move(second);
    EXPECT_EQ(third.get(), &freed);
    EXPECT_EQ(freed, 0);
  }
  EXPECT_EQ(freed, 1);
}

TEST(UserData, IsFreedWhenAnotherTakesItsPlace) {
  int first_freed = 0;
  int second_freed = 0;
  UserData owner(&first_freed, count_free);
  owner = UserData(&second_freed, count_free);
  EXPECT_EQ(first_freed, 1);
  EXPECT_EQ(second_freed, 0);
}

TEST(UserData, SurvivesAMoveToItself) {
  int freed = 0;
  UserData owner(&freed, count_free);
  auto& same = owner;
  owner = std::move(same);
  EXPECT_EQ(freed, 0);
  EXPECT_EQ(owner.get(), &freed);
}

TEST(UserData, NeedsNoFreeFunction) {
  int value = 0;
  const UserData owner(&value, nullptr);
  EXPECT_EQ(owner.get(), &value);
}

TEST(UserData, IsFreedAlsoWhenItIsNull) {
  static thread_local int freed_null = 0;
  {
    const UserData owner(nullptr, [](void*) { ++freed_null; });
  }
  EXPECT_EQ(freed_null, 1);
}

TEST(UserData, DropsWhatAFreeFunctionThrows) {
  EXPECT_NO_THROW(
      { const UserData owner(nullptr, [](void*) { throw std::runtime_error("no"); }); });
}

}  // namespace
}  // namespace tcpkit::test
