// A connection that we have dialled: the PROXY header in clear, our side of the handshake, and whom
// it tells of its begin and its end.
#include "conn/conn.h"
#include "conn/conn_host.h"
#include "conn/conn_tls.h"

namespace tcpkit {

// False: the connection has ended over it.
bool Conn::send_proxy_header() noexcept {
  const ByteView header = host_.dialler()->proxy_header();
  if (header.empty()) return true;
  if (enqueue({&header, 1}, header.size())) {
    flush_output();
  } else {
    fail_now({TCPKIT_CLOSE_NO_MEMORY, TCPKIT_E_NO_MEMORY, 0});
  }
  return state() == ConnState::kOpen;
}

// Inside an event.
void Conn::begin_dialled() noexcept {
  if (!send_proxy_header()) return;
  if (!is_tls_wanted_) return announce();
  const Dialler& dialler = *host_.dialler();
  const Status status =
      begin_handshake(host_.config().tls.credentials, TCPKIT_TLS_CLIENT, dialler.server_name());
  if (status != TCPKIT_OK) fail_now({TCPKIT_CLOSE_TLS_ERROR, status, 0});
  if (state() != ConnState::kOpen) return;
  tls_->clear_bytes = queue_.bytes();
  try {
    step_handshake();
  } catch (...) {
    drop_stash();  // it may hold packets that were delivered already
    callback_threw();
  }
}

void Conn::give_up(Status status) noexcept {
  if (is_announced()) return;
  reset_at_close(fd());
  fail_now({TCPKIT_CLOSE_ABORTED, status, 0});
}

void Conn::tell_end(const tcpkit_close_info& info) noexcept {
  Dialler* dialler = host_.dialler();
  if (dialler == nullptr) return run_close_handlers(info);
  if (!is_announced()) return dialler->conn_failed(info);
  dialler->conn_ending();
  run_close_handlers(info);
  dialler->conn_ended(info);
}

}  // namespace tcpkit
