// The C++ header must be clean where nothing was included before it.
#include "tcpkit.hpp"
