// tcpkit_server_*, tcpkit_metrics_init, tcpkit_listen_options_init.
#include "server/server.h"

#include "api/conn_options.h"
#include "api/guard.h"
#include "api/text_out.h"
#include "server/option_table.h"
#include "strategy/handler_threads.h"
#include "strategy/read_pools.h"
#include "strategy/workers.h"

using namespace tcpkit;

namespace {

Status check_server(const tcpkit_server* server) noexcept {
  if (server == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "server is NULL");
  return Server::from_handle(server)->fork_check();
}

// Takes over the user data of everything that was given, whatever happens next: so it needs no
// memory. The tables are what the connections will have.
struct Tables {
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  FilterSpecs filters;
};
Status read_arguments(const tcpkit_server_options* options, const tcpkit_handlers* handlers,
                      ServerSetup& setup, Tables& tables) noexcept {
  Status first_failure = TCPKIT_OK;
  const auto note = [&](Status status) {
    if (first_failure == TCPKIT_OK) first_failure = status;
    return status == TCPKIT_OK;
  };
  if (handlers != nullptr && note(copy_struct(handlers, tables.handlers, "handlers"))) {
    setup.handlers_data = UserData(tables.handlers.user_data, tables.handlers.user_data_free);
  }
  const bool has_options =
      options != nullptr && note(copy_struct(options, setup.options, "options"));
  const tcpkit_strategy* strategy = has_options ? options->strategy : nullptr;
  if (strategy != nullptr && note(copy_struct(strategy, tables.strategy, "options.strategy"))) {
    setup.strategy_data = UserData(tables.strategy.user_data, tables.strategy.user_data_free);
  }
  FilterSpecs& filters = tables.filters;
  if (has_options) {
    note(FilterSpec::create_all(setup.options.filters, setup.options.filter_count, filters));
  }
  if (first_failure != TCPKIT_OK && has_options) Framing::free_user_data(options->framing);
  return first_failure;
}

// Until there is a framing its user data is nobody's, so a failure frees it here.
Status make_config(Tables& tables, ServerSetup& setup) noexcept {
  Status status = resolve_options(setup.options);
  if (status == TCPKIT_OK) {
    status = guarded([&] {
      setup.config = std::make_shared<ConnConfig>();
      setup.config->handlers = tables.handlers;
      setup.config->strategy = tables.strategy;
      setup.config->filters = std::move(tables.filters);
      return Status{TCPKIT_OK};
    });
  }
  if (status != TCPKIT_OK) Framing::free_user_data(setup.options.framing);
  return status;
}

// Who may come in, and who may speak for others.
Status make_limits(const tcpkit_server_options& options, ConnConfig& config) {
  const AdmissionLimits limits{options.max_connections_per_address,
                               options.max_connections_per_prefix, options.prefix_v4,
                               options.prefix_v6, options.max_accepts_per_second};
  const bool limited = limits.max_per_address != TCPKIT_UNLIMITED ||
                       limits.max_per_prefix != TCPKIT_UNLIMITED ||
                       limits.max_per_second != TCPKIT_UNLIMITED;
  if (limited) config.admission = std::make_unique<Admission>(limits);
  config.waits_at_limit = options.at_limit == TCPKIT_AT_LIMIT_WAIT;
  config.proxy.mode = options.proxy_protocol;
  config.proxy.timeout_ms = options.proxy_timeout_ms;
  if (options.proxy_trusted == nullptr) {
    if (options.proxy_protocol == TCPKIT_PROXY_OFF) return TCPKIT_OK;
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "options: proxy_protocol needs proxy_trusted: whose headers are believed");
  }
  return config.proxy.trusted.parse(options.proxy_trusted);
}

Status make_tls(const tcpkit_server_options& options, ConnConfig& config) {
  config.tls.or_plain = options.tls_or_plain == TCPKIT_ON;
  config.tls.handshake_timeout_ms = options.handshake_timeout_ms;
  config.tls.max_handshakes = options.max_handshakes;
  config.tls.handshake_quantum_ns = ns_of(options.handshake_quantum_ms);
  if (options.tls == nullptr) {
    if (!config.tls.or_plain) return TCPKIT_OK;
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: tls_or_plain needs tls: with which keys?");
  }
  config.tls.credentials = Ref<TlsCredentials>::share(TlsCredentials::from_handle(options.tls));
  if (config.tls.credentials->can_serve()) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT, "options: tls has no certificate, which a server needs");
}

