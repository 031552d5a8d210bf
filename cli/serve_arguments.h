// Command line and environment of `tcpkit serve`, before anything is done with them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "console.h"

namespace tcpkit::cli {

enum class Service { kEcho, kDiscard };

// One server option as the user wrote it.
struct OptionText {
  std::string key;     // "max_packet_size"
  std::string text;    // "64k"
  std::string origin;  // "--max-packet-size" or "TCPKIT_MAX_PACKET_SIZE"
};

struct ServeArguments {
  Service service = Service::kEcho;
  std::vector<std::string> listen;  // addresses, in the order in which they were given
  std::vector<OptionText> options;
  Verbosity verbosity = Verbosity::kNormal;
};

// The subcommand `serve`. Its flags are made from the option table of the library, so that an
// option that is added there has a flag, a variable and a help text here.
class ServeCommand {
 public:
  explicit ServeCommand(CLI::App& program);

  // What was given; valid after the program's parse. Flags win over variables.
  ServeArguments arguments() const;

 private:
  struct Flag {
    std::string key;
    std::string variable;
    CLI::Option* option;  // owned by the program
  };

  void add_server_flag(const tcpkit_option_info& info);

  CLI::App* command_;  // owned by the program
  CLI::Option* quiet_ = nullptr;
  CLI::Option* service_ = nullptr;
  std::vector<Flag> flags_;
};

}  // namespace tcpkit::cli
