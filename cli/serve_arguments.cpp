// Command line and environment of `tcpkit serve`. Values stay text here: the library checks them
// when they are set, and its message names the key and the text.
#include "serve_arguments.h"

#include <algorithm>

#include "serve_flags.h"

namespace tcpkit::cli {
namespace {

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

}  // namespace

ServeCommand::ServeCommand(CLI::App& program)
    : command_(program.add_subcommand("serve", "Serve connections until SIGINT or SIGTERM")),
      flags_(*command_, serve_flags()) {
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
}

ServeArguments ServeCommand::arguments() const {
  ServeArguments arguments;
  arguments.service = service_of(service_->as<std::string>());
  arguments.verbosity = quiet_->count() > 0 ? Verbosity::kQuiet : Verbosity::kNormal;
  for (const auto& [target, option] : flags_.given()) {
    if (option.key == "listen") {
      append_addresses(option.text, arguments.listen);
    } else if (target == FlagTarget::kServer) {
      arguments.options.push_back(option);
    } else if (target == FlagTarget::kTls) {
      arguments.tls.options.push_back(option);
    } else {
      arguments.tls.program_options.push_back(option);
    }
  }
  return arguments;
}

}  // namespace tcpkit::cli
