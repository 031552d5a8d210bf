// The flags of `tcpkit serve`: which there are, what each sets, and where the help shows it.
#pragma once

#include <string>
#include <vector>

#include "tcpkit.h"

namespace tcpkit::cli {

// Whose option a flag sets.
enum class FlagTarget { kServer, kTls, kProgram };

struct FlagSpec {
  FlagTarget target;
  std::string key;          // "max_packet_size"; for kProgram one of the constants below
  std::string name;         // "--max-packet-size"
  std::string variable;     // "TCPKIT_MAX_PACKET_SIZE"
  const char* group;        // heading in the help
  tcpkit_option_info info;  // texts of the help
  const char* bare_text;    // what the flag alone means; NULL if it needs a value
};

constexpr const char* kPassphraseFileKey = "tls_passphrase_file";
constexpr const char* kKeyLogKey = "tls_key_log";
constexpr const char* kWatchKey = "tls_watch";

// All flags but --help and --quiet, group after group in the order of the help. Those of options
// come from the tables of the library, so that an option that is added there has its flag here.
std::vector<FlagSpec> serve_flags();

}  // namespace tcpkit::cli
