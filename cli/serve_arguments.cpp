// Command line and environment of `tcpkit serve`. Values stay text here: the library checks them
// when they are set, and its message names the key and the text.
#include "serve_arguments.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace tcpkit::cli {
namespace {

constexpr const char* kProgramGroup = "Program options";
constexpr size_t kHelpColumn = 34;  // fits "--read-buffer-size" with its syntax

constexpr const char* kFooter =
    "Every option is also taken from the environment, where no flag is given:\n"
    "--max-packet-size from TCPKIT_MAX_PACKET_SIZE, and so on. Sizes take the suffixes\n"
    "k, m and g. At SIGINT and SIGTERM connections may finish, for at most\n"
    "--drain-timeout-ms; a second signal ends them at once. The program then ends\n"
    "with status 0; with 1 when something failed (a port is taken, a certificate cannot\n"
    "be used), with 2 when it was called wrongly.\n"
    "\n"
    "Examples:\n"
    "  tcpkit serve echo --listen tcp://127.0.0.1:7000 --framing line\n"
    "  tcpkit serve discard --listen tcp://:7000 --listen unix:///run/x.sock\n"
    "  tcpkit serve chat --listen tcp://:7000\n"
    "  tcpkit serve echo --listen tcp://:7443 --tls-cert chain.pem --tls-key key.pem\n"
    "  tcpkit serve echo --listen tcp://127.0.0.1:7443 --tls-self-signed";

// CLI11 would print `--loops N=2 (Env:...)`; the default belongs behind the sentence.
class TableFormatter : public CLI::Formatter {
 public:
  TableFormatter() { column_width(kHelpColumn); }

  std::string make_option_opts(const CLI::Option* option) const override {
    const bool needs_value = option->get_expected_min() > 0;
    return needs_value ? " " + option->get_type_name() : option->get_option_text();
  }

  std::string make_option_desc(const CLI::Option* option) const override {
    const std::string default_text = option->get_default_str();
    if (default_text.empty()) return option->get_description();
    return option->get_description() + " [" + default_text + "]";
  }
};

// A validator of CLI11: text that says what is wrong, or nothing.
std::string refuse_unknown_service(const std::string& text) {
  if (text == "echo" || text == "discard" || text == "chat") return "";
  return "'" + text + "' is not a service: echo, discard or chat";
}

// One that was not refused.
Service service_of(const std::string& text) {
  if (text == "chat") return Service::kChat;
  return text == "echo" ? Service::kEcho : Service::kDiscard;
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

// What was given for a flag, in its order.
std::vector<OptionText> texts_of(const FlagSpec& spec, const CLI::Option& option) {
  std::vector<OptionText> texts;
  for (const std::string& result : option.results()) {
    // CLI11 says "true" for a flag that stands alone.
    const bool is_bare = spec.bare_text != nullptr && result == "true";
    texts.push_back({spec.key, is_bare ? spec.bare_text : result, spec.name});
  }
  if (!texts.empty()) return texts;
  if (const char* text = std::getenv(spec.variable.c_str())) {
    texts.push_back({spec.key, text, spec.variable});
  }
  return texts;
}

}  // namespace

ServeCommand::ServeCommand(CLI::App& program)
    : command_(program.add_subcommand("serve", "Serve connections until SIGINT or SIGTERM")) {
  command_->formatter(std::make_shared<TableFormatter>());
  command_->footer(kFooter);
  command_->get_help_ptr()->group(kProgramGroup);
  service_ = command_
                 ->add_option("SERVICE",
                              "echo: answer what arrives; discard: only count it; chat: "
                              "rooms for people, by lines unless --framing says otherwise")
                 ->type_name("echo|discard|chat")
                 ->check(refuse_unknown_service)
                 ->required();
  quiet_ = command_->add_flag("-q,--quiet")
               ->description("Print nothing but the error that ends the program")
               ->group(kProgramGroup);
  for (const FlagSpec& spec : serve_flags()) flags_.push_back({spec, add_flag(spec)});
}

CLI::Option* ServeCommand::add_flag(const FlagSpec& spec) {
  CLI::Option* option = nullptr;
  if (spec.bare_text == nullptr) {
    option = command_->add_option(spec.name)
                 ->type_name(spec.info.value_syntax)
                 ->expected(1)
                 ->allow_extra_args(false);
  } else {
    option = command_->add_flag(spec.name)->option_text(std::string("[=") + spec.info.value_syntax +
                                                        "]");
  }
  const bool repeatable = spec.name == "--listen";
  return option->description(spec.info.help)
      ->default_str(spec.info.default_text)
      ->group(spec.group)
      ->multi_option_policy(repeatable ? CLI::MultiOptionPolicy::TakeAll
                                       : CLI::MultiOptionPolicy::TakeLast);
}

ServeArguments ServeCommand::arguments() const {
  ServeArguments arguments;
  arguments.service = service_of(service_->as<std::string>());
  arguments.verbosity = quiet_->count() > 0 ? Verbosity::kQuiet : Verbosity::kNormal;
  for (const auto& [spec, option] : flags_) {
    for (const OptionText& given : texts_of(spec, *option)) {
      if (spec.key == "listen") {
        append_addresses(given.text, arguments.listen);
      } else if (spec.target == FlagTarget::kServer) {
        arguments.options.push_back(given);
      } else if (spec.target == FlagTarget::kTls) {
        arguments.tls.options.push_back(given);
      } else {
        arguments.tls.program_options.push_back(given);
      }
    }
  }
  return arguments;
}

}  // namespace tcpkit::cli
