/* What the bare servers that speak TLS share: their context, and how they end without one. */
#pragma once

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "bare_common.h"

static inline void bare_die_of_tls(const char* what) {
  fprintf(stderr, "TLS: %s\n", what);
  ERR_print_errors_fp(stderr);
  exit(1);
}

/* TLS 1.3 with X25519 only, so that it is always the same that is measured. The rest of an answer
 * is written again from another place. */
static inline SSL_CTX* bare_tls_context(const bare_options* options) {
  SSL_CTX* context = SSL_CTX_new(TLS_server_method());
  if (context == NULL) bare_die_of_tls("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  if (SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1) {
    bare_die_of_tls("cipher suite");
  }
  if (SSL_CTX_set1_groups_list(context, "X25519") != 1) bare_die_of_tls("group");
  if (options->cert_file == NULL || options->key_file == NULL ||
      SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1 ||
      SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1) {
    bare_die_of_tls("--cert FILE --key FILE");
  }
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}
