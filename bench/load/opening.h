// Opening all connections of a workload.
#pragma once

#include <vector>

#include "options.h"
#include "pattern.h"
#include "sockets.h"
#include "transfer.h"

namespace tcpkit::load {

// Opens all connections, each proven alive by an echo of its first message, and makes them
// non-blocking. Exits with status 1 and a message when the server does not answer right.
std::vector<Connection> open_connections(const Options& options, const Pattern& pattern,
                                         Transfer& transfer);

}  // namespace tcpkit::load
