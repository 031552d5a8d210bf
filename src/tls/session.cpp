// SSL_do_handshake, SSL_read and SSL_write over the engine's BIO.
#include "tls/session.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <new>

#include "base/clock.h"
#include "tls/engine.h"
#include "tls/ssl_callbacks.h"

namespace tcpkit {
namespace {

int session_index() noexcept {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// SSL_get_error takes an error that somebody else has left on this thread for the session's.
void forget_old_errors() noexcept {
  if (ERR_peek_error() != 0) ERR_clear_error();
}

// The call before has stopped for want of input.
bool wants_more(const SSL* ssl, int result) noexcept {
  const int error = SSL_get_error(ssl, result);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

}  // namespace

TlsSession::TlsSession(TlsEngine& engine, ssl_st* ssl) noexcept : engine_(&engine), ssl_(ssl) {
  BIO_up_ref(engine.session_end());
  SSL_set_bio(ssl_, engine.session_end(), engine.session_end());
  SSL_set_ex_data(ssl_, session_index(), this);
  SSL_set_info_callback(ssl_, on_ssl_info);
}

void TlsSession::use_engine(TlsEngine& engine) noexcept {
  engine_ = &engine;
  BIO_up_ref(engine.session_end());
  SSL_set_bio(ssl_, engine.session_end(), engine.session_end());
}

void TlsSession::end() noexcept {
  if (ssl_ == nullptr) return;
  // Without this the session of an end that was not awaited could not be resumed.
  SSL_set_quiet_shutdown(ssl_, 1);
  if (handshake_done_ && !failed_) {
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  SSL_free(ssl_);
  ssl_ = nullptr;
  facts_ = nullptr;
}

void TlsSession::on_ssl_info(const ssl_st* ssl, int where, int value) noexcept {
  constexpr int kNumberMask = 0xFF;
  const bool is_fatal = (value >> 8) == SSL3_AL_FATAL;
  if ((where & SSL_CB_ALERT) == 0 || !is_fatal) return;
  auto* self = static_cast<TlsSession*>(SSL_get_ex_data(ssl, session_index()));
  if (self->alert_ >= 0) return;  // the first one tells the cause
  self->alert_ = static_cast<int16_t>(value & kNumberMask);
  self->alert_received_ = (where & SSL_CB_READ) != 0;
}

bool TlsSession::expect_host(const char* host) noexcept {
  X509_VERIFY_PARAM* param = SSL_get0_param(ssl_);
  const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1;
  bool set = is_address;
  if (!is_address) {
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    set = SSL_set1_host(ssl_, host) == 1 &&
          SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                   const_cast<char*>(host)) == 1;
    if (set) offer_session(ssl_, host);
  }
  ERR_clear_error();
  return set;
}

TlsSession::Progress TlsSession::handshake() noexcept {
  if (started_ns_ == 0) started_ns_ = monotonic_ns();
  forget_old_errors();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) {
    handshake_done_ = true;
    const uint64_t elapsed_us = (monotonic_ns() - started_ns_) / 1000;
    handshake_us_ = static_cast<uint32_t>(std::min<uint64_t>(elapsed_us, UINT32_MAX));
    return Progress::kDone;
  }
  if (wants_more(ssl_, result)) return Progress::kMore;
  note_failure(ERR_peek_error());
  return Progress::kFailed;
}

TlsSession::Opened TlsSession::open(std::span<uint8_t> room) noexcept {
  size_t bytes = 0;
  size_t opened = 0;
  forget_old_errors();
  while (SSL_read_ex(ssl_, room.data() + bytes, room.size() - bytes, &opened) == 1) {
    bytes += opened;
    // Another call would only say that there is no more, and take and give back a buffer for it.
    if (engine_->input_is_empty() && SSL_pending(ssl_) == 0) return {bytes, Opening::kMore};
  }
  return opened_all(bytes);
}

TlsSession::Opened TlsSession::open_some(std::span<uint8_t> room) noexcept {
  size_t opened = 0;
  forget_old_errors();
  if (SSL_read_ex(ssl_, room.data(), room.size(), &opened) == 1) return {opened, Opening::kMore};
  return opened_all(0);
}

// After a read that gave nothing more: why.
TlsSession::Opened TlsSession::opened_all(size_t bytes) noexcept {
  if (wants_more(ssl_, 0)) return {bytes, Opening::kMore};
  const bool was_told_goodbye = (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0 && alert_ < 0;
  if (was_told_goodbye) {
    engine_->clear_input();
    return {bytes, Opening::kEnded};
  }
  note_failure(ERR_peek_last_error());
  return {bytes, Opening::kFailed};
}

bool TlsSession::seal(ByteView plain) noexcept {
  while (!plain.empty()) {
    size_t sealed = 0;
    if (SSL_write_ex(ssl_, plain.data(), plain.size(), &sealed) != 1) {
      note_failure(ERR_peek_last_error());
      return false;
    }
    plain = plain.subspan(sealed);
  }
  return true;
}

bool TlsSession::close_notify() noexcept {
  if (!handshake_done_ || notified_ || failed_) return false;
  notified_ = true;
  const bool sealed = SSL_shutdown(ssl_) >= 0;
  ERR_clear_error();
  return sealed;
}

void TlsSession::note_failure(unsigned long error) noexcept {
  failed_ = true;
  engine_->clear_input();
  try {
    failure_ =
        std::make_unique<TlsFailure>(describe_failure(*ssl_, error, {alert_, alert_received_}));
  } catch (const std::bad_alloc&) {
    failure_ = nullptr;
  }
  ERR_clear_error();
}

void TlsSession::set_failure(Status status, const char* detail) noexcept {
  try {
    failure_ = std::make_unique<TlsFailure>(TlsFailure{status, -1, detail});
  } catch (const std::bad_alloc&) {
    failure_ = nullptr;
  }
}

}  // namespace tcpkit
