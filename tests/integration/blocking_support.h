// Blocking calls as tests write them.
#pragma once

#include <string>
#include <string_view>

#include "server_fixture.h"

namespace testkit {

struct ReadResult {
  tcpkit_status status;
  std::string bytes;
};

inline ReadResult read_some(tcpkit_conn* conn, size_t most = size_t{64} << 10) {
  std::string bytes(most, '\0');
  size_t size = 0;
  const tcpkit_status status = tcpkit_conn_read(conn, bytes.data(), bytes.size(), &size);
  bytes.resize(size);
  return {status, bytes};
}

inline ReadResult read_exactly(tcpkit_conn* conn, size_t size) {
  std::string bytes(size, '\0');
  const tcpkit_status status = tcpkit_conn_read_exactly(conn, bytes.data(), bytes.size());
  if (status != TCPKIT_OK) bytes.clear();
  return {status, bytes};
}

inline ReadResult packet_result(tcpkit_status status, const uint8_t* packet, size_t size) {
  if (status != TCPKIT_OK) return {status, {}};
  return {status, std::string(reinterpret_cast<const char*>(packet), size)};
}

inline ReadResult read_packet(tcpkit_conn* conn) {
  const uint8_t* packet = nullptr;
  size_t size = 0;
  const tcpkit_status status = tcpkit_conn_read_packet(conn, &packet, &size);
  return packet_result(status, packet, size);
}

inline ReadResult read_prefixed(tcpkit_conn* conn, const tcpkit_length_prefix* prefix = nullptr) {
  const uint8_t* packet = nullptr;
  size_t size = 0;
  const tcpkit_status status = tcpkit_conn_read_length_prefixed(conn, prefix, &packet, &size);
  return packet_result(status, packet, size);
}

inline ReadResult read_separated(tcpkit_conn* conn, std::string_view separator,
                                 size_t max_size = 0) {
  const uint8_t* packet = nullptr;
  size_t size = 0;
  const tcpkit_status status = tcpkit_conn_read_separated(
      conn, {separator.data(), separator.size()}, max_size, &packet, &size);
  return packet_result(status, packet, size);
}

inline tcpkit_status write_text(tcpkit_conn* conn, std::string_view text) {
  return tcpkit_conn_write(conn, text.data(), text.size());
}

inline tcpkit_status write_packet(tcpkit_conn* conn, std::string_view packet) {
  return tcpkit_conn_write_packet(conn, packet.data(), packet.size());
}

inline void echo_bytes(tcpkit_conn* conn) {
  for (;;) {
    const ReadResult read = read_some(conn);
    if (read.status != TCPKIT_OK || write_text(conn, read.bytes) != TCPKIT_OK) return;
  }
}

inline void echo_packets(tcpkit_conn* conn) {
  for (;;) {
    const ReadResult read = read_packet(conn);
    if (read.status != TCPKIT_OK || write_packet(conn, read.bytes) != TCPKIT_OK) return;
  }
}

// What a handler came to, for a test that waits for it.
class Outcome {
 public:
  void set(tcpkit_status status) { set({status, {}}); }
  void set(ReadResult result) {
    result_ = std::move(result);
    event_.set();
  }
  ReadResult wait() const {
    EXPECT_TRUE(event_.wait());
    return result_;
  }
  tcpkit_status status() const { return wait().status; }

 private:
  Event event_;
  ReadResult result_{TCPKIT_E_INTERNAL, {}};
};

}  // namespace testkit
