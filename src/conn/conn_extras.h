// What only some connections have. One pointer in the others, which are many and small.
#pragma once

#include <atomic>
#include <memory>

namespace tcpkit {

struct ConnFilters;
struct FrameScope;
class OffLoop;
struct ProxyInfo;

// Made by the loop when the first of these is needed; goes with its connection.
struct ConnExtras {
  ConnExtras() noexcept;
  ConnExtras(const ConnExtras&) = delete;
  ConnExtras& operator=(const ConnExtras&) = delete;
  ~ConnExtras();

  // Written once each, this one before on_open; read by any thread. Owned.
  std::atomic<const ProxyInfo*> proxy{nullptr};
  std::atomic<OffLoop*> off_loop{nullptr};
  std::unique_ptr<ConnFilters> filters;
  FrameScope* first_scope = nullptr;  // owned, until end_scopes()
};

}  // namespace tcpkit
