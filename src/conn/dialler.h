// Who has dialled the connections of a host, seen from the connections: what they begin with, and
// whom they tell what becomes of them.
#pragma once

#include "base/bytes.h"
#include "tcpkit.h"

namespace tcpkit {

// Home thread: that of the loop. One connection at a time.
class Dialler {
 public:
  // What is sent in clear before everything else; empty: nothing.
  virtual ByteView proxy_header() const noexcept = 0;
  // Whom the certificate of the peer has to be for; null: anybody.
  virtual const char* server_name() const noexcept = 0;
  // Right before on_open.
  virtual void conn_opened() noexcept = 0;
  // Right after on_open.
  virtual void conn_announced() noexcept = 0;
  // It ended before on_open: nothing of the user's is called for it. info is borrowed.
  virtual void conn_failed(const tcpkit_close_info& info) noexcept = 0;
  // Right before its close handlers and on_close.
  virtual void conn_ending() noexcept = 0;
  // Right after those.
  virtual void conn_ended(const tcpkit_close_info& info) noexcept = 0;
  // The last call for this connection, which is off all counts now.
  virtual void conn_gone() noexcept = 0;

 protected:
  ~Dialler() = default;
};

}  // namespace tcpkit
