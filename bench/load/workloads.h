// The ways of putting load on a server; each runs to the end of its interval and returns what it
// measured.
#pragma once

#include "options.h"
#include "report.h"

namespace tcpkit::load {

// Every connection keeps in_flight messages unanswered: echo, framed, stream.
Result run_closed_loop(const Options& options);

// Messages are due at a fixed rate, whatever the server does: latency counts from when a message
// was due, so a stall is charged to every message that it delayed.
Result run_open_loop(const Options& options);

// Connect, with TLS the handshake, echo one message, close; over and over on each of `connections`
// slots.
Result run_connects(const Options& options);

// One connection sends, the server gives it to all, and the next comes when the last one has it.
Result run_broadcast(const Options& options);

// Opens the connections, each echoing once, prints "ready", and holds them until stdin ends.
Result run_idle(const Options& options);

}  // namespace tcpkit::load