// The loops then call the strands, and the workers call the user.
Status make_workers(const tcpkit_server_options& options, ConnConfig& config) {
  if (config.handlers.on_connection != nullptr) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "options: workers and on_connection exclude each other: who gets the bytes?");
  }
  config.worker_handlers = config.handlers;
  config.worker_queue_bytes = options.worker_queue_bytes;
  config.handlers.on_data = Strand::on_data;
  config.handlers.on_packet = Strand::on_packet;
  config.handlers.on_end = Strand::on_end;
  config.work_runner = std::make_unique<Workers>(config, options.workers);
  return TCPKIT_OK;
}

Status make_setup(const tcpkit_server_options* options, const tcpkit_handlers* handlers,
                  ServerSetup& setup) {
  Tables tables;
  Status status = read_arguments(options, handlers, setup, tables);
  if (status == TCPKIT_OK) status = make_config(tables, setup);
  if (status != TCPKIT_OK) return status;
  const tcpkit_server_options& resolved = setup.options;
  ConnConfig& config = *setup.config;
  status = make_framing(resolved, config);
  if (status == TCPKIT_OK) status = fill_config(resolved, config);
  if (status != TCPKIT_OK) return status;
  config.flow.max_buffered_bytes = resolved.max_buffered_bytes;
  config.tick_interval_ms = resolved.tick_interval_ms;
  status = make_limits(resolved, config);
  if (status == TCPKIT_OK) status = make_tls(resolved, config);
  if (status != TCPKIT_OK) return status;
  if (resolved.workers > 0) {
    status = make_workers(resolved, config);
    if (status != TCPKIT_OK) return status;
  }
  if (config.handlers.on_connection != nullptr) {
    if (resolved.filter_count > 0) {
      return fail(
          TCPKIT_E_INVALID_ARGUMENT,
          "options: filters and on_connection exclude each other: only loops drive filters");
    }
    const HandlerThreads::Limits limits{resolved.max_handler_threads,
                                        resolved.max_waiting_connections,
                                        resolved.handler_stack_size};
    config.handler_runner = std::make_unique<HandlerThreads>(config, limits);
  }
  setup.strategy = std::make_unique<ReadPools>(config.strategy, resolved.pool_size);
  return TCPKIT_OK;
}

template <typename Call>
Status on_server(tcpkit_server* server, Call call) noexcept {
  const Status status = check_server(server);
  if (status != TCPKIT_OK) return status;
  return guarded([&] { return call(*Server::from_handle(server)); });
}

}  // namespace

void tcpkit_metrics_init(tcpkit_metrics* metrics) {
  if (metrics != nullptr) *metrics = TCPKIT_METRICS_INIT;
}

void tcpkit_listen_options_init(tcpkit_listen_options* options) {
  if (options != nullptr) *options = TCPKIT_LISTEN_OPTIONS_INIT;
}

