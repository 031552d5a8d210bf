// Which flags there are: rows of the option tables of the library, grouped for the help.
#include "connect_flags.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "flag_set.h"

namespace tcpkit::cli {
namespace {

constexpr const char* kOtherGroup = "Other client options";

struct OptionGroup {
  const char* title;
  std::array<std::string_view, 8> keys;
};
// In the order of the help. A client option that is not here is shown under kOtherGroup.
constexpr std::array kGroups = {
    OptionGroup{kProgramGroup, {"log_level"}},
    OptionGroup{"Connecting",
                {"connect_timeout_ms", "attempt_delay_ms", "local_address", "reconnect",
                 "reconnect_min_ms", "reconnect_max_ms", "max_attempts"}},
    OptionGroup{"PROXY protocol", {"send_proxy", "proxy_source", "proxy_destination"}},
    OptionGroup{kTlsGroup, {"server_name"}},
    OptionGroup{"Framing", {"framing", "max_packet_size", "oversize", "deliver_tail"}},
    OptionGroup{"Flow control",
                {"high_watermark", "low_watermark", "pause_above_high", "max_queued_bytes",
                 "read_buffer_size", "read_quantum_ms"}},
    OptionGroup{"Timeouts and endings",
                {"idle_timeout_ms", "read_timeout_ms", "write_timeout_ms", "close_timeout_ms",
                 "min_receive_rate", "receive_rate_grace_ms"}},
    OptionGroup{"Sockets",
                {"keep_alive_ms", "no_delay", "receive_buffer_size", "send_buffer_size"}},
};

struct OwnName {
  std::string_view key;
  const char* name;
};
constexpr OwnName kClientNames[] = {{"local_address", "--source"},
                                    {"send_proxy", "--proxy-header"}};
constexpr OwnName kTlsNames[] = {
    {"cert_file", "--tls-cert"},  {"key_file", "--tls-key"},
    {"ca_file", "--cacert"},      {"ca_dir", "--capath"},
    {"min_version", "--tls-min"}, {"max_version", "--tls-max"},
    {"alpn", "--alpn"},           {"insecure_accept_any_certificate", "--insecure"}};
// Of those that make and give certificates and tickets.
constexpr std::string_view kServerOnlyKeys[] = {"self_signed",        "ocsp_file",
                                                "client_auth",        "tickets",
                                                "session_cache_size", "ticket_rotation_ms"};

template <size_t kCount>
std::string name_of(const OwnName (&own)[kCount], std::string_view key, const std::string& other) {
  for (const OwnName& one : own) {
    if (one.key == key) return one.name;
  }
  return other;
}

size_t place_of_group(std::string_view title) {
  const auto found = std::find_if(kGroups.begin(), kGroups.end(),
                                  [title](const auto& group) { return title == group.title; });
  return static_cast<size_t>(found - kGroups.begin());
}

const char* group_of(std::string_view key) {
  for (const OptionGroup& group : kGroups) {
    if (std::find(group.keys.begin(), group.keys.end(), key) != group.keys.end()) {
      return group.title;
    }
  }
  return kOtherGroup;
}

void append_tls_options(std::vector<FlagSpec>& specs) {
  specs.push_back(program_flag({sizeof(tcpkit_option_info), 0, kUseTlsKey, "on|off", "off",
                                "Speak TLS; any other flag of TLS says so too."},
                               "on"));
  for (size_t index = 0; index < tcpkit_tls_option_count(); ++index) {
    tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
    if (tcpkit_tls_option_at(index, &info) != TCPKIT_OK) continue;
    const std::string_view key = info.key;
    if (std::find(std::begin(kServerOnlyKeys), std::end(kServerOnlyKeys), key) !=
        std::end(kServerOnlyKeys)) {
      continue;
    }
    const std::string name = name_of(kTlsNames, key, flag_name("tls_" + std::string(key)));
    specs.push_back({FlagTarget::kTls, info.key, name, variable_name(name), kTlsGroup, info,
                     name == "--insecure" ? "on" : nullptr});
  }
  specs.push_back(passphrase_flag());
  specs.push_back(key_log_flag());
}

void append_client_options(std::vector<FlagSpec>& specs) {
  for (size_t index = 0; index < tcpkit_client_option_count(); ++index) {
    tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
    if (tcpkit_client_option_at(index, &info) != TCPKIT_OK) continue;
    const std::string name = name_of(kClientNames, info.key, flag_name(info.key));
    specs.push_back({FlagTarget::kClient, info.key, name, variable_name(name), group_of(info.key),
                     info, name == "--reconnect" ? "on" : nullptr});
  }
}

}  // namespace

std::vector<FlagSpec> connect_flags() {
  std::vector<FlagSpec> specs;
  append_tls_options(specs);
  append_client_options(specs);
  std::stable_sort(specs.begin(), specs.end(), [](const FlagSpec& a, const FlagSpec& b) {
    return place_of_group(a.group) < place_of_group(b.group);
  });
  return specs;
}

}  // namespace tcpkit::cli
