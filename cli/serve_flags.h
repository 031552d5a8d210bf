// The flags of `tcpkit serve`: which there are.
#pragma once

#include <vector>

#include "flag_spec.h"

namespace tcpkit::cli {

// All flags but --help and --quiet, group after group in the order of the help. Those of options
// come from the tables of the library, so that an option that is added there has its flag here.
std::vector<FlagSpec> serve_flags();

}  // namespace tcpkit::cli
