// How connections are spread over loops, and the hooks around that. The later strategies (thread
// per connection, worker pool) are further implementations of this interface.
#pragma once

#include <cstdint>
#include <span>

#include "tcpkit.h"

namespace tcpkit {

class Strategy {
 public:
  static constexpr uint32_t kNewPool = UINT32_MAX;

  virtual ~Strategy() = default;
  virtual void on_start(tcpkit_server* server) = 0;
  virtual void on_metrics(tcpkit_server* server, const tcpkit_metrics* metrics) = 0;
  virtual void on_stop(tcpkit_server* server) = 0;

  // Which pool (loop) serves the next connection, given the connections of each; kNewPool asks for
  // one more. Called on the accepting loop.
  virtual uint32_t choose_pool(std::span<const uint32_t> loads) const noexcept = 0;
};

}  // namespace tcpkit
