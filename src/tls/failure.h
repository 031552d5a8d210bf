// Why a TLS session failed, in our statuses and in words.
#pragma once

#include <string>

#include "base/status.h"

struct ssl_st;

namespace tcpkit {

struct TlsFailure {
  Status status = TCPKIT_E_TLS;
  int alert = -1;  // -1: none
  std::string detail;
};

// The first alert of a session; number -1: none.
struct TlsAlert {
  int number;
  bool received;
};

// error is of OpenSSL's queue; 0: there was none.
TlsFailure describe_failure(const ssl_st& ssl, unsigned long error, TlsAlert alert);

// "alert 48: unknown CA (received)"
std::string alert_text(TlsAlert alert);

}  // namespace tcpkit
