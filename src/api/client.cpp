// tcpkit_client_*: from options to a client, and what is asked of it.
#include "client/client.h"

#include "api/conn_options.h"
#include "api/guard.h"
#include "api/option_info.h"
#include "client/option_table.h"

using namespace tcpkit;

namespace {

// A window of its own, since a client has no tick.
constexpr uint64_t kRateWindowMs = 1000;

Status check_client(const tcpkit_client* client) noexcept {
  if (client == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "client is NULL");
  return Client::from_handle(client)->fork_check();
}

template <typename Call>
Status on_client(tcpkit_client* client, Call call) noexcept {
  const Status status = check_client(client);
  if (status != TCPKIT_OK) return status;
  return guarded([&] { return call(*Client::from_handle(client)); });
}

// Takes over the user data of everything that was given, whatever happens next.
Status read_arguments(const tcpkit_client_options* options, const tcpkit_handlers* handlers,
                      tcpkit_handlers& table, ClientSetup& setup) noexcept {
  Status status = TCPKIT_OK;
  if (handlers != nullptr) status = copy_struct(handlers, table, "handlers");
  if (handlers != nullptr && status == TCPKIT_OK) {
    setup.handlers_data = UserData(table.user_data, table.user_data_free);
  }
  if (options == nullptr) return status;
  const Status copied = copy_struct(options, setup.options, "options");
  if (copied == TCPKIT_OK && status != TCPKIT_OK) Framing::free_user_data(options->framing);
  return status != TCPKIT_OK ? status : copied;
}

// Until there is a framing its user data is nobody's, so a failure frees it here.
Status make_config(const tcpkit_handlers& table, ClientSetup& setup) noexcept {
  Status status = resolve_client_options(setup.options);
  if (status == TCPKIT_OK) {
    status = guarded([&] {
      setup.config = std::make_shared<ConnConfig>();
      setup.config->handlers = table;
      return Status{TCPKIT_OK};
    });
  }
  if (status != TCPKIT_OK) Framing::free_user_data(setup.options.framing);
  return status;
}

Status make_connecting(const tcpkit_client_options& options, ClientSetup& setup) {
  ConnectSettings& connect = setup.connect;
  connect.attempt_delay_ms = options.attempt_delay_ms;
  connect.no_delay = options.no_delay == TCPKIT_ON;
  connect.keep_alive_ms = options.keep_alive_ms;
  connect.receive_buffer_size = options.receive_buffer_size;
  connect.send_buffer_size = options.send_buffer_size;
  if (options.server_name != nullptr) setup.server_name = options.server_name;
  if (options.local_address != nullptr) {
    const Status status =
        parse_ip_endpoint("options: local_address", options.local_address, connect.local);
    if (status != TCPKIT_OK) return status;
  }
  ConnConfig& config = *setup.config;
  config.tick_interval_ms = kRateWindowMs;
  config.tls.handshake_timeout_ms = options.connect_timeout_ms;  // of STARTTLS too
  if (options.tls != nullptr) {
    config.tls.credentials = Ref<TlsCredentials>::share(TlsCredentials::from_handle(options.tls));
  }
  return read_proxy_sending(options, setup.proxy);
}

Status make_loop(const tcpkit_client_options& options, ClientSetup& setup) {
  if (options.loop != nullptr) {
    LoopHost* host = LoopHost::from_handle(options.loop);
    setup.loop_host = Ref<LoopHost>::share(host);
    return host->fork_guard().check();
  }
  setup.own_runner.reset(
      new LoopRunner(setup.config->log, UserData(), setup.config->read_buffer_size));
  setup.loop_host = Ref<LoopHost>::share(&setup.own_runner->host());
  const Status status = setup.own_runner->open();
  return status == TCPKIT_OK ? setup.own_runner->start() : status;
}

Status make_setup(const tcpkit_client_options* options, const tcpkit_handlers* handlers,
                  ClientSetup& setup) {
  tcpkit_handlers table = TCPKIT_HANDLERS_INIT;
  Status status = read_arguments(options, handlers, table, setup);
  if (status == TCPKIT_OK) status = make_config(table, setup);
  if (status == TCPKIT_OK) status = make_framing(setup.options, *setup.config);
  if (status == TCPKIT_OK && table.on_connection != nullptr) {
    status = fail(TCPKIT_E_INVALID_ARGUMENT,
                  "handlers: on_connection is for servers; a client that dials has blocking calls");
  }
  if (status == TCPKIT_OK) status = fill_config(setup.options, *setup.config);
  if (status == TCPKIT_OK) status = make_connecting(setup.options, setup);
  return status == TCPKIT_OK ? make_loop(setup.options, setup) : status;
}

}  // namespace

