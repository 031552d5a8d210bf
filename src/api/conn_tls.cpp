// The TLS of a connection: tcpkit_conn_start_tls and what its handshake agreed on.
#include "api/guard.h"
#include "conn/conn.h"
#include "conn/conn_host.h"
#include "tls/session.h"

using namespace tcpkit;

namespace {

Status check_home(const tcpkit_conn* conn) noexcept {
  if (conn == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "conn is NULL");
  const Conn& target = *Conn::from_handle(conn);
  const Status status = target.host().config().fork_guard.check();
  if (status != TCPKIT_OK) return status;
  if (target.host().loop().is_home()) return TCPKIT_OK;
  return fail(TCPKIT_E_WRONG_THREAD, "conn: its TLS belongs to its loop thread");
}

Status no_tls() noexcept {
  return fail(TCPKIT_E_NOT_FOUND, "conn: it is plain, or its handshake is not done");
}

Status check_start(const tcpkit_start_tls_options& options) noexcept {
  if (options.tls == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "options: tls is NULL");
  const TlsCredentials& tls = *TlsCredentials::from_handle(options.tls);
  if (options.role == TCPKIT_TLS_SERVER) {
    if (tls.can_serve()) return TCPKIT_OK;
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: tls has no certificate, which a server needs");
  }
  if (options.role != TCPKIT_TLS_CLIENT) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: role is %d, which is none of its constants",
                options.role);
  }
  if (options.server_name != nullptr || tls.accepts_any_certificate()) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT,
              "options: server_name is NULL: the certificate is for whom?");
}

}  // namespace

void tcpkit_start_tls_options_init(tcpkit_start_tls_options* options) {
  if (options != nullptr) *options = TCPKIT_START_TLS_OPTIONS_INIT;
}

void tcpkit_tls_info_init(tcpkit_tls_info* info) {
  if (info != nullptr) *info = TCPKIT_TLS_INFO_INIT;
}

tcpkit_status tcpkit_conn_start_tls(tcpkit_conn* conn, const tcpkit_start_tls_options* options) {
  Status status = check_home(conn);
  if (status != TCPKIT_OK) return status;
  if (options == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "options is NULL");
  tcpkit_start_tls_options given = TCPKIT_START_TLS_OPTIONS_INIT;
  status = copy_struct(options, given, "options");
  if (status == TCPKIT_OK) status = check_start(given);
  if (status != TCPKIT_OK) return status;
  const char* host = given.role == TCPKIT_TLS_CLIENT ? given.server_name : nullptr;
  return Conn::from_handle(conn)->start_tls(
      Ref<TlsCredentials>::share(TlsCredentials::from_handle(given.tls)), given.role, host);
}

tcpkit_status tcpkit_conn_tls_info(const tcpkit_conn* conn, tcpkit_tls_info* out_info) {
  const Status status = check_home(conn);
  if (status != TCPKIT_OK) return status;
  const Status usable = check_struct(out_info, out_info == nullptr ? 0 : out_info->struct_size,
                                     kFrozenSize<tcpkit_tls_info>, "out_info");
  if (usable != TCPKIT_OK) return usable;
  tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
  TlsSession* session = Conn::from_handle(conn)->tls_session();
  if (session == nullptr) return no_tls();
  if (!session->tell(info)) return fail(TCPKIT_E_NO_MEMORY, "out of memory for facts of TLS");
  fill_struct(*out_info, info);
  return TCPKIT_OK;
}

tcpkit_status tcpkit_conn_tls_peer_certificate(const tcpkit_conn* conn, size_t index,
                                               tcpkit_slice* out_der) {
  const Status status = check_home(conn);
  if (status != TCPKIT_OK) return status;
  if (out_der == nullptr) return fail(TCPKIT_E_INVALID_ARGUMENT, "out_der is NULL");
  TlsSession* session = Conn::from_handle(conn)->tls_session();
  if (session == nullptr) return no_tls();
  const ByteView der = session->peer_certificate(index);
  if (der.empty()) return fail(TCPKIT_E_NOT_FOUND, "the peer has shown no such certificate");
  *out_der = {der.data(), der.size()};
  return TCPKIT_OK;
}

void* tcpkit_conn_native_tls(const tcpkit_conn* conn) {
  return conn == nullptr ? nullptr : Conn::from_handle(conn)->native_tls();
}
