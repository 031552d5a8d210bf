// The PROXY header before everything else of a connection: who really connected. Until it is whole
// the user knows nothing of the connection, and its one timer is the time for the header.
#include <netinet/in.h>

#include <new>

#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_received.h"

namespace tcpkit {
namespace {

PeerAddress peer_of(ProxyFamily family, const ProxyEndpoint& endpoint) noexcept {
  SocketAddress address;
  if (family == ProxyFamily::kIpv4) {
    address.v4 = {};
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(endpoint.port);
    std::memcpy(&address.v4.sin_addr, endpoint.ip, sizeof address.v4.sin_addr);
    address.size = sizeof address.v4;
  } else {
    address.v6 = {};
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(endpoint.port);
    std::memcpy(&address.v6.sin6_addr, endpoint.ip, sizeof address.v6.sin6_addr);
    address.size = sizeof address.v6;
  }
  return PeerAddress(address);
}

}  // namespace

// False: there is none to wait for, or none that would be believed, which ends the connection.
bool Conn::expect_proxy_header() noexcept {
  const ProxySettings& proxy = host_.config().proxy;
  if (proxy.mode == TCPKIT_PROXY_OFF) return false;
  if (!proxy.trusts(peer_)) {
    if (proxy.mode == TCPKIT_PROXY_OPTIONAL) return false;
    prelude_ = Prelude::kProxyHeader;
    proxy_failed(TCPKIT_CLOSE_PROXY_ERROR, "its address is not in proxy_trusted");
    return true;
  }
  prelude_ = Prelude::kProxyHeader;
  if (proxy.timeout_ms != TCPKIT_UNLIMITED) {
    host_.loop().timers().arm(*this, host_.loop().deadline_in(proxy.timeout_ms));
  }
  return true;
}

// True: what is left of received is the user's, who knows the connection now.
bool Conn::take_proxy_header(Received& received) {
  ProxyHeader header{};
  const ProxyResult result = parse_proxy_header(received.bytes, header);
  switch (result.parse) {
    case ProxyParse::kMore:
      keep_rest(received);
      return false;
    case ProxyParse::kBad:
      proxy_failed(TCPKIT_CLOSE_PROXY_ERROR, result.why);
      break;
    case ProxyParse::kNone:
      if (host_.config().proxy.mode == TCPKIT_PROXY_OPTIONAL) {
        proxy_done();
        return true;
      }
      proxy_failed(TCPKIT_CLOSE_PROXY_ERROR, "it does not begin with a PROXY header");
      break;
    case ProxyParse::kHeader:
      if (!keep_proxy_header(header)) {
        fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
        break;
      }
      host_.own_counters().proxy_headers.add(1);
      if (!admit_proxied()) break;
      received.bytes = received.bytes.subspan(result.header_size);
      proxy_done();
      return true;
  }
  drop_stash();
  return false;
}

bool Conn::keep_proxy_header(const ProxyHeader& header) noexcept {
  std::unique_ptr<ProxyInfo> info(new (std::nothrow) ProxyInfo);
  if (info == nullptr) return false;
  info->family = header.family;
  if (header.family == ProxyFamily::kIpv4 || header.family == ProxyFamily::kIpv6) {
    info->source = peer_of(header.family, header.source);
  }
  if (header.family == ProxyFamily::kUnix) {
    std::memcpy(info->unix_path, header.unix_source.data(), header.unix_source.size());
  }
  if (!header.tlvs.empty()) {
    info->tlv_bytes.reset(new (std::nothrow) uint8_t[header.tlvs.size()]);
    if (info->tlv_bytes == nullptr) return false;
    std::memcpy(info->tlv_bytes.get(), header.tlvs.data(), header.tlvs.size());
    info->tlvs = {info->tlv_bytes.get(), header.tlvs.size()};
  }
  if (make_extras() == nullptr) return false;
  extras()->proxy.store(info.release(), std::memory_order_release);
  return true;
}

// The limits by address are for those behind the proxy.
bool Conn::admit_proxied() noexcept {
  const ConnConfig& config = host_.config();
  const ProxyInfo& info = *proxy();
  if (config.admission == nullptr || !info.source.has_ip()) return true;
  const Admitted admitted =
      config.admission->enter(info.source, host_.loop().turn_ms(), Admission::Token::kTaken);
  info.is_counted = admitted == Admitted::kYes;
  if (info.is_counted) return true;
  const bool address_full = admitted == Admitted::kAddressFull;
  LoopCounters& counters = host_.own_counters();
  (address_full ? counters.refused_by_address : counters.refused_by_prefix).add(1);
  config.warn_of_limit(address_full ? ServerLimit::kPerAddress : ServerLimit::kPerPrefix);
  reset_at_close(fd());
  fail_now({TCPKIT_CLOSE_LIMIT, TCPKIT_E_LIMIT, 0});
  return false;
}

// The address that Admission counts for this connection.
PeerAddress Conn::counted_peer() const noexcept {
  const ProxyInfo* info = proxy();
  if (info != nullptr && info->is_counted) return info->source;
  return host_.config().counted_peer(peer_);
}

void Conn::proxy_done() noexcept {
  prelude_ = Prelude::kNone;
  disarm_timer();
  begin_transport();
}

// The stream ended before the user knew of it. True: what came was not the begin of a header after
// all, and the user has it. Where the user pauses instead, the end is read again later.
bool Conn::end_in_prelude() {
  if (stash_ == nullptr) {
    fail_now({TCPKIT_CLOSE_PEER_FIN, TCPKIT_OK, 0});
    return false;
  }
  const ByteView bytes{stash_->data(), stash_->size()};
  if (host_.config().proxy.mode != TCPKIT_PROXY_OPTIONAL || has_proxy_signature(bytes) ||
      is_tls_wanted_) {
    proxy_failed(TCPKIT_CLOSE_PROXY_ERROR, "it ended inside the header");
    return false;
  }
  proxy_done();
  has_undelivered_ = true;
  if (may_deliver()) {
    has_undelivered_ = false;
    Received received{Quantum(host_.config().read_quantum_ns), bytes, true};
    deliver(received);
  }
  return may_deliver() && !has_undelivered_;
}

// A peer that may send a header and says nothing at all waits for us to speak.
void Conn::proxy_overdue() noexcept {
  const bool silent = stash_ == nullptr && host_.config().proxy.mode == TCPKIT_PROXY_OPTIONAL;
  if (!silent) return proxy_failed(TCPKIT_CLOSE_PROXY_TIMEOUT, "it did not come in time");
  in_event_ = true;
  proxy_done();
  end_event();
}

void Conn::proxy_failed(tcpkit_close_reason reason, const char* why) noexcept {
  host_.own_counters().proxy_errors.add(1);
  host_.config().log.write(TCPKIT_LOG_INFO, "connection %llu is closed: PROXY header: %s",
                           static_cast<unsigned long long>(id_), why);
  const bool late = reason == TCPKIT_CLOSE_PROXY_TIMEOUT;
  fail_now({reason, late ? TCPKIT_E_TIMED_OUT : TCPKIT_E_BAD_PROXY_HEADER, 0});
}

std::string Conn::proxy_address() const {
  const ProxyInfo* info = proxy();
  return info == nullptr || info->family == ProxyFamily::kLocal ? std::string() : peer_.text();
}

bool Conn::find_tlv(uint8_t type, ByteView& value) const noexcept {
  const ProxyInfo* info = proxy();
  return info != nullptr && find_proxy_tlv(info->tlvs, type, value);
}

}  // namespace tcpkit
