// The text of addresses: what is taken, what is refused and why, and how peers are written.
#include "loop/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>

#include <cstring>
#include <string>

namespace tcpkit::test {
namespace {

struct ParsedRow {
  const char* text;
  tcpkit_network network;
  const char* host;
  uint32_t port;
};

constexpr ParsedRow kParsed[] = {
    {"tcp://127.0.0.1:7000", TCPKIT_NETWORK_TCP, "127.0.0.1", 7000},
    {"tcp://:0", TCPKIT_NETWORK_TCP, "", 0},
    {"tcp://localhost:65535", TCPKIT_NETWORK_TCP, "localhost", 65535},
    {"tcp://[::1]:80", TCPKIT_NETWORK_TCP, "::1", 80},
    {"tcp4://0.0.0.0:1", TCPKIT_NETWORK_TCP4, "0.0.0.0", 1},
    {"tcp6://[::]:0", TCPKIT_NETWORK_TCP6, "::", 0},
    {"tcp6://[fe80::1%lo]:5", TCPKIT_NETWORK_TCP6, "fe80::1%lo", 5},
    {"unix:///run/x.sock", TCPKIT_NETWORK_UNIX, "/run/x.sock", 0},
    {"unix://relative:7", TCPKIT_NETWORK_UNIX, "relative:7", 0},
    {"unix://@abstract", TCPKIT_NETWORK_UNIX, "@abstract", 0},
    {"fd://0", TCPKIT_NETWORK_FD, "", 0},
    {"fd://2147483647", TCPKIT_NETWORK_FD, "", 2147483647},
};

TEST(ParseAddress, TakesEveryKindOfAddress) {
  for (const ParsedRow& row : kParsed) {
    tcpkit_address address = TCPKIT_ADDRESS_INIT;
    EXPECT_EQ(parse_address(row.text, address), TCPKIT_OK) << row.text;
    EXPECT_EQ(address.network, row.network) << row.text;
    EXPECT_STREQ(address.host, row.host);
    EXPECT_EQ(address.port, row.port) << row.text;
  }
}

TEST(FormatAddress, WritesWhatWasParsed) {
  for (const ParsedRow& row : kParsed) {
    tcpkit_address address = TCPKIT_ADDRESS_INIT;
    ASSERT_EQ(parse_address(row.text, address), TCPKIT_OK);
    EXPECT_EQ(format_address(address), row.text);
  }
}

TEST(ParseAddress, TakesTheLongestHostAndPath) {
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  const std::string host(255, 'h');
  ASSERT_EQ(parse_address(("tcp://" + host + ":1").c_str(), address), TCPKIT_OK);
  EXPECT_EQ(address.host, host);
  const std::string path(107, 'p');
  ASSERT_EQ(parse_address(("unix://" + path).c_str(), address), TCPKIT_OK);
  EXPECT_EQ(address.host, path);
}

struct RefusedRow {
  std::string text;
  const char* named;  // part of the message
};

void expect_refused(const RefusedRow& row) {
  const std::string shown = row.text.substr(0, 80);
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  EXPECT_EQ(parse_address(row.text.c_str(), address), TCPKIT_E_BAD_ADDRESS) << shown;
  EXPECT_NE(std::string(last_error().message).find(row.named), std::string::npos)
      << shown << ": " << last_error().message;
}

TEST(ParseAddress, NamesThePartThatIsWrong) {
  const RefusedRow rows[] = {
      {"", "begin with tcp://"},
      {"127.0.0.1:80", "begin with tcp://"},
      {"http://a:80", "\"http://a:80\" does not begin with tcp://"},
      {"TCP://a:80", "begin with tcp://"},
      {"tcp:/a:80", "begin with tcp://"},
      {"tcp://", "no port"},
      {"tcp://a", "\"tcp://a\" has no port"},
      {"tcp://a:", "port \"\" is not a number from 0 to 65535"},
      {"tcp://a:65536", "port \"65536\""},
      {"tcp://a:4294967296", "port \"4294967296\""},
      {"tcp://a:99999999999999999999", "port \"99999999999999999999\""},
      {"tcp://a:-1", "port \"-1\""},
      {"tcp://a:+1", "port \"+1\""},
      {"tcp://a: 1", "port \" 1\""},
      {"tcp://a:1 ", "port \"1 \""},
      {"tcp://a:http", "port \"http\""},
      {"tcp://[::1]", "port \"1]\""},
      {"tcp://[::1:80", "brackets do not match"},
      {"tcp://::1]:80", "brackets do not match"},
      {"tcp://[:80", "brackets do not match"},
      {"tcp://]:80", "brackets do not match"},
      {"tcp://::1:80", "IPv6 address needs brackets"},
      {"tcp://" + std::string(256, 'h') + ":1", "host has more than 255 bytes"},
      {"unix://", "has no path"},
      {"unix://@", "has no path"},
      {"unix://" + std::string(108, 'p'), "path has more than 107 bytes"},
      {"fd://", "\"\" is not a descriptor number"},
      {"fd://x", "\"x\" is not a descriptor number"},
      {"fd://-1", "\"-1\" is not a descriptor number"},
      {"fd://2147483648", "\"2147483648\" is not a descriptor number"},
      {"fd://3 ", "\"3 \" is not a descriptor number"},
  };
  for (const RefusedRow& row : rows) expect_refused(row);
}

TEST(ParseAddress, NamesThePartThatIsWrongOfAVeryLongText) {
  const RefusedRow rows[] = {
      {"tcp://" + std::string(2000, 'h') + ":1", "host has more than 255 bytes"},
      {"tcp://" + std::string(2000, 'h'), "has no port"},
      {"unix://" + std::string(2000, 'p'), "path has more than 107 bytes"},
      {std::string(2000, 'x'), "does not begin with"},
  };
  for (const RefusedRow& row : rows) expect_refused(row);
}

TEST(FormatAddress, WritesNothingForWhatIsNoAddress) {
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  EXPECT_EQ(format_address(address), "");
  address.network = 99;
  EXPECT_EQ(format_address(address), "");
  address.network = TCPKIT_NETWORK_TCP;
  address.port = 65536;
  EXPECT_EQ(format_address(address), "");
  address.network = TCPKIT_NETWORK_UNIX;
  EXPECT_EQ(format_address(address), "") << "no path";
}

TEST(FormatAddress, WritesNothingThatCannotBeParsed) {
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  address.network = TCPKIT_NETWORK_FD;
  address.port = 0x80000000u;
  EXPECT_EQ(format_address(address), "") << "a descriptor is at most 2147483647";
  address = TCPKIT_ADDRESS_INIT;
  address.network = TCPKIT_NETWORK_UNIX;
  address.host[0] = '@';
  EXPECT_EQ(format_address(address), "") << "an abstract name must not be empty";
  std::memset(address.host, 'p', 108);
  EXPECT_EQ(format_address(address), "") << "a path has at most 107 bytes";
  address.network = TCPKIT_NETWORK_TCP;
  std::memset(address.host, 'h', sizeof address.host);
  EXPECT_EQ(format_address(address), "") << "a host has at most 255 bytes";
}

SocketAddress ip_address(int family, const char* ip, uint16_t port) {
  SocketAddress address;
  if (family == AF_INET) {
    address.v4.sin_family = AF_INET;
    address.v4.sin_port = htons(port);
    inet_pton(AF_INET, ip, &address.v4.sin_addr);
    address.size = sizeof address.v4;
  } else {
    address.v6.sin6_family = AF_INET6;
    address.v6.sin6_port = htons(port);
    inet_pton(AF_INET6, ip, &address.v6.sin6_addr);
    address.size = sizeof address.v6;
  }
  return address;
}

SocketAddress unix_address(const std::string& path, size_t size) {
  SocketAddress address;
  address.path.sun_family = AF_UNIX;
  std::memcpy(address.path.sun_path, path.data(), path.size());
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size);
  return address;
}

TEST(PeerAddress, WritesIpAddressesWithTheirPort) {
  EXPECT_EQ(PeerAddress(ip_address(AF_INET, "192.0.2.7", 5000)).text(), "192.0.2.7:5000");
  EXPECT_EQ(PeerAddress(ip_address(AF_INET6, "2001:db8::7", 65535)).text(), "[2001:db8::7]:65535");
  EXPECT_EQ(PeerAddress(ip_address(AF_INET6, "::1", 1)).text(), "[::1]:1");
}

TEST(PeerAddress, WritesAMappedIpv4AddressAsIpv4) {
  const PeerAddress peer(ip_address(AF_INET6, "::ffff:192.0.2.7", 5000));
  EXPECT_EQ(peer.family(), AF_INET);
  EXPECT_EQ(peer.text(), "192.0.2.7:5000");
}

TEST(PeerAddress, GivesTheSameBytesForAMappedIpv4Address) {
  const PeerAddress v4(ip_address(AF_INET, "192.0.2.7", 5000));
  const PeerAddress mapped(ip_address(AF_INET6, "::ffff:192.0.2.7", 6000));
  const IpBytes expected{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 192, 0, 2, 7};
  EXPECT_TRUE(v4.has_ip());
  EXPECT_EQ(v4.ip_bytes(), expected);
  EXPECT_EQ(mapped.ip_bytes(), expected);
}

TEST(PeerAddress, GivesAllBytesOfAnIpv6Address) {
  const PeerAddress peer(ip_address(AF_INET6, "2001:db8::f007", 1));
  const IpBytes expected{0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xf0, 0x07};
  EXPECT_TRUE(peer.has_ip());
  EXPECT_EQ(peer.ip_bytes(), expected);
}

TEST(PeerAddress, HasNoIpUnlessItIsOne) {
  EXPECT_FALSE(PeerAddress().has_ip());
  EXPECT_FALSE(PeerAddress(unix_address("/x", 3)).has_ip());
  EXPECT_EQ(PeerAddress(unix_address("/x", 3)).ip_bytes(), IpBytes{});
}

TEST(PeerAddress, WritesTheScopeOfALinkLocalAddress) {
  SocketAddress address = ip_address(AF_INET6, "fe80::1", 9);
  address.v6.sin6_scope_id = if_nametoindex("lo");
  ASSERT_NE(address.v6.sin6_scope_id, 0u);
  EXPECT_EQ(PeerAddress(address).text(), "[fe80::1%lo]:9");
}

TEST(PeerAddress, CallsEverythingElseUnix) {
  EXPECT_EQ(PeerAddress().text(), "unix");
  EXPECT_EQ(PeerAddress(SocketAddress()).text(), "unix");
  EXPECT_EQ(PeerAddress(unix_address("/x", 3)).text(), "unix");
}

TEST(SocketAddressText, WritesUnixPathsAndNames) {
  EXPECT_EQ(socket_address_text(unix_address("/run/x", 7)), "/run/x");
  EXPECT_EQ(socket_address_text(unix_address("/run/x", 108)), "/run/x") << "padded with zeros";
  EXPECT_EQ(socket_address_text(unix_address(std::string("\0name", 5), 5)), "@name");
  EXPECT_EQ(socket_address_text(unix_address("", 0)), "unix");
}

// The kernel takes a path of 108 bytes and then answers 109, with the NUL that did not fit.
TEST(SocketAddressText, DoesNotReadBehindALongestPath) {
  SocketAddress address;
  std::memset(static_cast<void*>(&address), 'x', sizeof address);
  address.path.sun_family = AF_UNIX;
  address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 109);
  EXPECT_EQ(socket_address_text(address), std::string(108, 'x'));
}

