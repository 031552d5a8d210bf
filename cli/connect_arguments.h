// Command line and environment of `tcpkit connect`, before anything is done with them.
#pragma once

#include <string>
#include <vector>

#include "console.h"
#include "flag_set.h"

namespace tcpkit::cli {

struct ConnectArguments {
  std::string address;
  std::vector<OptionText> options;  // for tcpkit_client_options_set
  bool uses_tls = false;
  TlsArguments tls;
  Verbosity verbosity = Verbosity::kNormal;
};

// The subcommand `connect`.
class ConnectCommand {
 public:
  explicit ConnectCommand(CLI::App& program);

  bool was_given() const { return command_->parsed(); }
  // What was given; valid after the program's parse.
  ConnectArguments arguments() const;

 private:
  CLI::App* command_;  // owned by the program
  CLI::Option* quiet_ = nullptr;
  CLI::Option* address_ = nullptr;
  FlagSet flags_;
};

}  // namespace tcpkit::cli
