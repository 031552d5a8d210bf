// One flag: what it sets, and where the help shows it.
#pragma once

#include <string>

#include "tcpkit.h"

namespace tcpkit::cli {

// Whose option a flag sets.
enum class FlagTarget { kServer, kClient, kTls, kProgram };

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
constexpr const char* kUseTlsKey = "tls";

inline constexpr const char* kTlsGroup = "TLS";

// "--max-packet-size" for "max_packet_size".
std::string flag_name(std::string key);
// TCPKIT_MAX_PACKET_SIZE for "--max-packet-size".
std::string variable_name(std::string name);
// Flags of files beside the credentials: passphrase and key log.
FlagSpec passphrase_flag();
FlagSpec key_log_flag();
FlagSpec program_flag(const tcpkit_option_info& info, const char* bare_text);

}  // namespace tcpkit::cli
