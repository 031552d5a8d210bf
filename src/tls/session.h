// One TLS session: sealed bytes in, plain bytes out, and the other way round, through the engine of
// its loop. Knows no socket and no connection.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "tls/failure.h"

struct ssl_st;

namespace tcpkit {

class TlsEngine;

// Facts as texts, made when somebody asks.
struct TlsFacts {
  std::string alpn;
  std::string peer_subject;
  std::string peer_names;
  uint8_t peer_sha256[32] = {};
  std::vector<std::string> peer_chain;  // each certificate in DER
};

// Home thread: that of its loop. Every call leaves what it sealed in the engine's output.
class TlsSession {
 public:
  // Takes over ssl, which came from TlsCredentials::new_ssl(); it must not be null.
  TlsSession(TlsEngine& engine, ssl_st* ssl) noexcept;
  TlsSession(const TlsSession&) = delete;
  TlsSession& operator=(const TlsSession&) = delete;
  ~TlsSession() { end(); }
  // Frees all but the failure; nothing but failure() and native() may be asked afterwards.
  void end() noexcept;

  // Goes over to another engine; this one's has to be empty.
  void use_engine(TlsEngine& engine) noexcept;
  TlsEngine& engine() noexcept { return *engine_; }

  // For a client: the name or IP address that the peer's certificate has to be for, and what is
  // sent as SNI. False: it cannot be one, or memory ran out.
  bool expect_host(const char* host) noexcept;

  enum class Progress : uint8_t { kDone, kMore, kFailed };
  // Goes on with the handshake by what is in the engine's input. kDone leaves what comes behind it.
  Progress handshake() noexcept;
  bool handshake_done() const noexcept { return handshake_done_; }

  // What open() came to after the bytes that it gives.
  enum class Opening : uint8_t { kMore, kEnded, kFailed };  // kEnded: close_notify
  struct Opened {
    size_t bytes;
    Opening then;
  };
  // Opens all of the engine's input. room has to be at least as large as that and a record more.
  Opened open(std::span<uint8_t> room) noexcept;

  // Opens at most room.size() bytes, of one record; what is left stays in the engine and here. No
  // bytes and kMore: the engine's input is used up.
  Opened open_some(std::span<uint8_t> room) noexcept;

  // Seals all of plain, at most TlsEngine::kMostPlainBytes. False: the session has failed.
  bool seal(ByteView plain) noexcept;

  // Seals close_notify, once. False: there is nothing to be said, or it was said.
  bool close_notify() noexcept;

  // After kFailed or a false of seal(); null if there is none, or no memory for it.
  const TlsFailure* failure() const noexcept { return failure_.get(); }
  // For what others found wrong with the stream.
  void set_failure(Status status, const char* detail) noexcept;

  // Facts, once the handshake is done. info gets pointers that live as long as this session; false
  // if memory ran out.
  bool tell(tcpkit_tls_info& info) noexcept;
  bool resumed() const noexcept;
  // DER of certificate number index of the peer's chain; empty if there is none.
  ByteView peer_certificate(size_t index) noexcept;
  ssl_st* native() const noexcept { return ssl_; }  // null after end()

 private:
  Opened opened_all(size_t bytes) noexcept;
  static void on_ssl_info(const ssl_st* ssl, int where, int value) noexcept;
  void note_failure(unsigned long error) noexcept;
  const TlsFacts* facts() noexcept;

  TlsEngine* engine_;
  ssl_st* ssl_;
  uint64_t started_ns_ = 0;
  uint32_t handshake_us_ = 0;
  int16_t alert_ = -1;
  bool alert_received_ = false;
  bool handshake_done_ = false;
  bool notified_ = false;
  bool failed_ = false;
  std::unique_ptr<TlsFailure> failure_;
  std::unique_ptr<TlsFacts> facts_;
};

}  // namespace tcpkit
