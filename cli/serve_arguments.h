// Command line and environment of `tcpkit serve`, before anything is done with them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "console.h"
#include "serve_flags.h"

namespace tcpkit::cli {

enum class Service { kEcho, kDiscard, kChat };

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
  struct Flag {
    FlagSpec spec;
    CLI::Option* option;  // owned by the program
  };

  CLI::Option* add_flag(const FlagSpec& spec);

  CLI::App* command_;  // owned by the program
  CLI::Option* quiet_ = nullptr;
  CLI::Option* service_ = nullptr;
  std::vector<Flag> flags_;
};

}  // namespace tcpkit::cli
