// `tcpkit serve`: a server that answers or counts what arrives.
#pragma once

#include "exit_status.h"
#include "serve_arguments.h"

namespace tcpkit::cli {

// Serves until SIGINT, SIGTERM or a failure, which is printed.
ExitStatus serve(const ServeArguments& arguments);

}  // namespace tcpkit::cli
