// Front door of the program `tcpkit`: parses the command line and turns every outcome into an
// exit status.
#include <csignal>
#include <exception>

#include "connect.h"
#include "serve.h"

namespace tcpkit::cli {
namespace {

ExitStatus run_program(int argument_count, char** arguments) {
  CLI::App program("TCP servers and clients with framing, limits and metrics", "tcpkit");
  program.set_version_flag("--version", std::string("tcpkit ") + tcpkit_version_text());
  program.require_subcommand(1);
  const ServeCommand serve_command(program);
  const ConnectCommand connect_command(program);
  try {
    program.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
      return program.exit(error) == 0 ? kExitOk : kExitFailure;
    }
    print_error(error.what());
    print_error(connect_command.was_given() ? "see `tcpkit connect --help`"
                                            : "see `tcpkit serve --help`");
    return kExitUsage;
  }
  if (connect_command.was_given()) return connect(connect_command.arguments());
  return serve(serve_command.arguments());
}

}  // namespace
}  // namespace tcpkit::cli

int main(int argument_count, char** arguments) {
  // A reader of our output that went away must not end the server.
  std::signal(SIGPIPE, SIG_IGN);
  try {
    return tcpkit::cli::run_program(argument_count, arguments);
  } catch (const std::exception& error) {
    tcpkit::cli::print_error(error.what());
    return tcpkit::cli::kExitFailure;
  }
}
