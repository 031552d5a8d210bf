// Names of flags and variables, and the flags that more than one subcommand has.
#include "flag_spec.h"

#include <algorithm>
#include <cctype>

namespace tcpkit::cli {

std::string flag_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

std::string variable_name(std::string name) {
  name.erase(0, 2);
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char character) {
    return character == '-' ? '_' : static_cast<char>(std::toupper(character));
  });
  return "TCPKIT_" + name;
}

FlagSpec program_flag(const tcpkit_option_info& info, const char* bare_text) {
  const std::string name = flag_name(info.key);
  return {FlagTarget::kProgram, info.key, name, variable_name(name), kTlsGroup, info, bare_text};
}

FlagSpec passphrase_flag() {
  return program_flag({sizeof(tcpkit_option_info), 0, kPassphraseFileKey, "FILE", "none",
                       "File whose first line is the passphrase of encrypted keys."},
                      nullptr);
}

FlagSpec key_log_flag() {
  return program_flag({sizeof(tcpkit_option_info), 0, kKeyLogKey, "FILE", "none",
                       "Append the secrets of connections (SSLKEYLOGFILE), to decrypt captures."},
                      nullptr);
}

}  // namespace tcpkit::cli
