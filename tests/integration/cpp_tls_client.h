// A blocking client that speaks TLS with OpenSSL over a cpp_support::Client.
#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "integration/cpp_support.h"
#include "unit/tls/test_certificates.h"

namespace cpp_support {

class TlsClient {
 public:
  // Takes any certificate; shows own, if that is given, to a server that asks.
  explicit TlsClient(const Client& client, const std::string& server_name = "localhost",
                     const tcpkit::test::Issued* own = nullptr)
      : context_(SSL_CTX_new(TLS_client_method())), ssl_(SSL_new(context_.get())) {
    SSL_set_fd(ssl_.get(), client.fd());
    SSL_ctrl(ssl_.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(server_name.c_str()));
    if (own == nullptr) return;
    SSL_use_certificate(ssl_.get(), own->certificate.get());
    SSL_use_PrivateKey(ssl_.get(), own->key.get());
  }

  // For before the handshake: one protocol of ALPN.
  void offer(const std::string& protocol) {
    const std::string list = static_cast<char>(protocol.size()) + protocol;
    SSL_set_alpn_protos(ssl_.get(), reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }

  bool handshake() { return SSL_connect(ssl_.get()) == 1; }
  bool send(std::string_view text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  // Exactly size bytes, or what came before the end of the stream or the deadline.
  std::string receive(std::size_t size) {
    std::string text(size, '\0');
    std::size_t filled = 0;
    while (filled < size) {
      const int got = SSL_read(ssl_.get(), text.data() + filled, static_cast<int>(size - filled));
      if (got <= 0) break;
      filled += static_cast<std::size_t>(got);
    }
    text.resize(filled);
    return text;
  }
  // Common name in the certificate of the server.
  std::string server_common_name() const {
    const tcpkit::X509Ptr certificate(SSL_get1_peer_certificate(ssl_.get()));
    if (!certificate) return "";
    char name[256] = "";
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                              sizeof name);
    return name;
  }

 private:
  struct FreeContext {
    void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  };
  struct FreeSsl {
    void operator()(SSL* ssl) const { SSL_free(ssl); }
  };

  std::unique_ptr<SSL_CTX, FreeContext> context_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
};

}  // namespace cpp_support