void tcpkit_client_options_init(tcpkit_client_options* options) {
  if (options != nullptr) *options = TCPKIT_CLIENT_OPTIONS_INIT;
}

tcpkit_status tcpkit_client_options_set(tcpkit_client_options* options, const char* key,
                                        const char* text) {
  if (key == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "key is NULL");
  if (text == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "text is NULL, for \"%s\"", key);
  tcpkit_client_options changed = TCPKIT_CLIENT_OPTIONS_INIT;
  Status status = copy_struct(options, changed, "options");
  if (status != TCPKIT_OK) return status;
  status = set_client_option(changed, key, text);
  if (status == TCPKIT_OK) fill_struct(*options, changed);
  return status;
}

size_t tcpkit_client_option_count(void) {
  return client_option_table().size();
}

tcpkit_status tcpkit_client_option_at(size_t index, tcpkit_option_info* out_info) {
  return describe_option(client_option_table(), index, out_info);
}

tcpkit_status tcpkit_client_create(const tcpkit_client_options* options,
                                   const tcpkit_handlers* handlers, tcpkit_client** out_client) {
  return guarded([&] {
    ClientSetup setup;
    const Status status = make_setup(options, handlers, setup);
    if (status != TCPKIT_OK) return status;
    if (out_client == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_client is NULL");
    *out_client = (new Client(std::move(setup)))->handle();
    return Status{TCPKIT_OK};
  });
}

void tcpkit_client_free(tcpkit_client* client) {
  if (client == nullptr || check_client(client) != TCPKIT_OK) return;
  Client::free(Client::from_handle(client));
}

tcpkit_status tcpkit_client_connect(tcpkit_client* client, const char* address) {
  if (address == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "address is NULL");
  return on_client(client, [&](Client& target) { return target.connect(address); });
}

tcpkit_status tcpkit_client_dial(tcpkit_client* client, const char* address,
                                 tcpkit_conn** out_conn) {
  if (address == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "address is NULL");
  return on_client(client, [&](Client& target) {
    Ref<Conn> dialled;
    const Status status = target.dial(address, dialled);
    if (status == TCPKIT_OK && out_conn != nullptr) *out_conn = dialled.detach()->handle();
    return status;
  });
}

tcpkit_status tcpkit_client_conn(tcpkit_client* client, tcpkit_conn** out_conn) {
  if (out_conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_conn is NULL");
  return on_client(client, [&](Client& target) {
    Ref<Conn> open = target.conn();
    if (!open) return fail(TCPKIT_E_NOT_FOUND, "client: it is not connected");
    *out_conn = open.detach()->handle();
    return Status{TCPKIT_OK};
  });
}

tcpkit_status tcpkit_client_close(tcpkit_client* client) {
  return on_client(client, [](Client& target) { return target.close(); });
}

tcpkit_status tcpkit_client_metrics(const tcpkit_client* client, tcpkit_metrics* out_metrics) {
  Status status = check_client(client);
  if (status != TCPKIT_OK) return status;
  tcpkit_metrics given = TCPKIT_METRICS_INIT;
  status = copy_struct(out_metrics, given, "out_metrics");
  if (status != TCPKIT_OK) return status;
  fill_struct(*out_metrics, Client::from_handle(client)->metrics());
  return TCPKIT_OK;
}

tcpkit_loop* tcpkit_client_loop(tcpkit_client* client) {
  return client == nullptr ? nullptr : Client::from_handle(client)->loop_host().handle();
}
