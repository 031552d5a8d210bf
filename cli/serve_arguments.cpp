// Command line and environment of `tcpkit serve`. Values stay text here: the library checks them
// when they are set, and its message names the key and the text.
#include "serve_arguments.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <vector>

namespace tcpkit::cli {
namespace {

constexpr const char* kProgramGroup = "Program options";
constexpr size_t kHelpColumn = 34;  // fits "--read-buffer-size" with its syntax

constexpr const char* kFooter =
    "Every server option is also taken from the environment, where no flag is given:\n"
    "--max-packet-size from TCPKIT_MAX_PACKET_SIZE, and so on. Sizes take the suffixes\n"
    "k, m and g. At SIGINT and SIGTERM connections may finish, for at most\n"
    "--drain-timeout-ms; a second signal ends them at once. The program then ends\n"
    "with status 0; with 1 when something failed (a port is taken), with 2 when it\n"
    "was called wrongly.\n"
    "\n"
    "Examples:\n"
    "  tcpkit serve echo --listen tcp://127.0.0.1:7000 --framing line\n"
    "  tcpkit serve discard --listen tcp://:7000 --listen unix:///run/x.sock";

constexpr const char* kOtherGroup = "Other server options";

struct OptionGroup {
  const char* title;
  std::array<std::string_view, 8> keys;
};
// The groups of the help, in its order. An option that is not here is shown under kOtherGroup.
constexpr std::array kOptionGroups = {
    OptionGroup{"Listening", {"listen", "backlog", "reuse_port", "dual_stack"}},
    OptionGroup{"Limits",
                {"max_connections", "max_connections_per_address", "max_connections_per_prefix",
                 "prefix_v4", "prefix_v6", "max_accepts_per_second", "at_limit"}},
    OptionGroup{"PROXY protocol", {"proxy_protocol", "proxy_trusted", "proxy_timeout_ms"}},
    OptionGroup{"Framing", {"framing", "max_packet_size", "oversize", "deliver_tail"}},
    OptionGroup{"Loops",
                {"loops", "pool_size", "read_buffer_size", "read_quantum_ms", "tick_interval_ms"}},
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

// Place of the group of an option in kOptionGroups; its size for kOtherGroup.
size_t group_of(std::string_view key) {
  const auto has_key = [key](const OptionGroup& group) {
    return std::find(group.keys.begin(), group.keys.end(), key) != group.keys.end();
  };
  const auto found = std::find_if(kOptionGroups.begin(), kOptionGroups.end(), has_key);
  return static_cast<size_t>(found - kOptionGroups.begin());
}

// The options of the library in the order of their groups, which CLI11 shows as they come.
std::vector<tcpkit_option_info> grouped_options() {
  std::vector<tcpkit_option_info> infos;
  for (size_t index = 0; index < tcpkit_server_option_count(); ++index) {
    tcpkit_option_info info = TCPKIT_OPTION_INFO_INIT;
    if (tcpkit_server_option_at(index, &info) == TCPKIT_OK) infos.push_back(info);
  }
  std::stable_sort(infos.begin(), infos.end(),
                   [](const auto& a, const auto& b) { return group_of(a.key) < group_of(b.key); });
  return infos;
}

// CLI11 would print `--loops N=2 (Env:...)`; the default belongs behind the sentence.
class TableFormatter : public CLI::Formatter {
 public:
  TableFormatter() { column_width(kHelpColumn); }

  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_size() == 0 ? "" : " " + option->get_type_name();
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string default_text = option->get_default_str();
    if (default_text.empty()) return option->get_description();
    return option->get_description() + " [" + default_text + "]";
  }
};

std::string flag_name(std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  return "--" + key;
}

std::string variable_name(std::string key) {
  std::transform(key.begin(), key.end(), key.begin(), [](unsigned char character) {
    return static_cast<char>(std::toupper(character));
  });
  return "TCPKIT_" + key;
}

// A validator of CLI11: text that says what is wrong, or nothing.
std::string refuse_unknown_service(const std::string& text) {
  if (text == "echo" || text == "discard") return "";
  return "'" + text + "' is not a service: echo or discard";
}

// Addresses are separated by commas, as in the option `listen` of the library.
void append_addresses(const std::string& text, std::vector<std::string>& addresses) {
  size_t begin = 0;
  while (begin <= text.size()) {
    const size_t end = std::min(text.find(',', begin), text.size());
    addresses.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
}

}  // namespace

ServeCommand::ServeCommand(CLI::App& program)
    : command_(program.add_subcommand("serve", "Serve connections until SIGINT or SIGTERM")) {
  command_->formatter(std::make_shared<TableFormatter>());
  command_->footer(kFooter);
  command_->get_help_ptr()->group(kProgramGroup);
  service_ = command_->add_option("SERVICE", "echo: answer what arrives; discard: only count it")
                 ->type_name("echo|discard")
                 ->check(refuse_unknown_service)
                 ->required();
  quiet_ = command_->add_flag("-q,--quiet")
               ->description("Print nothing but the error that ends the program")
               ->group(kProgramGroup);
  for (const tcpkit_option_info& info : grouped_options()) add_server_flag(info);
}

void ServeCommand::add_server_flag(const tcpkit_option_info& info) {
  const std::string name = flag_name(info.key);
  const bool repeatable = name == "--listen";
  const size_t group = group_of(info.key);
  CLI::Option* option =
      command_->add_option(name, info.help)
          ->type_name(info.value_syntax)
          ->default_str(info.default_text)
          ->group(group < kOptionGroups.size() ? kOptionGroups[group].title : kOtherGroup)
          ->expected(1)
          ->allow_extra_args(false)
          ->multi_option_policy(repeatable ? CLI::MultiOptionPolicy::TakeAll
                                           : CLI::MultiOptionPolicy::TakeLast);
  flags_.push_back({info.key, variable_name(info.key), option});
}

ServeArguments ServeCommand::arguments() const {
  ServeArguments arguments;
  const auto service = service_->as<std::string>();
  arguments.service = service == "echo" ? Service::kEcho : Service::kDiscard;
  arguments.verbosity = quiet_->count() > 0 ? Verbosity::kQuiet : Verbosity::kNormal;
  for (const Flag& flag : flags_) {
    std::vector<std::string> texts = flag.option->results();
    std::string origin = flag_name(flag.key);
    if (const char* text = std::getenv(flag.variable.c_str()); texts.empty() && text != nullptr) {
      texts.emplace_back(text);
      origin = flag.variable;
    }
    for (const std::string& text : texts) {
      if (flag.key == "listen") {
        append_addresses(text, arguments.listen);
      } else {
        arguments.options.push_back({flag.key, text, origin});
      }
    }
  }
  return arguments;
}

}  // namespace tcpkit::cli
