// Exit statuses of the program; scripts rely on these numbers.
#pragma once

namespace tcpkit::cli {

enum ExitStatus : int {
  kExitOk = 0,
  kExitFailure = 1,  // something failed while running: a port is taken, stdout cannot be written
  kExitUsage = 2,    // the command line or the environment asks for something that does not exist
};

}  // namespace tcpkit::cli
