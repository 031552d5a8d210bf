// The callbacks of contexts. Each finds its generation by the SSL it is called for: a context may
// be in use longer than the credentials have it.
#include "tls/ssl_callbacks.h"

#include <openssl/core_names.h>
#include <openssl/rand.h>
#include <openssl/tls1.h>

#include <cstring>
#include <span>
#include <string>

#include "base/clock.h"
#include "tls/client_hello.h"
#include "tls/credentials.h"
#include "tls/generation.h"

namespace tcpkit {
namespace {

// A place in each SSL that gives its generation back in SSL_free.
int new_slot() noexcept {
  return SSL_get_ex_new_index(0, nullptr, nullptr, nullptr,
                              [](void*, void* generation, CRYPTO_EX_DATA*, int, long, void*) {
                                if (generation == nullptr) return;
                                static_cast<TlsGeneration*>(generation)->release();
                              });
}

// Of the generation that the SSL was made from. Its context stays the one of sessions and tickets.
int home_slot() noexcept {
  static const int slot = new_slot();
  return slot;
}

// Of the generation whose certificates are shown: set by the client hello, once.
int serving_slot() noexcept {
  static const int slot = new_slot();
  return slot;
}

bool keep_in_slot(SSL* ssl, int slot, TlsGeneration& generation) noexcept {
  generation.retain();
  if (SSL_set_ex_data(ssl, slot, &generation) == 1) return true;
  generation.release();
  return false;
}

TlsGeneration& home_of(const SSL* ssl) noexcept {
  return *static_cast<TlsGeneration*>(SSL_get_ex_data(ssl, home_slot()));
}

TlsGeneration& serving_of(const SSL* ssl) noexcept {
  void* serving = SSL_get_ex_data(ssl, serving_slot());
  return serving == nullptr ? home_of(ssl) : *static_cast<TlsGeneration*>(serving);
}

// ---- Host name ----

// What SSL_set_SSL_CTX leaves as the context before had it.
bool take_over_settings(SSL* ssl, SSL_CTX* before, SSL_CTX* now, const TlsSettings& settings) {
  SSL_set_verify(ssl, SSL_CTX_get_verify_mode(now), nullptr);
  SSL_clear_options(ssl, SSL_CTX_get_options(before));
  SSL_set_options(ssl, SSL_CTX_get_options(now));
  return SSL_set1_param(ssl, SSL_CTX_get0_param(now)) == 1 &&
         SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(now)) == 1 &&
         SSL_set_min_proto_version(ssl, settings.min_version) == 1 &&
         SSL_set_max_proto_version(ssl, settings.max_version) == 1 &&
         SSL_set1_groups_list(ssl, settings.groups.c_str()) == 1;
}

// The credentials that the user's callback chooses, else those that the SSL was made from.
Ref<TlsGeneration> choose_generation(TlsGeneration& home, const std::string& server_name) {
  const TlsSettings& settings = home.settings();
  if (settings.choose != nullptr) {
    tcpkit_tls* chosen = settings.choose(server_name.c_str(), settings.user_data.get());
    if (chosen != nullptr) return TlsCredentials::from_handle(chosen)->current();
  }
  return Ref<TlsGeneration>::share(&home);
}

bool serve_name(SSL* ssl, const std::string& server_name) {
  TlsGeneration& home = home_of(ssl);
  const Ref<TlsGeneration> serving = choose_generation(home, server_name);
  SSL_CTX* before = SSL_get_SSL_CTX(ssl);
  SSL_CTX* context = serving->context_for(server_name);
  if (context == nullptr || !keep_in_slot(ssl, serving_slot(), *serving)) return false;
  if (context == before) return true;
  // Before, since the context is freed with its last user.
  if (serving.get() != &home && !take_over_settings(ssl, before, context, serving->settings())) {
    return false;
  }
  return SSL_set_SSL_CTX(ssl, context) != nullptr;
}

// Before anything is done with the client hello, so that a session is looked for under the trust of
// the credentials that serve, and their versions count. Called again for a second hello.
int on_client_hello(SSL* ssl, int* alert, void* /*argument*/) noexcept {
  if (SSL_get_ex_data(ssl, serving_slot()) != nullptr) return SSL_CLIENT_HELLO_SUCCESS;
  try {
    if (serve_name(ssl, server_name_of(ssl))) return SSL_CLIENT_HELLO_SUCCESS;
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  } catch (...) {
    *alert = SSL_AD_INTERNAL_ERROR;
    return SSL_CLIENT_HELLO_ERROR;
  }
}

// Tells the client that its name was looked at, and lets the session keep it (TLS 1.2).
int on_server_name(SSL* ssl, int* /*alert*/, void* /*argument*/) noexcept {
  const bool is_named = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) != nullptr;
  return is_named ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

// ---- Protocols ----

// RFC 7301, 3.2: no protocol in common ends the handshake.
int choose_protocol(SSL* ssl, ByteView offered, const unsigned char** out,
                    unsigned char* out_size) noexcept {
  const std::vector<uint8_t>& ours = serving_of(ssl).settings().alpn;
  unsigned char* chosen = nullptr;
  const int outcome =
      SSL_select_next_proto(&chosen, out_size, ours.data(), static_cast<unsigned>(ours.size()),
                            offered.data(), static_cast<unsigned>(offered.size()));
  if (outcome != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_ALERT_FATAL;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

void set_protocols_callback(SSL_CTX* context) noexcept {
  SSL_CTX_set_alpn_select_cb(
      context,
      [](SSL* ssl, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
         unsigned offered_size, void*) noexcept {
        return choose_protocol(ssl, {offered, offered_size}, out, out_size);
      },
      nullptr);
}

// ---- Responses ----

int on_status_request(SSL* ssl, void* /*argument*/) noexcept {
  const StapledResponse* response = serving_of(ssl).response_of(SSL_get_certificate(ssl));
  const auto now = static_cast<int64_t>(wall_ms() / 1000);
  if (response == nullptr || !response->is_valid_at(now)) return SSL_TLSEXT_ERR_NOACK;
  void* copy = OPENSSL_memdup(response->der.data(), response->der.size());
  if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
  SSL_set_tlsext_status_ocsp_resp(ssl, copy, static_cast<long>(response->der.size()));
  return SSL_TLSEXT_ERR_OK;
}

// ---- Tickets ----

bool set_mac_key(EVP_MAC_CTX* mac, const TicketKey& key) noexcept {
  char digest[] = "SHA256";
  auto* secret = const_cast<uint8_t*>(key.mac_key.data());
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, secret, key.mac_key.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_end()};
  return EVP_MAC_CTX_set_params(mac, parameters) == 1;
}

constexpr int kTicketError = -1;
constexpr int kTicketUnknown = 0;
constexpr int kTicketTaken = 1;
constexpr int kTicketTakenAndRenewed = 2;

// The fields of a ticket: set for one that is sealed, given for one that is opened.
struct TicketFields {
  std::span<unsigned char> name;
  std::span<unsigned char> iv;
  EVP_CIPHER_CTX* cipher;
  EVP_MAC_CTX* mac;
};

int seal_ticket(TicketKeys& keys, const TicketFields& ticket) {
  const TicketKeys::KeyRef key = keys.current();
  if (!key || RAND_bytes(ticket.iv.data(), static_cast<int>(ticket.iv.size())) != 1) {
    return kTicketError;
  }
  std::memcpy(ticket.name.data(), key->name.data(), key->name.size());
  const bool ready = EVP_EncryptInit_ex(ticket.cipher, EVP_aes_256_cbc(), nullptr,
                                        key->aes_key.data(), ticket.iv.data()) == 1 &&
                     set_mac_key(ticket.mac, *key);
  return ready ? kTicketTaken : kTicketError;
}

// A ticket of TLS 1.3 is for one use: clients that keep to that need the next one.
int open_ticket(TicketKeys& keys, const TicketFields& ticket, int version) {
  const TicketKeys::Found found = keys.find(ticket.name.data());
  if (!found.key) return kTicketUnknown;
  const bool ready = EVP_DecryptInit_ex(ticket.cipher, EVP_aes_256_cbc(), nullptr,
                                        found.key->aes_key.data(), ticket.iv.data()) == 1 &&
                     set_mac_key(ticket.mac, *found.key);
  if (!ready) return kTicketError;
  const bool renews = !found.is_current || version >= TLS1_3_VERSION;
  return renews ? kTicketTakenAndRenewed : kTicketTaken;
}

void set_ticket_callback(SSL_CTX* context) noexcept {
  SSL_CTX_set_tlsext_ticket_key_evp_cb(context, [](SSL* ssl, unsigned char* name, unsigned char* iv,
                                                   EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac,
                                                   int seals) noexcept {
    TicketKeys& keys = home_of(ssl).ticket_keys();
    const TicketFields ticket{std::span(name, TicketKey::kNameBytes),
                              std::span(iv, EVP_MAX_IV_LENGTH), cipher, mac};
    try {
      return seals == 0 ? open_ticket(keys, ticket, SSL_version(ssl)) : seal_ticket(keys, ticket);
    } catch (...) {
      return kTicketError;
    }
  });
}

// ---- Key log ----

void on_key_line(const SSL* ssl, const char* line) noexcept {
  const TlsSettings& settings = serving_of(ssl).settings();
  if (settings.on_key_log == nullptr) return;
  try {
    settings.on_key_log(line, settings.user_data.get());
  } catch (...) {
    // There is nobody to tell.
    return;
  }
}

void set_key_log(const TlsSettings& settings, SSL_CTX* context) noexcept {
  if (settings.on_key_log != nullptr) SSL_CTX_set_keylog_callback(context, on_key_line);
}

// ---- Sessions of clients ----

// 1: the session is ours now. With TLS 1.3 it comes after the handshake, when a ticket is read.
int on_new_session(SSL* ssl, SSL_SESSION* session) noexcept {
  const char* host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
  if (host == nullptr) return 0;
  SSL_SESSION_up_ref(session);
  SessionPtr kept(session);
  try {
    home_of(ssl).client_sessions().keep(host, std::move(kept));
  } catch (...) {
    return 0;
  }
  SSL_SESSION_free(session);  // the reference that 1 takes over
  return 1;
}

// The macros of OpenSSL for these callbacks are casts of C.
template <typename Callback>
void set_callback(SSL_CTX* context, int kind, Callback* callback) noexcept {
  SSL_CTX_callback_ctrl(context, kind, reinterpret_cast<void (*)()>(callback));
}

}  // namespace

void set_client_callbacks(const TlsSettings& settings, SSL_CTX* context) {
  set_key_log(settings, context);
  const bool resumes = settings.resumption != TCPKIT_TLS_RESUMPTION_OFF;
  if (resumes) SSL_CTX_sess_set_new_cb(context, on_new_session);
}

void set_server_callbacks(const TlsSettings& settings, SSL_CTX* context) {
  set_key_log(settings, context);
  SSL_CTX_set_client_hello_cb(context, on_client_hello, nullptr);
  set_callback(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB, on_server_name);
  set_callback(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB, on_status_request);
  set_ticket_callback(context);
  if (!settings.alpn.empty()) set_protocols_callback(context);
}

void offer_session(SSL* ssl, const char* host) noexcept {
  const SessionPtr session = home_of(ssl).client_sessions().take(host);
  if (session) SSL_set_session(ssl, session.get());
}

bool bind_generation(SSL* ssl, TlsGeneration& generation) noexcept {
  return home_slot() >= 0 && serving_slot() >= 0 && keep_in_slot(ssl, home_slot(), generation);
}

}  // namespace tcpkit
