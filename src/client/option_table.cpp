// The table of options of a client, and what its rows cannot say: fields that depend on each other.
#include "client/option_table.h"

#include "conn/conn_option_rows.h"
#include "framing/framing_option.h"

namespace tcpkit {
namespace {

#define TCPKIT_FIELD(name) #name, offsetof(tcpkit_client_options, name)

constexpr NamedValue kSendProxyNames[] = {
    {"off", TCPKIT_SEND_PROXY_OFF}, {"v1", TCPKIT_SEND_PROXY_V1}, {"v2", TCPKIT_SEND_PROXY_V2}};

using enum OptionType;
using OfConn = ConnOptionRows<tcpkit_client_options>;

constexpr OptionRow kTable[] = {
    framing_option({TCPKIT_FIELD(framing)}),
    OfConn::max_packet_size(),
    OfConn::oversize(),
    OfConn::deliver_tail(),
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
    OfConn::idle_timeout_ms(),
    OfConn::read_timeout_ms(),
    OfConn::write_timeout_ms(),
    OfConn::close_timeout_ms(),
    OfConn::min_receive_rate(),
    OfConn::receive_rate_grace_ms(),
    OfConn::high_watermark(),
    OfConn::low_watermark(),
    OfConn::max_queued_bytes(),
    OfConn::pause_above_high(),
    OfConn::read_buffer_size(),
    OfConn::read_quantum_ms(),
    OfConn::keep_alive_ms(),
    OfConn::no_delay(),
    OfConn::receive_buffer_size(),
    OfConn::send_buffer_size(),
    OfConn::log_level(),
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
  Status status = resolve_fields(kTable, &options);
  if (status == TCPKIT_OK) status = resolve_watermarks(options);
  if (status != TCPKIT_OK) return status;
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
