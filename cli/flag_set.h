// Flags of a subcommand that come from tables: on the command line, in the help, and in the
// environment.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "flag_spec.h"

namespace tcpkit::cli {

// One option as the user wrote it.
struct OptionText {
  std::string key;     // "max_packet_size"
  std::string text;    // "64k"
  std::string origin;  // "--max-packet-size" or "TCPKIT_MAX_PACKET_SIZE"
};

// What was said about TLS. If nothing was, connections are plain.
struct TlsArguments {
  std::vector<OptionText> options;          // for tcpkit_tls_options_set
  std::vector<OptionText> program_options;  // kPassphraseFileKey and so on; the last one wins
};

// Heading of the flags that are the program's own.
inline constexpr const char* kProgramGroup = "Program options";

class FlagSet {
 public:
  // Sets up the help of command, which is owned by the program, and adds the flags.
  FlagSet(CLI::App& command, std::vector<FlagSpec> specs);

  struct Given {
    FlagTarget target;
    OptionText option;
  };
  // What was given; valid after the program's parse. Flags win over variables.
  std::vector<Given> given() const;

 private:
  struct Flag {
    FlagSpec spec;
    CLI::Option* option;  // owned by the program
  };

  CLI::Option* add_flag(const FlagSpec& spec);

  CLI::App& command_;
  std::vector<Flag> flags_;
};

}  // namespace tcpkit::cli
