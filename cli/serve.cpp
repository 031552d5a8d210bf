// `tcpkit serve`: options into a server, a server into an exit status. The callbacks below are all
// that the services do.
#include "serve.h"

#include <memory>

#include "chat.h"
#include "tls_setup.h"

namespace tcpkit::cli {
namespace {

struct ServerDeleter {
  void operator()(tcpkit_server* server) const { tcpkit_server_free(server); }
};
using ServerPtr = std::unique_ptr<tcpkit_server, ServerDeleter>;

// An answer that cannot be sent would leave the peer waiting: the connection ends instead, after
// the answers before it. Closed connections are ending already. A peer that does not take its
// answers is not read any more while TCPKIT_OK_ABOVE_HIGH, so few ever meet TCPKIT_E_QUEUE_FULL.
void close_unless_sent(tcpkit_conn* conn, tcpkit_status status) {
  if (status < 0 && status != TCPKIT_E_CLOSED) tcpkit_conn_close(conn);
}

void echo_bytes(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void*) {
  close_unless_sent(conn, tcpkit_conn_send(conn, data, data_size));
}

void echo_packet(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void*) {
  close_unless_sent(conn, tcpkit_conn_send_packet(conn, data, data_size));
}

// The server has counted the bytes and packets already.
void discard(tcpkit_conn*, const uint8_t*, size_t, void*) {}

// What the callbacks need; outlives the server.
struct Serving {
  Console& console;
  Chat chat;
};

Chat& chat_of(void* serving) {
  return static_cast<Serving*>(serving)->chat;
}

void welcome(tcpkit_conn* conn, void* serving) {
  chat_of(serving).welcome(conn);
}

void take_line(tcpkit_conn* conn, const uint8_t* data, size_t data_size, void* serving) {
  chat_of(serving).take_line(conn, {reinterpret_cast<const char*>(data), data_size});
}

void leave(tcpkit_conn* conn, const tcpkit_close_info*, void* serving) {
  chat_of(serving).leave(conn);
}

void print_log(tcpkit_log_level level, const char* message, void* serving) {
  static_cast<Serving*>(serving)->console.print_log(level, message);
}

void print_live_line(tcpkit_server*, const tcpkit_metrics* metrics, void* serving) {
  static_cast<Serving*>(serving)->console.print_live_line(*metrics);
}

// What the start of the server needs; outlives the server.
struct Startup {
  Console& console;
  TlsSetup& tls;
};

struct Announcement {
  tcpkit_server* server;
  Console* console;
};

// On the first loop, which answers signals already: whoever reads an address may send one at once.
void print_listeners(tcpkit_loop*, void* user_data) {
  const auto& [server, console] = *static_cast<const Announcement*>(user_data);
  for (size_t index = 0; index < tcpkit_server_listener_count(server); ++index) {
    std::string address(tcpkit_server_listener_address(server, index, nullptr, 0), '\0');
    tcpkit_server_listener_address(server, index, address.data(), address.size() + 1);
    console->print_listening(address);
  }
  if (console->output_failed()) tcpkit_server_stop(server);
}

void begin_serving(tcpkit_server* server, void* user_data) {
  const auto& [console, tls] = *static_cast<const Startup*>(user_data);
  tcpkit_loop* first_loop = tcpkit_server_loop(server, 0);
  tls.start_watching(first_loop);
  tcpkit_loop_post(first_loop, print_listeners, new Announcement{server, &console},
                   [](void* announcement) { delete static_cast<Announcement*>(announcement); });
}

tcpkit_handlers handlers_for(Service service, Serving& serving) {
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_data = service == Service::kEcho ? echo_bytes : discard;
  handlers.on_packet = service == Service::kEcho ? echo_packet : discard;
  if (service == Service::kChat) {
    handlers.on_open = welcome;
    handlers.on_packet = take_line;
    handlers.on_close = leave;
  }
  handlers.on_log = print_log;
  handlers.on_metrics = serving.console.shows_live_line() ? print_live_line : nullptr;
  handlers.user_data = &serving;
  return handlers;
}

ExitStatus set_options(const ServeArguments& arguments, tcpkit_server_options& options) {
  for (const OptionText& option : arguments.options) {
    const tcpkit_status status =
        tcpkit_server_options_set(&options, option.key.c_str(), option.text.c_str());
    if (status != TCPKIT_OK) return report_failure(option.origin + ": ", status);
  }
  return kExitOk;
}

ExitStatus run_server(tcpkit_server* server, const ServeArguments& arguments, Console& console) {
  for (const std::string& address : arguments.listen) {
    const tcpkit_status status = tcpkit_server_listen(server, address.c_str(), nullptr);
    if (status != TCPKIT_OK) return report_failure("", status);
  }
  if (const tcpkit_status status = tcpkit_server_run(server); status != TCPKIT_OK) {
    return report_failure("", status);
  }
  tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  if (tcpkit_server_metrics(server, &metrics) == TCPKIT_OK) console.print_totals(metrics);
  if (!console.output_failed()) return kExitOk;
  print_error("stdout could not be written");
  return kExitFailure;
}

}  // namespace

ExitStatus serve(const ServeArguments& arguments) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  if (arguments.service == Service::kChat) options.framing = tcpkit_framing_line();
  if (const ExitStatus refused = set_options(arguments, options); refused != kExitOk) {
    return refused;
  }
  if (arguments.service == Service::kChat && options.framing.kind == TCPKIT_FRAMING_NONE) {
    print_error("chat needs packets: give another --framing than none");
    return kExitUsage;
  }
  if (arguments.listen.empty()) {
    print_error("no address to listen on: give --listen tcp://127.0.0.1:7000");
    return kExitUsage;
  }
  Console console(arguments.verbosity);
  TlsSetup tls(console);
  if (const ExitStatus refused = tls.load(arguments.tls); refused != kExitOk) return refused;
  options.tls = tls.credentials();
  Startup startup{console, tls};
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.on_start = begin_serving;
  strategy.user_data = &startup;
  options.strategy = &strategy;
  Serving serving{console, {}};
  const tcpkit_handlers handlers = handlers_for(arguments.service, serving);
  tcpkit_server* created = nullptr;
  if (const tcpkit_status status = tcpkit_server_create(&options, &handlers, &created)) {
    return report_failure("", status);
  }
  const ServerPtr server(created);
  return run_server(server.get(), arguments, console);
}

}  // namespace tcpkit::cli
