// What a connection that speaks TLS has besides: its session, and the sealed bytes that the kernel
// has not taken yet.
#pragma once

#include "base/ref.h"
#include "buffer/write_queue.h"
#include "tls/credentials.h"
#include "tls/session.h"

namespace tcpkit {

struct ConnTls {
  ConnTls(Ref<TlsCredentials> used, TlsEngine& engine, ssl_st* ssl) noexcept
      : credentials(std::move(used)), session(engine, ssl) {}

  // At the end of the connection. Why it ended can still be asked, by any thread.
  void end() noexcept {
    session.end();
    credentials = {};
  }

  Ref<TlsCredentials> credentials;  // outlives the session
  TlsSession session;
  WriteQueue sealed;
  // Plain bytes of the last writes, whose sealed form is not all the kernel's yet.
  size_t sealed_plain = 0;
  // At the front of the connection's queue: what was sent before TLS began, and leaves in clear.
  size_t clear_bytes = 0;
  // How the opened bytes go on; told once those are delivered.
  TlsSession::Opening next = TlsSession::Opening::kMore;
  bool peer_said_goodbye = false;
  bool counted_handshake = false;
  bool peer_began = false;  // the handshake
};

}  // namespace tcpkit
