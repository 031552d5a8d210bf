// The table of options of a server, and what its rows cannot say: processors, framings, fields that
// depend on each other.
#include "server/option_table.h"

#include <sched.h>

#include <limits>

#include "conn/conn_option_rows.h"
#include "framing/framing_option.h"

namespace tcpkit {
namespace {

constexpr uint64_t kMaxU32 = std::numeric_limits<uint32_t>::max();

#define TCPKIT_FIELD(name) #name, offsetof(tcpkit_server_options, name)

constexpr NamedValue kProxyNames[] = {{"off", TCPKIT_PROXY_OFF},
                                      {"optional", TCPKIT_PROXY_OPTIONAL},
                                      {"required", TCPKIT_PROXY_REQUIRED}};
constexpr NamedValue kAtLimitNames[] = {{"reset", TCPKIT_AT_LIMIT_RESET},
                                        {"wait", TCPKIT_AT_LIMIT_WAIT}};

using enum OptionType;
using OfConn = ConnOptionRows<tcpkit_server_options>;

constexpr OptionRow kTable[] = {
    text_of({TCPKIT_FIELD(listen)}, "ADDRESS[,ADDRESS...]", "none",
            "Addresses to listen on: tcp://HOST:PORT, tcp4://, tcp6://, unix:///PATH, fd://N."),
    with_range(number({TCPKIT_FIELD(loops)}, kCount32, "processors", "Event loops, each a thread."),
               0, 1, 255),
    framing_option({TCPKIT_FIELD(framing)}),
    OfConn::max_packet_size(),
    OfConn::oversize(),
    OfConn::deliver_tail(),
    OfConn::read_buffer_size(),
    or_unlimited(with_range(
        number({TCPKIT_FIELD(pool_size)}, kCount64, "unlimited",
               "Connections per read pool (loop); when all are full, another loop starts."),
        TCPKIT_UNLIMITED, 1, kMaxU32)),
    OfConn::read_quantum_ms(),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_connections)}, kCount64, "unlimited",
                                   "Open connections; see at_limit for more of them."),
                            TCPKIT_UNLIMITED, 1, kMaxTime)),
    or_unlimited(
        with_range(number({TCPKIT_FIELD(max_connections_per_address)}, kCount64, "unlimited",
                          "Open connections from one IP address; more are reset."),
                   TCPKIT_UNLIMITED, 1, kMaxTime)),
    or_unlimited(
        with_range(number({TCPKIT_FIELD(max_connections_per_prefix)}, kCount64, "unlimited",
                          "Open connections from one network; more are reset."),
                   TCPKIT_UNLIMITED, 1, kMaxTime)),
    with_range(number({TCPKIT_FIELD(prefix_v4)}, kCount32, "24", "Bits of an IPv4 network."), 24, 1,
               32),
    with_range(number({TCPKIT_FIELD(prefix_v6)}, kCount32, "64", "Bits of an IPv6 network."), 64, 1,
               128),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_accepts_per_second)}, kCount64, "unlimited",
                                   "Connections accepted per second, with bursts of as many."),
                            TCPKIT_UNLIMITED, 1, kMaxTime)),
    choice({TCPKIT_FIELD(at_limit)}, kAtLimitNames, "reset|wait", "reset",
           "New connections at max_connections or max_accepts_per_second."),
    choice({TCPKIT_FIELD(proxy_protocol)}, kProxyNames, "off|optional|required", "off",
           "Whether connections begin with a PROXY header, version 1 or 2."),
    text_of({TCPKIT_FIELD(proxy_trusted)}, "NETWORK[,NETWORK...]", "none",
            "Networks that may send a PROXY header: 10.0.0.0/8, ::1, unix, all."),
    or_unlimited(with_range(number({TCPKIT_FIELD(proxy_timeout_ms)}, kMilliseconds, "5000",
                                   "Time for the PROXY header."),
                            5000, 1, kMaxTime)),
    on_or_off({TCPKIT_FIELD(tls_or_plain)}, "off",
              "Connections may also be plain: the first byte tells."),
    or_unlimited(with_range(number({TCPKIT_FIELD(handshake_timeout_ms)}, kMilliseconds, "10000",
                                   "Time for the TLS handshake."),
                            10'000, 1, kMaxTime)),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_handshakes)}, kCount64, "unlimited",
                                   "TLS handshakes under way at once; see at_limit for more."),
                            TCPKIT_UNLIMITED, 1, kMaxTime)),
    or_unlimited(with_range(number({TCPKIT_FIELD(handshake_quantum_ms)}, kMilliseconds, "10",
                                   "Time per turn that handshakes may use before the others of "
                                   "their loop have their turn."),
                            10, 1, kMaxTime)),
    with_range(number({TCPKIT_FIELD(max_handler_threads)}, kCount64, "512",
                      "Threads that run connections with blocking calls."),
               512, 1, 65535),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_waiting_connections)}, kCount64, "1024",
                                   "Open connections that may wait for one of them."),
                            1024, 1, kMaxTime)),
    with_range(
        number({TCPKIT_FIELD(handler_stack_size)}, kSize, "system", "Stack of such a thread."), 0,
        64u << 10, 1u << 30),
    with_range(number({TCPKIT_FIELD(workers)}, kCount32, "0",
                      "Threads that run the callbacks of data and packets; 0: the loops do."),
               0, 0, 1024),
    or_unlimited(with_range(number({TCPKIT_FIELD(worker_queue_bytes)}, kSize, "256k",
                                   "Bytes of a connection that may wait for a worker."),
                            256u << 10, 1, kMaxTime)),
    with_range(number({TCPKIT_FIELD(tick_interval_ms)}, kMilliseconds, "1000",
                      "Time between metrics updates."),
               1000, 1, kMaxTime),
    OfConn::close_timeout_ms(),
    OfConn::idle_timeout_ms(),
    OfConn::read_timeout_ms(),
    OfConn::write_timeout_ms(),
    OfConn::min_receive_rate(),
    OfConn::receive_rate_grace_ms(),
    or_unlimited(with_range(
        number({TCPKIT_FIELD(drain_timeout_ms)}, kMilliseconds, "10000",
               "Time that SIGINT and SIGTERM give connections to finish; a second one ends it."),
        10'000, 1, kMaxTime)),
    OfConn::high_watermark(),
    OfConn::low_watermark(),
    OfConn::max_queued_bytes(),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_buffered_bytes)}, kSize, "1g",
                                   "Bytes that all connections may have waiting, in and out."),
                            1u << 30, 1, kMaxTime)),
    OfConn::pause_above_high(),
    OfConn::keep_alive_ms(),
    with_range(number({TCPKIT_FIELD(backlog)}, kCount32, "4096",
                      "Connections that may wait to be accepted."),
               4096, 1, 0x7FFFFFFF),
    on_or_off({TCPKIT_FIELD(reuse_port)}, "off",
              "One SO_REUSEPORT listener per loop instead of the least-loaded loop."),
    on_or_off({TCPKIT_FIELD(dual_stack)}, "on", "An IPv6 listener on tcp:// takes IPv4 too."),
    OfConn::no_delay(),
    OfConn::receive_buffer_size(),
    OfConn::send_buffer_size(),
    on_or_off({TCPKIT_FIELD(handle_signals)}, "on", "Running ends at SIGINT and SIGTERM."),
    OfConn::log_level(),
};

