// Command line and environment of `tcpkit serve`, before anything is done with them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "console.h"
#include "flag_set.h"

namespace tcpkit::cli {

enum class Service { kEcho, kDiscard, kChat };

struct ServeArguments {
  Service service = Service::kEcho;
  std::vector<std::string> listen;  // addresses, in the order in which they were given
  std::vector<OptionText> options;  // for tcpkit_server_options_set
  TlsArguments tls;
  Verbosity verbosity = Verbosity::kNormal;
};

// The subcommand `serve`.
class ServeCommand {
 public:
  explicit ServeCommand(CLI::App& program);

  // What was given; valid after the program's parse. Flags win over variables.
  ServeArguments arguments() const;

 private:
  CLI::App* command_;  // owned by the program
  CLI::Option* quiet_ = nullptr;
  CLI::Option* service_ = nullptr;
  FlagSet flags_;
};

}  // namespace tcpkit::cli
