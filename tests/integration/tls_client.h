// A client that speaks TLS without the library: OpenSSL on memory BIOs over a RawClient, so that a
// test holds every byte in its hands.
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "server_fixture.h"
#include "unit/tls/test_certificates.h"

namespace testkit {

struct SslContextFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};
using SslContext = std::unique_ptr<SSL_CTX, SslContextFree>;
struct SslFree {
  void operator()(SSL* ssl) const { SSL_free(ssl); }
};
struct SessionFree {
  void operator()(SSL_SESSION* session) const { SSL_SESSION_free(session); }
};
using SessionOwner = std::unique_ptr<SSL_SESSION, SessionFree>;

// One that trusts anybody.
inline SslContext client_context(int version = 0) {
  SslContext context(SSL_CTX_new(TLS_client_method()));
  if (version != 0) {
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
  }
  return context;
}

class TlsClient {
 public:
  explicit TlsClient(RawClient raw, SSL_CTX* context)
      : raw_(std::move(raw)), ssl_(SSL_new(context)) {
    prepare();
    SSL_set_connect_state(ssl_.get());
  }
  explicit TlsClient(const TestServer& server, int version = 0)
      : TlsClient(server.connect(), client_context(version).get()) {}
  // The other side of the handshake, for servers whose connections are clients of TLS.
  static TlsClient as_server(RawClient raw, SSL_CTX* context) {
    TlsClient made(std::move(raw), context);
    SSL_set_accept_state(made.ssl_.get());
    return made;
  }

  SSL* ssl() const { return ssl_.get(); }
  RawClient& raw() { return raw_; }

  void ask_for(std::string host) {
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, host.data());
  }
  // False: it failed, or the stream ended.
  bool handshake() {
    for (;;) {
      ERR_clear_error();
      const int result = SSL_do_handshake(ssl_.get());
      push();
      if (result == 1) return true;
      if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ || !pull()) return false;
    }
  }
  // One step of it, on what comes next.
  bool pull_and_step() {
    if (!pull()) return false;
    SSL_do_handshake(ssl_.get());
    if (!SSL_is_init_finished(ssl_.get())) push();
    return true;
  }
  // What comes next of it from us, not sent; "" if the stream ended.
  std::string next_flight() {
    SSL_do_handshake(ssl_.get());
    while (BIO_ctrl_pending(out_) == 0 && pull()) SSL_do_handshake(ssl_.get());
    return take_sealed();
  }
  void send(std::string_view bytes) {
    seal(bytes);
    push();
  }
  // Without sending it.
  void seal(std::string_view bytes) {
    ERR_clear_error();
    EXPECT_EQ(SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size())),
              static_cast<int>(bytes.size()));
  }
  std::string take_sealed() {
    std::string bytes(BIO_ctrl_pending(out_), '\0');
    BIO_read(out_, bytes.data(), static_cast<int>(bytes.size()));
    return bytes;
  }
  void push() {
    const std::string bytes = take_sealed();
    if (!bytes.empty()) (void)raw_.try_send(bytes);
  }
  // Exactly size bytes; fewer if the stream ended before.
  std::string receive(size_t size) {
    std::string received;
    while (received.size() < size && receive_some(received, size - received.size())) {
    }
    return received;
  }
  std::string receive_all() {
    std::string received;
    while (receive_some(received, size_t{1} << 16)) {
    }
    return received;
  }
  // After the end: whether it came with close_notify.
  bool was_told_goodbye() const {
    return (SSL_get_shutdown(ssl_.get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  void say_goodbye() {
    SSL_shutdown(ssl_.get());
    push();
  }
  // After the first bytes that follow the handshake.
  SessionOwner session() const { return SessionOwner(SSL_get1_session(ssl_.get())); }

 private:
  void prepare() {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(in_, -1);
    BIO_set_mem_eof_return(out_, -1);
    SSL_set_bio(ssl_.get(), in_, out_);
    SSL_set_mode(ssl_.get(), SSL_MODE_AUTO_RETRY);
  }
  bool pull() {
    const std::string bytes = raw_.receive_once();
    if (bytes.empty()) return false;
    BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
    return true;
  }
  bool receive_some(std::string& received, size_t most) {
    std::string chunk(most, '\0');
    for (;;) {
      ERR_clear_error();
      const int result = SSL_read(ssl_.get(), chunk.data(), static_cast<int>(most));
      push();
      if (result > 0) {
        received.append(chunk, 0, static_cast<size_t>(result));
        return true;
      }
      if (SSL_get_error(ssl_.get(), result) != SSL_ERROR_WANT_READ || !pull()) return false;
    }
  }

  RawClient raw_;
  std::unique_ptr<SSL, SslFree> ssl_;
  BIO* in_ = nullptr;   // of ssl_
  BIO* out_ = nullptr;  // of ssl_
};

struct TlsFree {
  void operator()(tcpkit_tls* tls) const { tcpkit_tls_free(tls); }
};
using TlsOwner = std::unique_ptr<tcpkit_tls, TlsFree>;

inline TlsOwner make_tls(const tcpkit_tls_options& options) {
  tcpkit_tls* tls = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_tls_create(&options, &tls)) << TestServer::last_error();
  return TlsOwner(tls);
}

// Self-signed for localhost.
inline TlsOwner simple_tls() {
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.self_signed = "localhost,127.0.0.1";
  return make_tls(options);
}

inline tcpkit_server_options with_tls(const TlsOwner& tls,
                                      tcpkit_server_options options = with_loops(1)) {
  options.tls = tls.get();
  return options;
}

}  // namespace testkit
