// The built-in strategy: which pool gets the next connection, and the hooks of the user.
#include "strategy/read_pools.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tcpkit::test {
namespace {

uint32_t chosen(uint64_t pool_size, const std::vector<uint32_t>& loads) {
  const ReadPools pools(TCPKIT_STRATEGY_INIT, pool_size);
  return pools.choose_pool(loads);
}

TEST(ReadPools, ChooseTheLeastLoadedPool) {
  EXPECT_EQ(chosen(TCPKIT_UNLIMITED, {5, 3, 4}), 1u);
  EXPECT_EQ(chosen(TCPKIT_UNLIMITED, {3, 5, 2}), 2u);
  EXPECT_EQ(chosen(TCPKIT_UNLIMITED, {9}), 0u);
}

TEST(ReadPools, ChooseTheFirstOfEqualOnes) {
  EXPECT_EQ(chosen(TCPKIT_UNLIMITED, {0, 0, 0}), 0u);
  EXPECT_EQ(chosen(TCPKIT_UNLIMITED, {4, 2, 2}), 1u);
}

TEST(ReadPools, NeverGrowWithoutAPoolSize) {
  EXPECT_EQ(chosen(TCPKIT_UNLIMITED, {UINT32_MAX, UINT32_MAX}), 0u);
}

TEST(ReadPools, FillAPoolUpToItsSize) {
  EXPECT_EQ(chosen(10, {9}), 0u);
  EXPECT_EQ(chosen(10, {10, 9}), 1u);
  EXPECT_EQ(chosen(10, {11, 12, 9}), 2u);
}

TEST(ReadPools, AskForOneMoreWhenAllAreFull) {
  EXPECT_EQ(chosen(10, {10}), Strategy::kNewPool);
  EXPECT_EQ(chosen(10, {10, 10, 10}), Strategy::kNewPool);
  // The hand-over of more connections than fit is possible while another pool starts.
  EXPECT_EQ(chosen(10, {12, 11}), Strategy::kNewPool);
}

TEST(ReadPools, TakePoolsOfOneConnection) {
  EXPECT_EQ(chosen(1, {0}), 0u);
  EXPECT_EQ(chosen(1, {1}), Strategy::kNewPool);
  EXPECT_EQ(chosen(1, {1, 0}), 1u);
}

// One pool after the other, as a server does it: no pool gets more than its size.
TEST(ReadPools, SpreadManyConnectionsEvenly) {
  const ReadPools pools(TCPKIT_STRATEGY_INIT, 8);
  std::vector<uint32_t> loads(2, 0);
  for (int connection = 0; connection < 64; ++connection) {
    const uint32_t pool = pools.choose_pool(loads);
    if (pool == Strategy::kNewPool) {
      loads.push_back(1);
    } else {
      ++loads[pool];
    }
  }
  EXPECT_EQ(loads, std::vector<uint32_t>(8, 8));
}

struct Calls {
  std::string order;
  const void* server = nullptr;
  const tcpkit_metrics* metrics = nullptr;
};

tcpkit_strategy recording(Calls& calls) {
  tcpkit_strategy hooks = TCPKIT_STRATEGY_INIT;
  hooks.user_data = &calls;
  hooks.on_start = [](tcpkit_server* server, void* user_data) {
    auto* noted = static_cast<Calls*>(user_data);
    noted->order += "start ";
    noted->server = server;
  };
  hooks.on_metrics = [](tcpkit_server*, const tcpkit_metrics* metrics, void* user_data) {
    auto* noted = static_cast<Calls*>(user_data);
    noted->order += "metrics ";
    noted->metrics = metrics;
  };
  hooks.on_stop = [](tcpkit_server*, void* user_data) {
    static_cast<Calls*>(user_data)->order += "stop ";
  };
  return hooks;
}

TEST(ReadPools, PassEachHookItsServerMetricsAndUserData) {
  Calls calls;
  ReadPools pools(recording(calls), TCPKIT_UNLIMITED);
  int stand_in = 0;
  auto* server = reinterpret_cast<tcpkit_server*>(&stand_in);
  const tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  pools.on_start(server);
  pools.on_metrics(server, &metrics);
  pools.on_stop(server);
  EXPECT_EQ(calls.order, "start metrics stop ");
  EXPECT_EQ(calls.server, &stand_in);
  EXPECT_EQ(calls.metrics, &metrics);
}

TEST(ReadPools, LeaveOutHooksThatAreNotSet) {
  ReadPools pools(TCPKIT_STRATEGY_INIT, 1);
  pools.on_start(nullptr);
  pools.on_metrics(nullptr, nullptr);
  pools.on_stop(nullptr);
  SUCCEED();
}

}  // namespace
}  // namespace tcpkit::test
