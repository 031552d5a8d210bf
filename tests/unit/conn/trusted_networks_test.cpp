// The list of networks whose PROXY headers are believed: what it takes, names and contains.
#include "conn/trusted_networks.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>

namespace tcpkit::test {
namespace {

PeerAddress peer(const std::string& ip) {
  SocketAddress address;
  if (ip == "unix") {
    address.path.sun_family = AF_UNIX;
    address.size = sizeof(sa_family_t);
  } else if (ip.find(':') == std::string::npos) {
    address.v4.sin_family = AF_INET;
    address.size = sizeof address.v4;
    EXPECT_EQ(inet_pton(AF_INET, ip.c_str(), &address.v4.sin_addr), 1) << ip;
  } else {
    address.v6.sin6_family = AF_INET6;
    address.size = sizeof address.v6;
    EXPECT_EQ(inet_pton(AF_INET6, ip.c_str(), &address.v6.sin6_addr), 1) << ip;
  }
  return PeerAddress(address);
}

bool trusts(const char* networks, const std::string& ip) {
  TrustedNetworks trusted;
  EXPECT_EQ(trusted.parse(networks), TCPKIT_OK) << tcpkit_last_error_message();
  return trusted.contains(peer(ip));
}

void expect_refused(const char* networks, const char* named) {
  TrustedNetworks trusted;
  EXPECT_EQ(trusted.parse(networks), TCPKIT_E_INVALID_ARGUMENT) << networks;
  const std::string message = tcpkit_last_error_message();
  EXPECT_NE(message.find("proxy_trusted"), std::string::npos) << message;
  EXPECT_NE(message.find(named), std::string::npos) << message;
}

TEST(TrustedNetworks, AnEmptyListContainsNobody) {
  const TrustedNetworks trusted;
  EXPECT_FALSE(trusted.contains(peer("127.0.0.1")));
  EXPECT_FALSE(trusted.contains(peer("::1")));
  EXPECT_FALSE(trusted.contains(peer("unix")));
}

TEST(TrustedNetworks, AnAddressWithoutAPrefixIsThatAddressOnly) {
  EXPECT_TRUE(trusts("192.0.2.7", "192.0.2.7"));
  EXPECT_FALSE(trusts("192.0.2.7", "192.0.2.6"));
  EXPECT_TRUE(trusts("2001:db8::7", "2001:db8::7"));
  EXPECT_FALSE(trusts("2001:db8::7", "2001:db8::8"));
}

TEST(TrustedNetworks, APrefixOfWholeBytesTakesTheNetworkOnly) {
  EXPECT_TRUE(trusts("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(trusts("10.0.0.0/8", "11.0.0.0"));
  EXPECT_TRUE(trusts("2001:db8::/32", "2001:db8:ffff::1"));
  EXPECT_FALSE(trusts("2001:db8::/32", "2001:db9::1"));
}

TEST(TrustedNetworks, APrefixInsideAByteTakesTheNetworkOnly) {
  EXPECT_TRUE(trusts("172.16.0.0/12", "172.31.255.255"));
  EXPECT_FALSE(trusts("172.16.0.0/12", "172.32.0.0"));
  EXPECT_FALSE(trusts("172.16.0.0/12", "172.15.255.255"));
  EXPECT_TRUE(trusts("fe80::/10", "febf::1"));
  EXPECT_FALSE(trusts("fe80::/10", "fec0::1"));
  EXPECT_TRUE(trusts("192.0.2.6/31", "192.0.2.7"));
  EXPECT_FALSE(trusts("192.0.2.6/31", "192.0.2.5"));
}

TEST(TrustedNetworks, BitsBehindThePrefixDoNotCount) {
  EXPECT_TRUE(trusts("10.1.2.3/8", "10.9.9.9"));
  EXPECT_TRUE(trusts("2001:db8::1/32", "2001:db8::2"));
}

TEST(TrustedNetworks, AZeroPrefixIsTheWholeFamilyAndNoUnixPeer) {
  EXPECT_TRUE(trusts("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(trusts("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(trusts("0.0.0.0/0", "unix"));
  EXPECT_TRUE(trusts("::/0", "2001:db8::1"));
  EXPECT_FALSE(trusts("::/0", "unix"));
}

TEST(TrustedNetworks, AFullPrefixIsOneAddress) {
  EXPECT_TRUE(trusts("192.0.2.7/32", "192.0.2.7"));
  EXPECT_FALSE(trusts("192.0.2.7/32", "192.0.2.6"));
  EXPECT_TRUE(trusts("::1/128", "::1"));
  EXPECT_FALSE(trusts("::1/128", "::2"));
}

TEST(TrustedNetworks, AMappedAddressIsItsIpv4Address) {
  EXPECT_TRUE(trusts("192.0.2.7", "::ffff:192.0.2.7"));
  EXPECT_TRUE(trusts("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_TRUE(trusts("::ffff:192.0.2.0/120", "192.0.2.200"));
  EXPECT_FALSE(trusts("::ffff:192.0.2.0/120", "192.0.3.1"));
}

TEST(TrustedNetworks, UnixIsEveryUnixPeerAndNobodyElse) {
  EXPECT_TRUE(trusts("unix", "unix"));
  EXPECT_FALSE(trusts("unix", "127.0.0.1"));
  EXPECT_FALSE(trusts("127.0.0.1", "unix"));
}

TEST(TrustedNetworks, AllIsEverybody) {
  EXPECT_TRUE(trusts("all", "203.0.113.9"));
  EXPECT_TRUE(trusts("all", "2001:db8::1"));
  EXPECT_TRUE(trusts("all", "unix"));
}

TEST(TrustedNetworks, EachEntryOfAListCounts) {
  const char* const list = "10.0.0.0/8,::1,unix,192.0.2.7";
  for (const char* ip : {"10.1.1.1", "::1", "unix", "192.0.2.7"}) EXPECT_TRUE(trusts(list, ip));
  for (const char* ip : {"11.1.1.1", "::2", "192.0.2.8"}) EXPECT_FALSE(trusts(list, ip));
}

TEST(TrustedNetworks, BlanksAroundEntriesAreIgnored) {
  const char* const list = " 10.0.0.0/8 ,\t::1 , unix ";
  for (const char* ip : {"10.1.1.1", "::1", "unix"}) EXPECT_TRUE(trusts(list, ip));
}

TEST(TrustedNetworks, WhatIsNoNetworkIsNamed) {
  for (const char* text : {"localhost", "300.1.1.1", "10.0.0", "1:2:3", "::1%lo", "UNIX",
                           "127.0.0.1:80", "[::1]", "10.0.0.0 /8"}) {
    expect_refused(text, text);
  }
}

TEST(TrustedNetworks, ABadPrefixIsNamed) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "10.0.0.0/ 8",
                           "10.0.0.0/+8", "::/129", "::/99999999999", "10.0.0.0/8/8"}) {
    expect_refused(text, text);
  }
}

TEST(TrustedNetworks, OnlyTheBadEntryOfAListIsNamed) {
  expect_refused("10.0.0.0/8,nonsense,::1", "\"nonsense\"");
  expect_refused("10.0.0.0/8, ::1/200", "\"::1/200\"");
}

TEST(TrustedNetworks, AnEmptyEntryIsRefused) {
  for (const char* text : {"", " ", ",", "::1,", ",::1", "::1,,unix"}) expect_refused(text, "\"\"");
}

}  // namespace
}  // namespace tcpkit::test