#undef TCPKIT_FIELD

uint32_t usable_processors() noexcept {
  cpu_set_t usable;
  CPU_ZERO(&usable);
  if (sched_getaffinity(0, sizeof usable, &usable) != 0) return 1;
  const int count = CPU_COUNT(&usable);
  return static_cast<uint32_t>(count < 1 ? 1 : count > 255 ? 255 : count);
}

}  // namespace

std::span<const OptionRow> option_table() noexcept {
  return kTable;
}

Status set_option_from_text(tcpkit_server_options& options, const char* key,
                            const char* text) noexcept {
  const OptionRow* row = find_option(option_table(), key);
  if (row == nullptr) return TCPKIT_E_UNKNOWN_OPTION;
  if (row->type == kFraming) return set_framing_option(row->key, text, options.framing);
  return set_field(*row, &options, text);
}

Status resolve_options(tcpkit_server_options& options) noexcept {
  if (options.loops == 0) options.loops = usable_processors();
  Status status = resolve_fields(kTable, &options);
  if (status == TCPKIT_OK) status = resolve_watermarks(options);
  if (status != TCPKIT_OK) return status;
  const bool grows = options.pool_size != TCPKIT_UNLIMITED;
  if (options.reuse_port != TCPKIT_ON || !grows) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT,
              "options: pool_size and reuse_port exclude each other: with reuse_port the kernel "
              "chooses the loop");
}

}  // namespace tcpkit
