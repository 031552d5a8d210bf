// The built-in strategy: event loops as read pools, each with its share of the connections.
#pragma once

#include "strategy/strategy.h"

namespace tcpkit {

// Immutable; any thread. The accept hook is called by the connection itself, which has the table.
class ReadPools final : public Strategy {
 public:
  ReadPools(const tcpkit_strategy& hooks, uint64_t pool_size) noexcept
      : hooks_(hooks), pool_size_(pool_size) {}

  void on_start(tcpkit_server* server) override {
    if (hooks_.on_start != nullptr) hooks_.on_start(server, hooks_.user_data);
  }
  void on_metrics(tcpkit_server* server, const tcpkit_metrics* metrics) override {
    if (hooks_.on_metrics != nullptr) hooks_.on_metrics(server, metrics, hooks_.user_data);
  }
  void on_stop(tcpkit_server* server) override {
    if (hooks_.on_stop != nullptr) hooks_.on_stop(server, hooks_.user_data);
  }

  // The least-loaded pool; a new one if even that is full.
  uint32_t choose_pool(std::span<const uint32_t> loads) const noexcept override {
    uint32_t least = 0;
    for (uint32_t i = 1; i < loads.size(); ++i) {
      if (loads[i] < loads[least]) least = i;
    }
    return loads[least] < pool_size_ ? least : kNewPool;
  }

 private:
  const tcpkit_strategy hooks_;
  const uint64_t pool_size_;
};

}  // namespace tcpkit
