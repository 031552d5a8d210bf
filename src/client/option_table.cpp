// The table of options of a client, and what its rows cannot say: fields that depend on each other.
#include "client/option_table.h"

#include "framing/framing_option.h"

namespace tcpkit {
namespace {

constexpr uint64_t kMaxTime = UINT64_MAX - 1;
constexpr uint64_t kMaxTimeout = 0x7FFFFFFF;  // of those that each connection has
constexpr uint64_t kMaxRate = uint64_t{1} << 30;
constexpr uint64_t kMaxGrace = 1'800'000;
constexpr uint64_t kMaxBlock = uint64_t{3} << 30;

#define TCPKIT_FIELD(name) #name, offsetof(tcpkit_client_options, name)

constexpr NamedValue kSendProxyNames[] = {
    {"off", TCPKIT_SEND_PROXY_OFF}, {"v1", TCPKIT_SEND_PROXY_V1}, {"v2", TCPKIT_SEND_PROXY_V2}};

using enum OptionType;

constexpr OptionRow kTable[] = {
    framing_option({TCPKIT_FIELD(framing)}),
    or_unlimited(with_range(
        number({TCPKIT_FIELD(max_packet_size)}, kSize, "1m", "Most bytes of one packet."), 1u << 20,
        1, kMaxBlock)),
    choice({TCPKIT_FIELD(oversize)}, kOversizeNames, "close|discard", "close",
           "What happens to larger packets: the connection closes, or they are skipped."),
    on_or_off({TCPKIT_FIELD(deliver_tail)}, "off",
              "Deliver what follows the last whole packet when the stream ends."),
    text_of({TCPKIT_FIELD(server_name)}, "HOST", "host of the address",
            "Whom the certificate of the server must be for, and what is sent as SNI."),
    or_unlimited(with_range(number({TCPKIT_FIELD(connect_timeout_ms)}, kMilliseconds, "10000",
                                   "Time for a whole attempt: name, addresses, TLS."),
                            10'000, 1, kMaxTime)),
    with_range(number({TCPKIT_FIELD(attempt_delay_ms)}, kMilliseconds, "250",
                      "Time for one address before the next is tried besides it."),
               250, 10, 10'000),
    text_of({TCPKIT_FIELD(local_address)}, "IP:PORT", "any", "Address to connect from."),
    choice({TCPKIT_FIELD(send_proxy)}, kSendProxyNames, "off|v1|v2", "off",
           "Begin with a PROXY header of this version."),
    text_of({TCPKIT_FIELD(proxy_source)}, "IP:PORT", "our end",
            "Who is said to connect in the PROXY header."),
    text_of({TCPKIT_FIELD(proxy_destination)}, "IP:PORT", "the peer's end",
            "To whom, in the PROXY header."),
    on_or_off({TCPKIT_FIELD(reconnect)}, "off",
              "Connect again after a failure, or when the connection has ended."),
    with_range(number({TCPKIT_FIELD(reconnect_min_ms)}, kMilliseconds, "500",
                      "First delay of reconnects; it doubles, less a random part."),
               500, 1, kMaxTimeout),
    with_range(number({TCPKIT_FIELD(reconnect_max_ms)}, kMilliseconds, "30000",
                      "Longest delay of reconnects."),
               30'000, 1, kMaxTimeout),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_attempts)}, kCount64, "unlimited",
                                   "Attempts of reconnects that may fail in a row."),
                            TCPKIT_UNLIMITED, 1, kMaxTime)),
    or_unlimited(with_range(number({TCPKIT_FIELD(idle_timeout_ms)}, kMilliseconds, "unlimited",
                                   "Longest time without a byte in or out."),
                            TCPKIT_UNLIMITED, 1, kMaxTimeout)),
    or_unlimited(with_range(number({TCPKIT_FIELD(read_timeout_ms)}, kMilliseconds, "unlimited",
                                   "Longest time without a byte from the peer while we read."),
                            TCPKIT_UNLIMITED, 1, kMaxTimeout)),
    or_unlimited(with_range(number({TCPKIT_FIELD(write_timeout_ms)}, kMilliseconds, "60000",
                                   "Longest time that a peer may take nothing while output waits."),
                            60'000, 1, kMaxTimeout)),
    or_unlimited(with_range(number({TCPKIT_FIELD(close_timeout_ms)}, kMilliseconds, "5000",
                                   "Time from close to reset for a peer that does not take what "
                                   "was sent or does not end its stream."),
                            5000, 1, kMaxTime)),
    with_range(number({TCPKIT_FIELD(min_receive_rate)}, kSize, "0",
                      "Bytes per second that a peer has to send while it owes some; 0: none."),
               0, 0, kMaxRate),
    with_range(number({TCPKIT_FIELD(receive_rate_grace_ms)}, kMilliseconds, "5000",
                      "How far behind that rate a peer may fall."),
               5000, 1, kMaxGrace),
    or_unlimited(with_range(number({TCPKIT_FIELD(high_watermark)}, kSize, "1m",
                                   "Queued bytes above which the connection is not read."),
                            1u << 20, 1, kMaxTime)),
    or_unlimited(
        with_range(number({TCPKIT_FIELD(low_watermark)}, kSize, "high/4",
                          "Queued bytes at which reading goes on; at most the high watermark."),
                   0, 1, kMaxTime)),
    or_unlimited(with_range(number({TCPKIT_FIELD(max_queued_bytes)}, kSize, "64m",
                                   "Queued bytes that no send may pass."),
                            64u << 20, 1, kMaxTime)),
    on_or_off({TCPKIT_FIELD(pause_above_high)}, "on",
              "Reading pauses while the output is above the high watermark."),
    with_range(number({TCPKIT_FIELD(read_buffer_size)}, kSize, "512k", "Most bytes per read."),
               512u << 10, 1024, 64u << 20),
    or_unlimited(
        with_range(number({TCPKIT_FIELD(read_quantum_ms)}, kMilliseconds, "10",
                          "Time it may use before the others of its loop have their turn."),
                   10, 1, kMaxTime)),
    or_unlimited(with_range(number({TCPKIT_FIELD(keep_alive_ms)}, kMilliseconds, "300000",
                                   "Idle time before TCP keep-alive probes."),
                            300'000, 1, kMaxTime)),
    on_or_off({TCPKIT_FIELD(no_delay)}, "on", "TCP_NODELAY."),
    with_range(number({TCPKIT_FIELD(receive_buffer_size)}, kSize, "system", "SO_RCVBUF."), 0, 1,
               0x7FFFFFFF),
    with_range(number({TCPKIT_FIELD(send_buffer_size)}, kSize, "system", "SO_SNDBUF."), 0, 1,
               0x7FFFFFFF),
    choice({TCPKIT_FIELD(log_level)}, kLogLevelNames, "off|error|warning|info|debug", "warning",
           "What is logged."),
};

#undef TCPKIT_FIELD

Status check_proxy(const tcpkit_client_options& options) noexcept {
  const bool has_ends = options.proxy_source != nullptr || options.proxy_destination != nullptr;
  if (has_ends && options.send_proxy == TCPKIT_SEND_PROXY_OFF) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "options: proxy_source and proxy_destination need send_proxy: in which version?");
  }
  if ((options.proxy_source == nullptr) == (options.proxy_destination == nullptr)) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT,
              "options: proxy_source and proxy_destination need each other");
}

}  // namespace

std::span<const OptionRow> client_option_table() noexcept {
  return kTable;
}

Status set_client_option(tcpkit_client_options& options, const char* key,
                         const char* text) noexcept {
  const OptionRow* row = find_option(kTable, key);
  if (row == nullptr) return TCPKIT_E_UNKNOWN_OPTION;
  if (row->type == kFraming) return set_framing_option(row->key, text, options.framing);
  return set_field(*row, &options, text);
}

Status resolve_client_options(tcpkit_client_options& options) noexcept {
  const bool max_was_given = options.reconnect_max_ms != 0;
  const Status status = resolve_fields(kTable, &options);
  if (status != TCPKIT_OK) return status;
  if (options.low_watermark == 0) {
    options.low_watermark = options.high_watermark / 4;
  } else if (options.low_watermark > options.high_watermark) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "options: low_watermark is %zu, more than high_watermark, %zu",
                options.low_watermark, options.high_watermark);
  }
  if (options.reconnect_min_ms > options.reconnect_max_ms) {
    if (max_was_given) {
      return fail(TCPKIT_E_INVALID_ARGUMENT,
                  "options: reconnect_min_ms is %llu, more than reconnect_max_ms, %llu",
                  static_cast<unsigned long long>(options.reconnect_min_ms),
                  static_cast<unsigned long long>(options.reconnect_max_ms));
    }
    options.reconnect_max_ms = options.reconnect_min_ms;
  }
  return check_proxy(options);
}

}  // namespace tcpkit
