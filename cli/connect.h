// `tcpkit connect`: a connection between stdin, stdout and a server.
#pragma once

#include "connect_arguments.h"
#include "exit_status.h"

namespace tcpkit::cli {

// Carries bytes until the connection has ended; a failure is printed.
ExitStatus connect(const ConnectArguments& arguments);

}  // namespace tcpkit::cli
