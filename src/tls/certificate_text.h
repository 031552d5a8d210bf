// Certificates as text for messages: subjects, alternative names, the end of their time.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tls/openssl_ptr.h"

namespace tcpkit {

// "CN=a.example,O=Example".
std::string subject_of(const X509* certificate);

// Host names among the subject alternative names, in lower case.
std::vector<std::string> dns_names_of(X509* certificate);

// Seconds since 1970.
int64_t not_after_of(const X509* certificate);

}  // namespace tcpkit