TEST(ListenerAddressText, KeepsTheSchemeThatWasAskedFor) {
  const SocketAddress v4 = ip_address(AF_INET, "127.0.0.1", 7);
  EXPECT_EQ(listener_address_text(v4, TCPKIT_NETWORK_TCP), "tcp://127.0.0.1:7");
  EXPECT_EQ(listener_address_text(v4, TCPKIT_NETWORK_TCP4), "tcp4://127.0.0.1:7");
  EXPECT_EQ(listener_address_text(v4, TCPKIT_NETWORK_FD), "tcp://127.0.0.1:7");
  EXPECT_EQ(listener_address_text(ip_address(AF_INET6, "::", 7), TCPKIT_NETWORK_TCP6),
            "tcp6://[::]:7");
  EXPECT_EQ(listener_address_text(unix_address("/x", 3), TCPKIT_NETWORK_FD), "unix:///x");
}

TEST(ResolveForListen, NamesTheHostThatHasNoAddress) {
  tcpkit_address address = TCPKIT_ADDRESS_INIT;
  SocketAddress resolved;
  ASSERT_EQ(parse_address("tcp4://[::1]:80", address), TCPKIT_OK);
  EXPECT_EQ(resolve_for_listen(address, "tcp4://[::1]:80", resolved), TCPKIT_E_RESOLVE);
  EXPECT_NE(std::string(last_error().message).find("\"::1\" of \"tcp4://[::1]:80\""),
            std::string::npos)
      << last_error().message;
}

TEST(ResolveForListen, TakesIpAddressesAsTheyAre) {
  for (const char* text : {"tcp://127.0.0.1:7", "tcp4://127.0.0.1:7", "tcp6://[::1]:7"}) {
    tcpkit_address address = TCPKIT_ADDRESS_INIT;
    SocketAddress resolved;
    ASSERT_EQ(parse_address(text, address), TCPKIT_OK);
    ASSERT_EQ(resolve_for_listen(address, text, resolved), TCPKIT_OK) << text;
    EXPECT_EQ(listener_address_text(resolved, address.network), text);
    EXPECT_EQ(resolved.port(), 7);
  }
}

}  // namespace
}  // namespace tcpkit::test
