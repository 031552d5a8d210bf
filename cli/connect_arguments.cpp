// From flags and variables to what `tcpkit connect` is to do.
#include "connect_arguments.h"

#include "connect_flags.h"

namespace tcpkit::cli {
namespace {

constexpr const char* kFooter =
    "What comes on stdin is sent: bytes as they are, or, with a framing, each line as a\n"
    "packet. What arrives goes to stdout, a packet as a line. The end of stdin ends our\n"
    "stream; the program ends when the connection has, with status 0 if that was in\n"
    "order, with 1 if it could not be opened or was lost, with 2 when it was called\n"
    "wrongly. Every option is also taken from the environment: --framing from\n"
    "TCPKIT_FRAMING, and so on.\n"
    "\n"
    "Examples:\n"
    "  tcpkit connect tcp://127.0.0.1:7000 --framing line\n"
    "  tcpkit connect tcp://example.org:443 --tls --alpn http/1.1\n"
    "  tcpkit connect tcp://localhost:7443 --cacert root.pem --server-name a.example\n"
    "  tcpkit connect unix:///run/x.sock --reconnect";

}  // namespace

ConnectCommand::ConnectCommand(CLI::App& program)
    : command_(program.add_subcommand("connect", "Connect, and carry stdin and stdout")),
      flags_(*command_, connect_flags()) {
  command_->footer(kFooter);
  address_ = command_->add_option("ADDRESS", "tcp://HOST:PORT, tcp4://, tcp6://, unix:///PATH")
                 ->type_name("")
                 ->required();
  quiet_ = command_->add_flag("-q,--quiet")
               ->description("Print nothing but the error that ends the program")
               ->group(kProgramGroup);
}

ConnectArguments ConnectCommand::arguments() const {
  ConnectArguments arguments;
  arguments.address = address_->as<std::string>();
  arguments.verbosity = quiet_->count() > 0 ? Verbosity::kQuiet : Verbosity::kNormal;
  for (const auto& [target, option] : flags_.given()) {
    if (option.key == kUseTlsKey) {
      arguments.uses_tls = arguments.uses_tls || option.text == "on";
    } else if (target == FlagTarget::kClient) {
      arguments.options.push_back(option);
    } else {
      const bool is_tls = target == FlagTarget::kTls;
      (is_tls ? arguments.tls.options : arguments.tls.program_options).push_back(option);
      arguments.uses_tls = true;
    }
  }
  return arguments;
}

}  // namespace tcpkit::cli
