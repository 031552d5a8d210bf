// What the encoder of PROXY headers makes is what their parser takes.
#include "framing/proxy_encoder.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>

namespace tcpkit::test {
namespace {

constexpr ProxyVersion kVersions[] = {ProxyVersion::kV1, ProxyVersion::kV2};

ProxyEndpoint endpoint(uint8_t first, size_t size, uint16_t port) {
  ProxyEndpoint made{};
  for (size_t i = 0; i < size; ++i) made.ip[i] = static_cast<uint8_t>(first + i);
  made.port = port;
  return made;
}

std::string text_of(const EncodedProxyHeader& header) {
  return std::string(reinterpret_cast<const char*>(header.bytes.data()), header.size);
}

TEST(ProxyEncoder, WhatItMakesComesOutOfTheParser) {
  for (const ProxyVersion version : kVersions) {
    for (const ProxyFamily family : {ProxyFamily::kIpv4, ProxyFamily::kIpv6}) {
      const size_t size = family == ProxyFamily::kIpv4 ? 4 : 16;
      const ProxyEndpoint source = endpoint(1, size, 65535);
      const ProxyEndpoint destination = endpoint(101, size, 0);
      const EncodedProxyHeader header = encode_proxy_header(version, family, source, destination);
      ProxyHeader parsed{};
      const ProxyResult result = parse_proxy_header(header.view(), parsed);
      ASSERT_EQ(ProxyParse::kHeader, result.parse);
      EXPECT_EQ(header.size, result.header_size);
      EXPECT_EQ(family, parsed.family);
      EXPECT_EQ(0, std::memcmp(&source, &parsed.source, sizeof source));
      EXPECT_EQ(0, std::memcmp(&destination, &parsed.destination, sizeof destination));
    }
  }
}

TEST(ProxyEncoder, NamesNobodyWhereThereIsNoIp) {
  for (const ProxyFamily family : {ProxyFamily::kUnix, ProxyFamily::kLocal}) {
    EXPECT_EQ("PROXY UNKNOWN\r\n", text_of(encode_proxy_header(ProxyVersion::kV1, family, {}, {})));
    const EncodedProxyHeader header = encode_proxy_header(ProxyVersion::kV2, family, {}, {});
    ProxyHeader parsed{};
    EXPECT_EQ(ProxyParse::kHeader, parse_proxy_header(header.view(), parsed).parse);
    EXPECT_EQ(ProxyFamily::kLocal, parsed.family);
    EXPECT_EQ(16u, header.size);
  }
}

TEST(ProxyEncoder, WritesTheLineOfTheSpecification) {
  EXPECT_EQ("PROXY TCP4 1.2.3.4 101.102.103.104 5000 443\r\n",
            text_of(encode_proxy_header(ProxyVersion::kV1, ProxyFamily::kIpv4, endpoint(1, 4, 5000),
                                        endpoint(101, 4, 443))));
}

TEST(ProxyEncoder, TheLongestLineFits) {
  ProxyEndpoint longest{};
  std::memset(longest.ip, 0xFF, sizeof longest.ip);
  longest.port = 65535;
  const EncodedProxyHeader header =
      encode_proxy_header(ProxyVersion::kV1, ProxyFamily::kIpv6, longest, longest);
  EXPECT_EQ("\r\n", text_of(header).substr(header.size - 2));
  EXPECT_LE(header.size, kMostProxyLineBytes);
}

}  // namespace
}  // namespace tcpkit::test
