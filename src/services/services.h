// Servers and clients that are run together, on the thread that asks for it, until a signal, the
// first error, or the end of them all.
#pragma once

#include <vector>

#include "client/client.h"
#include "server/server.h"

namespace tcpkit {

// One of them: the server, or the client with its address.
struct Service {
  Server* server = nullptr;
  Client* client = nullptr;
  const char* address = nullptr;
};

struct RunSettings {
  bool handles_signals = true;
  uint64_t drain_timeout_ms = 10'000;
};

// See tcpkit_run_services. May throw std::bad_alloc, before anything was started.
Status run_services(const std::vector<Service>& services, const RunSettings& settings);

}  // namespace tcpkit
