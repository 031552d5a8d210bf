// What one run is like: everything follows from its seed.
#pragma once

#include <string>

#include "faults/random.h"
#include "faults/wire.h"
#include "tcpkit.h"

namespace faults {

enum class Ending : uint8_t { kStop, kDrain, kFree, kStopOnLoop, kDrainOnLoop, kFreeOnLoop };

struct Settings {
  uint64_t seed = 0;
  Cut cut = Cut::kLine;
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  std::string address;
  size_t largest_packet = 0;
  size_t clients = 1;
  size_t actions = 0;  // of all clients together
  size_t rounds = 1;   // starts of the server
  Ending ending = Ending::kStop;
  bool handles_end = false;  // with an on_end handler
  bool sends_proxy_headers = false;
  bool runs_on_thread = false;  // tcpkit_server_run on a thread of the test
  bool fails_from_the_start = false;
  bool checks_progress = false;
};

Settings settings_of(uint64_t seed);

}  // namespace faults
