// TLS of the program: what the user wrote becomes credentials, with the files beside them.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "console.h"
#include "flag_set.h"
#include "key_log.h"
#include "tls_watch.h"

namespace tcpkit::cli {

// Must live longer than the server or client that uses its credentials: they call back into it.
class TlsSetup {
 public:
  explicit TlsSetup(Console& console) : console_(console) {}
  TlsSetup(const TlsSetup&) = delete;
  TlsSetup& operator=(const TlsSetup&) = delete;

  // Loads what was asked for, and prints what cannot be used.
  ExitStatus load(const TlsArguments& arguments);
  // The same for a client, which needs no certificate.
  ExitStatus load_for_client(const TlsArguments& arguments);
  // NULL: connections are plain.
  tcpkit_tls* credentials() const { return tls_.get(); }
  // Watches the files, if that was asked for.
  void start_watching(tcpkit_loop* loop);

 private:
  struct Free {
    void operator()(tcpkit_tls* tls) const { tcpkit_tls_free(tls); }
  };

  ExitStatus take_program_options(const TlsArguments& arguments);
  ExitStatus create(const TlsArguments& arguments);
  static size_t write_passphrase(const char* key_file, char* buffer, size_t buffer_size,
                                 void* setup);

  Console& console_;
  std::string passphrase_file_;
  std::unique_ptr<KeyLog> key_log_;
  std::optional<TlsWatch> watch_;
  std::unique_ptr<tcpkit_tls, Free> tls_;
};

}  // namespace tcpkit::cli
