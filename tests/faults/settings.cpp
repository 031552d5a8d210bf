// Small limits and short times, so that a run of some milliseconds meets all of them.
#include "faults/settings.h"

#include <unistd.h>

namespace faults {
namespace {

void draw_flow(Random& random, tcpkit_server_options& options) {
  options.high_watermark = random.one_of<size_t>({0, 1024, 16 << 10});
  options.max_queued_bytes = random.one_of<size_t>({0, 0, 32 << 10, 256 << 10});
  options.max_buffered_bytes = random.one_of<size_t>({0, 0, 96 << 10, 512 << 10});
  options.pause_above_high = random.chance(20) ? TCPKIT_OFF : TCPKIT_ON;
  options.read_buffer_size = random.one_of<size_t>({1024, 4096, 32 << 10});
  options.receive_buffer_size = random.one_of<size_t>({0, 0, 4096});
  options.send_buffer_size = random.one_of<size_t>({0, 0, 4096});
  options.read_quantum_ms = random.one_of<uint64_t>({1, 10, TCPKIT_UNLIMITED});
}

void draw_times(Random& random, tcpkit_server_options& options) {
  options.idle_timeout_ms = random.one_of<uint64_t>({0, 0, 0, 3, 20});
  options.read_timeout_ms = random.one_of<uint64_t>({0, 0, 0, 2, 15});
  options.write_timeout_ms = random.one_of<uint64_t>({0, 0, 0, 2, 15});
  options.close_timeout_ms = random.one_of<uint64_t>({1, 5, 20});
  options.tick_interval_ms = random.one_of<uint64_t>({1, 5});
}

void draw_limits(Random& random, tcpkit_server_options& options) {
  options.at_limit = random.chance(40) ? TCPKIT_AT_LIMIT_WAIT : TCPKIT_AT_LIMIT_RESET;
  options.max_connections = random.one_of<uint64_t>({0, 0, 1, 3});
  options.max_accepts_per_second = random.one_of<uint64_t>({0, 0, 0, 500});
  options.max_connections_per_address = random.one_of<uint64_t>({0, 0, 2});
  options.max_connections_per_prefix = random.one_of<uint64_t>({0, 0, 0, 3});
}

void draw_loops(Random& random, Settings& settings) {
  tcpkit_server_options& options = settings.options;
  const bool is_unix = random.chance(30);
  settings.address = is_unix ? "unix://@tcpkit-faults-" + std::to_string(getpid()) + "-" +
                                   std::to_string(settings.seed)
                             : "tcp://127.0.0.1:0";
  options.loops = random.chance(60) ? 2 : 1;
  if (random.chance(30)) {
    options.pool_size = 1 + random.below(2);
    options.loops = 1;
  } else if (random.chance(20)) {
    options.reuse_port = TCPKIT_ON;
  }
}

}  // namespace

Settings settings_of(uint64_t seed) {
  Random random(seed);
  Settings settings;
  settings.seed = seed;
  settings.cut = random.one_of({Cut::kNone, Cut::kLine, Cut::kLine, Cut::kLength4});
  settings.options.framing = framing_of(settings.cut);
  settings.options.log_level = TCPKIT_LOG_DEBUG;
  settings.options.handle_signals = random.chance(50) ? TCPKIT_ON : TCPKIT_OFF;
  settings.largest_packet = random.one_of<size_t>({40, 300, 300, 6000, 80'000});
  draw_flow(random, settings.options);
  draw_times(random, settings.options);
  draw_limits(random, settings.options);
  draw_loops(random, settings);
  if (random.chance(25)) {
    settings.options.proxy_protocol = TCPKIT_PROXY_OPTIONAL;
    settings.options.proxy_trusted = "all";
    settings.sends_proxy_headers = random.chance(70);
    // A header that comes too late would be data.
    settings.options.proxy_timeout_ms = settings.sends_proxy_headers ? 0 : 2;
  }
  settings.clients = 1 + random.below(5);
  settings.actions = 20 + random.below(100);
  settings.rounds = random.chance(20) ? 2 : 1;
  settings.ending =
      random.one_of({Ending::kStop, Ending::kStop, Ending::kDrain, Ending::kDrain, Ending::kFree,
                     Ending::kStopOnLoop, Ending::kDrainOnLoop, Ending::kFreeOnLoop});
  settings.handles_end = random.chance(40);
  settings.runs_on_thread = random.chance(20);
  settings.fails_from_the_start = random.chance(25);
  settings.checks_progress = random.chance(15);
  return settings;
}

}  // namespace faults
