// Internal invariants. A broken one is a defect of tcpkit: debug builds stop at it.
#pragma once

#include <cassert>

#define TCPKIT_ASSERT(condition) assert(condition)
