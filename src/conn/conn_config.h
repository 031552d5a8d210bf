// What all connections of a server have in common. Immutable once the server exists.
#pragma once

#include <memory>

#include "base/fork_guard.h"
#include "base/log.h"
#include "conn/admission.h"
#include "conn/conn_timeouts.h"
#include "conn/handler_runner.h"
#include "conn/trusted_networks.h"
#include "conn/work_runner.h"
#include "filters/filter_spec.h"
#include "framing/framing.h"
#include "metrics/counters.h"
#include "tls/credentials.h"

namespace tcpkit {

// How much may wait; SIZE_MAX: no limit.
struct FlowLimits {
  size_t high_watermark = SIZE_MAX;
  size_t low_watermark = SIZE_MAX;
  size_t max_queued_bytes = SIZE_MAX;
  size_t max_buffered_bytes = SIZE_MAX;  // of all connections together
  bool pause_above_high = true;
};

// Those that are for all connections together, in the order of their names.
enum class ServerLimit : uint8_t {
  kConnections,
  kPerAddress,
  kPerPrefix,
  kAcceptRate,
  kBuffered,
  kHandshakes,
  kHandlerThreads
};

// Who may tell by a PROXY header that the connection is of somebody else, and must.
struct ProxySettings {
  tcpkit_proxy_protocol mode = TCPKIT_PROXY_OFF;
  TrustedNetworks trusted;
  uint64_t timeout_ms = TCPKIT_UNLIMITED;

  bool trusts(const PeerAddress& peer) const noexcept {
    return mode != TCPKIT_PROXY_OFF && trusted.contains(peer);
  }
};

// How connections come to speak TLS.
struct TlsConfig {
  Ref<TlsCredentials> credentials;  // null: only by start_tls
  bool or_plain = false;
  uint64_t handshake_timeout_ms = TCPKIT_UNLIMITED;
  uint64_t max_handshakes = TCPKIT_UNLIMITED;
  uint64_t handshake_quantum_ns = UINT64_MAX;
};

// Shared by the server and by every loop's host, so that a connection that outlives its server can
// still be asked things. The handlers are called only while the server exists.
struct ConnConfig {
  std::unique_ptr<const Framing> framing;  // null: no packets
  FilterSpecs filters;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  Log log;
  bool deliver_tail = false;
  size_t max_packet_size = 0;
  size_t read_buffer_size = 0;
  uint64_t read_quantum_ns = 0;   // UINT64_MAX: no limit
  uint64_t close_timeout_ms = 0;  // TCPKIT_UNLIMITED: none
  uint64_t tick_interval_ms = 0;  // also the window of a connection's rates
  FlowLimits flow;
  TimeoutLimits timeouts;
  ProxySettings proxy;
  TlsConfig tls;
  std::unique_ptr<Admission> admission;  // null: no limit by address or rate
  // Thread per connection; null: callbacks. Its threads have ended before this does.
  std::unique_ptr<HandlerRunner> handler_runner;
  // Workers; null: callbacks on the loops. handlers then has those of Strand, and what they stand
  // for is here.
  std::unique_ptr<WorkRunner> work_runner;
  tcpkit_handlers worker_handlers = TCPKIT_HANDLERS_INIT;
  size_t worker_queue_bytes = 0;

  // Takes a connection that was admitted off all counts; counted is the address that was. Any
  // thread.
  void leave(const PeerAddress& counted) const noexcept {
    if (admission != nullptr) admission->leave(counted);
    open_connections.remove_one();
    if (waits_at_limit) accept_slots.remove_one();
  }
  // A trusted proxy speaks for many, so its address is not counted; that in its header is.
  PeerAddress counted_peer(const PeerAddress& peer) const noexcept {
    return proxy.trusts(peer) ? PeerAddress() : peer;
  }
  // Logged once for each limit, since a server at its limit has better things to do than to say so
  // each time. Any thread.
  void warn_of_limit(ServerLimit limit) const noexcept {
    const uint32_t bit = 1u << static_cast<unsigned>(limit);
    if ((warned_limits.fetch_or(bit, std::memory_order_relaxed) & bit) != 0) return;
    static constexpr const char* kNames[] = {
        "max_connections",        "max_connections_per_address", "max_connections_per_prefix",
        "max_accepts_per_second", "max_buffered_bytes",          "max_handshakes",
        "max_waiting_connections"};
    log.write(TCPKIT_LOG_WARNING, "%s is reached", kNames[static_cast<unsigned>(limit)]);
  }
  ForkGuard fork_guard;

  // Mutable: counted by every loop.
  mutable Gauge open_connections;
  // With waits_at_limit: open connections, and accepts that are under way on any loop.
  bool waits_at_limit = false;
  mutable Gauge accept_slots;
  mutable Gauge buffered_bytes;
  mutable Gauge handshakes;           // under way
  mutable Gauge handler_threads;      // those that run callbacks
  mutable Gauge waiting_connections;  // for one of them
  mutable std::atomic<uint64_t> refused_sends{0};
  mutable std::atomic<uint32_t> warned_limits{0};
};

}  // namespace tcpkit
