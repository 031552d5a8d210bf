// Which flags there are: rows of the option tables of the library, grouped for the help.
#include "serve_flags.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace tcpkit::cli {
namespace {

constexpr const char* kOtherGroup = "Other server options";

struct OptionGroup {
  const char* title;
  std::array<std::string_view, 8> keys;
};
// The groups of the help, in its order. A server option that is not here is shown under
// kOtherGroup; all options of TLS are in kTlsGroup, before the keys that it has here.
constexpr std::array kOptionGroups = {
    OptionGroup{"Listening", {"listen", "backlog", "reuse_port", "dual_stack"}},
    OptionGroup{kTlsGroup,
                {"tls_or_plain", "handshake_timeout_ms", "max_handshakes", "handshake_quantum_ms"}},
    OptionGroup{"Limits",
                {"max_connections", "max_connections_per_address", "max_connections_per_prefix",
                 "prefix_v4", "prefix_v6", "max_accepts_per_second", "at_limit"}},
    OptionGroup{"PROXY protocol", {"proxy_protocol", "proxy_trusted", "proxy_timeout_ms"}},
    OptionGroup{"Framing", {"framing", "max_packet_size", "oversize", "deliver_tail"}},
    OptionGroup{"Loops",
                {"loops", "pool_size", "read_buffer_size", "read_quantum_ms", "tick_interval_ms"}},
    OptionGroup{"Threads besides the loops",
                {"workers", "worker_queue_bytes", "max_handler_threads", "max_waiting_connections",
                 "handler_stack_size"}},
    OptionGroup{"Flow control",
                {"high_watermark", "low_watermark", "pause_above_high", "max_queued_bytes",
                 "max_buffered_bytes"}},
    OptionGroup{
        "Timeouts and endings",
        {"idle_timeout_ms", "read_timeout_ms", "write_timeout_ms", "close_timeout_ms",
         "min_receive_rate", "receive_rate_grace_ms", "drain_timeout_ms", "handle_signals"}},
    OptionGroup{"Sockets",
                {"keep_alive_ms", "no_delay", "receive_buffer_size", "send_buffer_size"}},
};

// Options of TLS whose flag is not "--tls-" and the key. What the library trusts is, for a server,
// what the certificates of its clients are checked against.
constexpr std::array<std::pair<std::string_view, const char*>, 7> kTlsNames = {{
    {"cert_file", "--tls-cert"},
    {"key_file", "--tls-key"},
    {"ca_file", "--tls-client-ca"},
    {"ca_dir", "--tls-client-ca-dir"},
    {"min_version", "--tls-min"},
    {"max_version", "--tls-max"},
    {"alpn", "--alpn"},
}};

// Only clients have it.
constexpr std::string_view kClientOnlyKey = "insecure_accept_any_certificate";

std::string tls_flag_name(const std::string& key) {
  for (const auto& [own_key, name] : kTlsNames) {
    if (key == own_key) return name;
  }
  return flag_name("tls_" + key);
}

const char* group_of(std::string_view key) {
  const auto has_key = [key](const OptionGroup& group) {
    return std::find(group.keys.begin(), group.keys.end(), key) != group.keys.end();
  };
  const auto found = std::find_if(kOptionGroups.begin(), kOptionGroups.end(), has_key);
  return found == kOptionGroups.end() ? kOtherGroup : found->title;
}

// Place of a group in the help; the last one for kOtherGroup.
size_t place_of(const char* group) {
  const auto found = std::find_if(kOptionGroups.begin(), kOptionGroups.end(),
                                  [group](const auto& other) { return other.title == group; });
  return static_cast<size_t>(found - kOptionGroups.begin());
}

void append_tls_options(std::vector<FlagSpec>& specs) {
  for (size_t index = 0; index < tcpkit_tls_option_count(); ++index) {
    tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
    if (tcpkit_tls_option_at(index, &info) != TCPKIT_OK || info.key == kClientOnlyKey) continue;
    const std::string name = tls_flag_name(info.key);
    const bool is_self_signed = std::string_view(info.key) == "self_signed";
    specs.push_back({FlagTarget::kTls, info.key, name, variable_name(name), kTlsGroup, info,
                     is_self_signed ? "localhost,127.0.0.1,::1" : nullptr});
  }
}

void append_program_flags(std::vector<FlagSpec>& specs) {
  specs.push_back(passphrase_flag());
  specs.push_back(program_flag(
      {sizeof(tcpkit_option_info), 0, kWatchKey, "on|off", "off",
       "Load the files again when they change; what cannot be used leaves the old in force."},
      "on"));
  specs.push_back(key_log_flag());
}

void append_server_options(std::vector<FlagSpec>& specs) {
  for (size_t index = 0; index < tcpkit_server_option_count(); ++index) {
    tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
    if (tcpkit_server_option_at(index, &info) != TCPKIT_OK) continue;
    const std::string name = flag_name(info.key);
    specs.push_back({FlagTarget::kServer, info.key, name, variable_name(name), group_of(info.key),
                     info, nullptr});
  }
}

}  // namespace

std::vector<FlagSpec> serve_flags() {
  std::vector<FlagSpec> specs;
  append_tls_options(specs);
  append_program_flags(specs);
  append_server_options(specs);
  std::stable_sort(specs.begin(), specs.end(), [](const FlagSpec& a, const FlagSpec& b) {
    return place_of(a.group) < place_of(b.group);
  });
  return specs;
}

}  // namespace tcpkit::cli
