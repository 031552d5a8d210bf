// What OpenSSL asks back during handshakes: the host name, protocols, tickets, responses, key logs.
#pragma once

#include "tls/openssl_ptr.h"
#include "tls/tls_settings.h"

namespace tcpkit {

class TlsGeneration;

void set_server_callbacks(const TlsSettings& settings, SSL_CTX* context);
void set_client_callbacks(const TlsSettings& settings, SSL_CTX* context);

// A client that wants to resume the last session with that host, if there is one.
void offer_session(SSL* ssl, const char* host) noexcept;

// Keeps the generation that an SSL was made from until SSL_free; false if memory ran out.
bool bind_generation(SSL* ssl, TlsGeneration& generation) noexcept;

}  // namespace tcpkit