tcpkit_status tcpkit_server_create(const tcpkit_server_options* options,
                                   const tcpkit_handlers* handlers, tcpkit_server** out_server) {
  return guarded([&] {
    ServerSetup setup;
    Status status = make_setup(options, handlers, setup);
    if (status != TCPKIT_OK) return status;
    if (out_server == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_server is NULL");
    auto server = std::make_unique<Server>(std::move(setup));
    status = server->prepare();
    if (status == TCPKIT_OK) *out_server = server.release()->handle();
    return status;
  });
}

void tcpkit_server_free(tcpkit_server* server) {
  if (server == nullptr || Server::from_handle(server)->fork_check() != TCPKIT_OK) return;
  Server::free(Server::from_handle(server));
}

tcpkit_status tcpkit_server_listen(tcpkit_server* server, const char* address,
                                   const tcpkit_listen_options* options) {
  if (address == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "address is NULL");
  tcpkit_listen_options copy = TCPKIT_LISTEN_OPTIONS_INIT;
  if (options != nullptr) {
    const Status status = copy_struct(options, copy, "options");
    if (status != TCPKIT_OK) return status;
  }
  return on_server(server, [&](Server& target) { return target.listen(address, copy); });
}

tcpkit_status tcpkit_server_listen_inherited(tcpkit_server* server, size_t* out_count) {
  size_t count = 0;
  const Status status =
      on_server(server, [&](Server& target) { return target.listen_inherited(count); });
  if (out_count != nullptr) *out_count = count;
  return status;
}

int32_t tcpkit_server_listener_fd(tcpkit_server* server, size_t index) {
  return check_server(server) != TCPKIT_OK ? -1 : Server::from_handle(server)->listener_fd(index);
}

size_t tcpkit_server_listener_count(const tcpkit_server* server) {
  return server == nullptr ? 0 : Server::from_handle(server)->listener_count();
}

size_t tcpkit_server_listener_address(const tcpkit_server* server, size_t index, char* buffer,
                                      size_t buffer_size) {
  size_t length = 0;
  (void)guarded([&] {
    const bool known = server != nullptr;
    length = write_text(known ? Server::from_handle(server)->listener_address(index) : "", buffer,
                        buffer_size);
    return Status{TCPKIT_OK};
  });
  return length;
}

tcpkit_status tcpkit_server_start(tcpkit_server* server) {
  return on_server(server, [](Server& target) { return target.start(); });
}

tcpkit_status tcpkit_server_run(tcpkit_server* server) {
  return on_server(server, [](Server& target) { return target.run(); });
}

tcpkit_status tcpkit_server_stop(tcpkit_server* server) {
  return on_server(server, [](Server& target) { return target.stop(); });
}

void tcpkit_drain_report_init(tcpkit_drain_report* report) {
  if (report != nullptr) *report = TCPKIT_DRAIN_REPORT_INIT;
}

tcpkit_status tcpkit_server_drain(tcpkit_server* server, uint64_t deadline_ms,
                                  tcpkit_drain_report* out_report) {
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  if (out_report != nullptr) {
    const Status status = copy_struct(out_report, report, "out_report");
    if (status != TCPKIT_OK) return status;
    report = TCPKIT_DRAIN_REPORT_INIT;
  }
  const Status status =
      on_server(server, [&](Server& target) { return target.drain(deadline_ms, &report); });
  if (status == TCPKIT_OK && out_report != nullptr) fill_struct(*out_report, report);
  return status;
}

tcpkit_status tcpkit_server_wait(tcpkit_server* server) {
  return on_server(server, [](Server& target) { return target.wait(); });
}

int32_t tcpkit_server_is_running(const tcpkit_server* server) {
  return server != nullptr && Server::from_handle(server)->is_running() ? 1 : 0;
}

tcpkit_status tcpkit_server_metrics(const tcpkit_server* server, tcpkit_metrics* out_metrics) {
  Status status = check_server(server);
  if (status != TCPKIT_OK) return status;
  tcpkit_metrics given = TCPKIT_METRICS_INIT;
  status = copy_struct(out_metrics, given, "out_metrics");
  if (status != TCPKIT_OK) return status;
  fill_struct(*out_metrics, Server::from_handle(server)->metrics());
  return TCPKIT_OK;
}

tcpkit_status tcpkit_server_find(tcpkit_server* server, uint64_t conn_id, tcpkit_conn** out_conn) {
  if (out_conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_conn is NULL");
  return on_server(server, [&](Server& target) {
    Ref<Conn> found = target.find(conn_id);
    if (!found) {
      return fail(TCPKIT_E_NOT_FOUND, "no open connection has the id %llu",
                  static_cast<unsigned long long>(conn_id));
    }
    *out_conn = found.detach()->handle();
    return Status{TCPKIT_OK};
  });
}

tcpkit_status tcpkit_server_visit(tcpkit_server* server, tcpkit_conn_fn visitor, void* user_data) {
  if (visitor == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "visitor is NULL");
  return on_server(server, [&](Server& target) {
    for (const Ref<Conn>& conn : target.connections()) visitor(conn->handle(), user_data);
    return Status{TCPKIT_OK};
  });
}

tcpkit_status tcpkit_server_list(tcpkit_server* server, tcpkit_conn** out_conns, size_t capacity,
                                 size_t* out_count) {
  if (out_count == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_count is NULL");
  if (out_conns == nullptr && capacity != 0) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "out_conns is NULL");
  }
  return on_server(server, [&](Server& target) {
    std::vector<Ref<Conn>> open = target.connections();
    for (size_t i = 0; i < open.size() && i < capacity; ++i) {
      out_conns[i] = open[i].detach()->handle();
    }
    *out_count = open.size();
    return Status{TCPKIT_OK};
  });
}

size_t tcpkit_server_loop_count(const tcpkit_server* server) {
  return server == nullptr ? 0 : Server::from_handle(server)->loop_count();
}

tcpkit_loop* tcpkit_server_loop(tcpkit_server* server, size_t index) {
  ConnHost* host = server == nullptr ? nullptr : Server::from_handle(server)->host(index);
  return host == nullptr ? nullptr : host->loop_host().handle();
}
