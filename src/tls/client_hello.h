// The host name in a client hello that OpenSSL has not taken apart yet.
#pragma once

#include <string>

#include "base/bytes.h"
#include "tls/openssl_ptr.h"

namespace tcpkit {

// The host name in the server_name extension (RFC 6066, 3); "" if there is none or it is malformed,
// which OpenSSL finds out and refuses later.
std::string parse_server_name(ByteView extension);

// The same for the client hello of a handshake, inside its callback.
std::string server_name_of(SSL* ssl);

}  // namespace tcpkit
