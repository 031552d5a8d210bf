// PROXY headers byte by byte, and servers that take them.
#pragma once

#include <cstring>
#include <set>
#include <stdexcept>
#include <string>
#include <tuple>

#include "server_fixture.h"

namespace testkit {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline constexpr milliseconds kShort{60};
inline constexpr milliseconds kSeveralTimesShort{200};
inline constexpr uint64_t kLong = 15'000;  // a deadline that no test reaches

inline constexpr const char* kSourceV4 = "192.0.2.7:5000";
inline constexpr const char* kSourceV6 = "[2001:db8::7]:5000";
inline constexpr const char* kSourcePath = "/run/source.sock";
inline constexpr const char* kLineV4 = "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n";
inline constexpr const char* kLineV6 = "PROXY TCP6 2001:db8::7 2001:db8::1 5000 443\r\n";
inline constexpr const char* kPayload = "first\nsecond\n";

// ---- Headers ----

inline std::string u16(size_t value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

inline constexpr char kLocal = 0x20;
inline constexpr char kProxy = 0x21;
inline constexpr char kTcp4 = 0x11;
inline constexpr char kTcp6 = 0x21;
inline constexpr char kUnixStream = 0x31;

inline std::string v2(char command, char family, const std::string& rest) {
  return std::string("\r\n\r\n\0\r\nQUIT\n", 12) + command + family + u16(rest.size()) + rest;
}

inline std::string tlv(uint8_t type, const std::string& value) {
  return static_cast<char>(type) + u16(value.size()) + value;
}

inline std::string v2_ipv4(const std::string& tlvs = "", size_t port = 5000) {
  const std::string ips("\xC0\x00\x02\x07\xC6\x33\x64\x01", 8);
  return v2(kProxy, kTcp4, ips + u16(port) + u16(443) + tlvs);
}

inline std::string v2_ipv6() {
  std::string ips(32, '\0');
  for (const size_t at : {size_t{0}, size_t{16}}) ips.replace(at, 4, "\x20\x01\x0d\xb8");
  ips[15] = 7;
  ips[31] = 1;
  return v2(kProxy, kTcp6, ips + u16(5000) + u16(443));
}

inline std::string v2_unix() {
  std::string source = kSourcePath;
  std::string destination = "/run/destination.sock";
  source.resize(108);
  destination.resize(108);
  return v2(kProxy, kUnixStream, source + destination);
}

// As long as a header may be: 4112 bytes.
inline std::string v2_longest() {
  return v2_ipv4(tlv(0xE0, numbers(4096 - 12 - 3)));
}

// ---- Servers ----

inline tcpkit_server_options with_proxy(tcpkit_proxy_protocol mode, bool framed_lines = false) {
  tcpkit_server_options options = with_loops(1);
  if (framed_lines) options.framing = tcpkit_framing_separator("\n", 1);
  options.proxy_protocol = mode;
  options.proxy_trusted = "127.0.0.1";
  return options;
}

inline tcpkit_server_options required() {
  return with_proxy(TCPKIT_PROXY_REQUIRED);
}

inline tcpkit_server_options optional() {
  return with_proxy(TCPKIT_PROXY_OPTIONAL);
}

inline tcpkit_server_options trusting_others(tcpkit_proxy_protocol mode) {
  tcpkit_server_options options = with_proxy(mode);
  options.proxy_trusted = "192.0.2.0/24,::1,unix";
  return options;
}

using AddressFn = size_t (*)(const tcpkit_conn*, char*, size_t);

inline std::string address_text(const tcpkit_conn* conn, AddressFn address) {
  char text[300] = "";
  const size_t size = address(conn, text, sizeof text);
  EXPECT_EQ(size, std::strlen(text));
  return text;
}

inline std::string remote_of(const tcpkit_conn* conn) {
  return address_text(conn, tcpkit_conn_remote_address);
}

inline std::string proxy_of(const tcpkit_conn* conn) {
  return address_text(conn, tcpkit_conn_proxy_address);
}

inline std::string own_address(const RawClient& client) {
  sockaddr_in own{};
  socklen_t size = sizeof own;
  getsockname(client.fd(), reinterpret_cast<sockaddr*>(&own), &size);
  char ip[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &own.sin_addr, ip, sizeof ip);
  return std::string(ip) + ":" + std::to_string(ntohs(own.sin_port));
}

// Waits until the server has a connection, of which the user knows nothing yet.
inline void wait_unannounced(const TestServer& server, size_t bytes_read = 0) {
  ASSERT_TRUE(server.wait_until([&] {
    const tcpkit_metrics metrics = server.metrics();
    return metrics.accepted >= 1 && metrics.total_read >= bytes_read;
  }));
  ASSERT_TRUE(server.settle());
  EXPECT_EQ(0u, server.open_count());
}

// The connection ended so, the user was told nothing but that, and the header was counted.
inline void expect_failed(const TestServer& server, tcpkit_close_reason reason,
                          tcpkit_status status) {
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(reason, info.reason) << tcpkit_close_reason_name(info.reason);
  EXPECT_EQ(status, info.status) << tcpkit_status_name(info.status);
  EXPECT_EQ(0u, server.open_count());
  EXPECT_EQ(1u, server.closes().size());
  EXPECT_EQ(0u, server.metrics().proxy_headers);
  EXPECT_EQ(1u, server.metrics().proxy_errors);
}

inline void expect_bad_header(const TestServer& server) {
  expect_failed(server, TCPKIT_CLOSE_PROXY_ERROR, TCPKIT_E_BAD_PROXY_HEADER);
}

inline void expect_payload(const TestServer& server, bool framed_lines) {
  if (framed_lines) {
    ASSERT_TRUE(server.wait_packets(2));
    EXPECT_EQ((std::vector<std::string>{"first", "second"}), server.packet_texts());
  } else {
    ASSERT_TRUE(server.wait_data(std::strlen(kPayload)));
    EXPECT_EQ(kPayload, server.data_of(server.opened_id(0)));
  }
}

}  // namespace testkit
