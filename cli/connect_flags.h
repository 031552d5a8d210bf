// The flags of `tcpkit connect`: which there are.
#pragma once

#include <vector>

#include "flag_spec.h"

namespace tcpkit::cli {

// Group after group in the order of the help; those of options come from the tables of the library.
std::vector<FlagSpec> connect_flags();

}  // namespace tcpkit::cli
