// PROXY headers of both versions: the examples of the specification, limits, and every refusal.
#include "framing/proxy_header.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace tcpkit::test {
namespace {

using namespace std::string_literals;

const std::string kSignature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string kWorstTcp6Line =
    "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    "65535 65535\r\n";
const std::string kWorstUnknownLine =
    "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n";
// 192.168.0.1:56324 to 192.168.0.11:443.
const std::string kIpv4Block = "\xc0\xa8\0\1\xc0\xa8\0\x0b\xdc\4\1\xbb"s;

ByteView view(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string text_of(ByteView bytes) {
  return {bytes.begin(), bytes.end()};
}

std::string u16(size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string binary(int command, int family, const std::string& rest) {
  return kSignature + static_cast<char>(command) + static_cast<char>(family) + u16(rest.size()) +
         rest;
}

std::string tlv(int type, const std::string& value) {
  return static_cast<char>(type) + u16(value.size()) + value;
}

std::string ipv6_block() {
  return "\x20\1\x0d\xb8"s + std::string(11, '\0') + "\1" + "\x20\1\x0d\xb8"s +
         std::string(11, '\0') + "\2" + u16(56324) + u16(443);
}

std::string unix_block(std::string source, std::string destination) {
  source.resize(108);
  destination.resize(108);
  return source + destination;
}

struct Parsed {
  ProxyResult result;
  ProxyHeader header;
};

Parsed parse(const std::string& bytes) {
  Parsed parsed{};
  parsed.result = parse_proxy_header(view(bytes), parsed.header);
  return parsed;
}

ProxyParse kind_of(const std::string& bytes) {
  return parse(bytes).result.parse;
}

// What is said about bad bytes; "" if they are not bad.
std::string why(const std::string& bytes) {
  const ProxyResult result = parse(bytes).result;
  EXPECT_EQ(result.parse == ProxyParse::kBad, result.why != nullptr);
  EXPECT_EQ(result.header_size + result.needed_size, result.why == nullptr ? bytes.size() : 0);
  return result.why == nullptr ? "" : result.why;
}

std::string ip_of(const ProxyEndpoint& endpoint, size_t size) {
  return text_of(ByteView(endpoint.ip, size));
}

std::vector<std::string> valid_headers() {
  return {
      "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n",
      "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
      "PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n",
      "PROXY TCP6 2001:db8::1 ::FFFF 56324 443\r\n",
      kWorstTcp6Line,
      "PROXY UNKNOWN\r\n",
      "PROXY UNKNOWN anything at\rall\n\r\n",
      kWorstUnknownLine,
      binary(0x21, 0x11, kIpv4Block),
      binary(0x21, 0x21, ipv6_block()),
      binary(0x21, 0x31, unix_block("/run/a", "/run/b")),
      binary(0x21, 0x11, kIpv4Block + tlv(0x04, "") + tlv(0x05, "id")),
      binary(0x20, 0x00, ""),
      binary(0x20, 0x12, "no TLV"),
      binary(0x21, 0x00, ""),
      binary(0x21, 0x00, tlv(0x05, "id")),
  };
}

TEST(ProxyHeader, ReadsTheTcp4Line) {
  const std::string line = "PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
  const Parsed parsed = parse(line + "GET / HTTP/1.1\r\n");
  EXPECT_EQ(parsed.result.parse, ProxyParse::kHeader);
  EXPECT_EQ(parsed.result.header_size, line.size());
  EXPECT_EQ(parsed.header.family, ProxyFamily::kIpv4);
  EXPECT_EQ(ip_of(parsed.header.source, 16), "\xc0\xa8\0\1"s + std::string(12, '\0'));
  EXPECT_EQ(ip_of(parsed.header.destination, 4), "\xc0\xa8\0\x0b"s);
  EXPECT_EQ(parsed.header.source.port, 56324);
  EXPECT_EQ(parsed.header.destination.port, 443);
  EXPECT_TRUE(parsed.header.tlvs.empty());
}

TEST(ProxyHeader, ReadsTheTcp6Line) {
  const Parsed parsed = parse("PROXY TCP6 2001:db8::1 2001:DB8::2 1 65535\r\n");
  EXPECT_EQ(parsed.header.family, ProxyFamily::kIpv6);
  EXPECT_EQ(ip_of(parsed.header.source, 16), ipv6_block().substr(0, 16));
  EXPECT_EQ(ip_of(parsed.header.destination, 16), ipv6_block().substr(16, 16));
  EXPECT_EQ(parsed.header.source.port, 1);
  EXPECT_EQ(parsed.header.destination.port, 65535);
}

TEST(ProxyHeader, ReadsTheWorstCasesOfTheSpecification) {
  const std::string worst_tcp4 = "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n";
  EXPECT_EQ(worst_tcp4.size(), 56u);
  EXPECT_EQ(parse(worst_tcp4).header.family, ProxyFamily::kIpv4);
  EXPECT_EQ(kWorstTcp6Line.size(), 104u);
  EXPECT_EQ(ip_of(parse(kWorstTcp6Line).header.source, 16), std::string(16, '\xff'));
  EXPECT_EQ(kWorstUnknownLine.size(), kMostProxyLineBytes);
  const Parsed unknown = parse(kWorstUnknownLine);
  EXPECT_EQ(unknown.result.header_size, kMostProxyLineBytes);
  EXPECT_EQ(unknown.header.family, ProxyFamily::kLocal);
  EXPECT_EQ(ip_of(unknown.header.source, 16), std::string(16, '\0'));
}

TEST(ProxyHeader, ReadsBinaryIpv4AndIpv6) {
  const Parsed ipv4 = parse(binary(0x21, 0x11, kIpv4Block));
  EXPECT_EQ(ipv4.result.header_size, 28u);
  EXPECT_EQ(ipv4.header.family, ProxyFamily::kIpv4);
  EXPECT_EQ(ip_of(ipv4.header.source, 16), "\xc0\xa8\0\1"s + std::string(12, '\0'));
  EXPECT_EQ(ip_of(ipv4.header.destination, 4), "\xc0\xa8\0\x0b"s);
  EXPECT_EQ(ipv4.header.source.port, 56324);
  EXPECT_EQ(ipv4.header.destination.port, 443);

  const Parsed ipv6 = parse(binary(0x21, 0x21, ipv6_block()));
  EXPECT_EQ(ipv6.result.header_size, 52u);
  EXPECT_EQ(ipv6.header.family, ProxyFamily::kIpv6);
  EXPECT_EQ(ip_of(ipv6.header.source, 16), ipv6_block().substr(0, 16));
  EXPECT_EQ(ip_of(ipv6.header.destination, 16), ipv6_block().substr(16, 16));
  EXPECT_EQ(ipv6.header.source.port, 56324);
  EXPECT_EQ(ipv6.header.destination.port, 443);
}

TEST(ProxyHeader, CutsUnixPathsAtTheirFirstNul) {
  const std::string longest(108, 'p');
  const std::string bytes = binary(0x21, 0x31, unix_block("/run/a\0rest"s, longest));
  Parsed parsed{};
  parsed.result = parse_proxy_header(view(bytes), parsed.header);
  EXPECT_EQ(parsed.result.header_size, 232u);
  EXPECT_EQ(parsed.header.family, ProxyFamily::kUnix);
  EXPECT_EQ(text_of(parsed.header.unix_source), "/run/a");
  EXPECT_EQ(text_of(parsed.header.unix_destination), longest);
}

TEST(ProxyHeader, KeepsTheRealPeerOfALocalConnection) {
  for (const std::string& bytes :
       {"PROXY UNKNOWN\r\n"s, binary(0x20, 0x00, ""), binary(0x20, 0x11, kIpv4Block),
        binary(0x20, 0xff, "\3\0\4wrong"s), binary(0x21, 0x00, "")}) {
    const Parsed parsed = parse(bytes);
    EXPECT_EQ(parsed.result.parse, ProxyParse::kHeader);
    EXPECT_EQ(parsed.result.header_size, bytes.size());
    EXPECT_EQ(parsed.header.family, ProxyFamily::kLocal);
    EXPECT_EQ(ip_of(parsed.header.source, 16), std::string(16, '\0'));
    EXPECT_TRUE(parsed.header.tlvs.empty());
  }
}

TEST(ProxyHeader, WantsMoreAtEveryPrefixAndLeavesWhatFollows) {
  for (const std::string& bytes : valid_headers()) {
    for (size_t size = 0; size < bytes.size(); ++size) {
      const ProxyResult result = parse(bytes.substr(0, size)).result;
      EXPECT_EQ(result.parse, ProxyParse::kMore) << size << " of " << bytes;
      EXPECT_EQ(result.header_size, 0u);
      EXPECT_EQ(result.why, nullptr);
    }
    for (const std::string& rest : {""s, "x"s, "\r\n"s, "\0"s, bytes, std::string(5000, '\n')}) {
      const ProxyResult result = parse(bytes + rest).result;
      EXPECT_EQ(result.parse, ProxyParse::kHeader) << bytes;
      EXPECT_EQ(result.header_size, bytes.size());
      EXPECT_EQ(result.needed_size, 0u);
    }
  }
}

TEST(ProxyHeader, TellsHowMuchIsNeededOnceTheHeaderSaysIt) {
  const std::string bytes = binary(0x21, 0x21, ipv6_block());
  EXPECT_EQ(parse(bytes.substr(0, 11)).result.needed_size, 0u);
  EXPECT_EQ(parse(bytes.substr(0, 12)).result.needed_size, 16u);
  EXPECT_EQ(parse(bytes.substr(0, 15)).result.needed_size, 16u);
  EXPECT_EQ(parse(bytes.substr(0, 16)).result.needed_size, 52u);
  EXPECT_EQ(parse(bytes.substr(0, 51)).result.needed_size, 52u);
  EXPECT_EQ(parse("PROXY TCP4 1.2").result.needed_size, 0u);
}

TEST(ProxyHeader, WritesNothingUnlessThereIsAHeader) {
  for (const std::string& bytes :
       {""s, "GET"s, "PROXY TCP4 1.2.3.4 5.6.7.8 1 x\r\n"s, "PROXY TCP4 1.2.3.4 5"s,
        binary(0x21, 0x11, kIpv4Block + "\4"), binary(0x21, 0x11, kIpv4Block).substr(0, 27)}) {
    ProxyHeader header{};
    header.family = ProxyFamily::kUnix;
    header.source.port = 7;
    EXPECT_NE(parse_proxy_header(view(bytes), header).parse, ProxyParse::kHeader);
    EXPECT_EQ(header.family, ProxyFamily::kUnix);
    EXPECT_EQ(header.source.port, 7);
  }
}

TEST(ProxyHeader, SaysNoneAtTheFirstByteThatDiffers) {
  for (const std::string& begin : {"PROXY "s, kSignature}) {
    for (size_t at = 0; at < begin.size(); ++at) {
      EXPECT_EQ(kind_of(begin.substr(0, at)), ProxyParse::kMore);
      const std::string differs = begin.substr(0, at) + "#";
      EXPECT_EQ(kind_of(differs), ProxyParse::kNone);
      EXPECT_EQ(kind_of(differs + begin.substr(at + 1) + "rest"), ProxyParse::kNone);
    }
  }
  EXPECT_EQ(kind_of("GET / HTTP/1.1\r\n\r\n"), ProxyParse::kNone);
  EXPECT_EQ(kind_of("proxy TCP4"), ProxyParse::kNone);
  EXPECT_EQ(kind_of(" PROXY "), ProxyParse::kNone);
  EXPECT_EQ(kind_of("\x16\x03\x01"), ProxyParse::kNone);
}

TEST(ProxyHeader, RefusesALineWithoutItsEndIn107Bytes) {
  const std::string longest = "PROXY UNKNOWN" + std::string(92, 'x');
  EXPECT_EQ(kind_of(longest + "\r\n"), ProxyParse::kHeader);
  EXPECT_EQ(kind_of(longest + "x"), ProxyParse::kMore);
  EXPECT_EQ(kind_of(longest + "\r"), ProxyParse::kMore);
  EXPECT_EQ(why(longest + "x\r"), "PROXY v1: no CRLF within 107 bytes");
  EXPECT_EQ(why(longest + "x\r\n"), "PROXY v1: no CRLF within 107 bytes");
  EXPECT_EQ(why(longest + "\r\r\n"), "PROXY v1: no CRLF within 107 bytes");
}

TEST(ProxyHeader, RefusesAnUnknownProtocolOfALine) {
  for (const std::string rest :
       {"", " ", "TCP4", "TCP", "TCP5 1.2.3.4 1.2.3.4 1 2", "unknown", "tcp4 1.2.3.4 1.2.3.4 1 2",
        " TCP4 1.2.3.4 1.2.3.4 1 2", "UDP4 1.2.3.4 1.2.3.4 1 2", "UNKNOW", "TCP44 1 2 3 4"}) {
    EXPECT_NE(why("PROXY " + rest + "\r\n"), "") << rest;
  }
  EXPECT_EQ(why("PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n"),
            "PROXY v1: the protocol is not TCP4, TCP6 or UNKNOWN");
}

TEST(ProxyHeader, RefusesALineWithTooFewOrTooManySpaces) {
  for (const std::string rest :
       {"TCP4 ", "TCP4 1.2.3.4", "TCP4 1.2.3.4 1.2.3.4 1", "TCP4 1.2.3.4 1.2.3.4 1 2 ",
        "TCP4 1.2.3.4 1.2.3.4 1 2 3", "TCP4  1.2.3.4 1.2.3.4 1 2", "TCP4 1.2.3.4  1.2.3.4 1 2",
        "TCP4 1.2.3.4 1.2.3.4 1  2", "TCP4 1.2.3.4\t1.2.3.4 1 2"}) {
    EXPECT_EQ(why("PROXY " + rest + "\r\n"),
              "PROXY v1: not two addresses and two ports with one space between them")
        << rest;
  }
  EXPECT_NE(why("PROXY TCP4  1.2.3.4 1 2\r\n"), "");
}

TEST(ProxyHeader, RefusesWhatIsNoAddressOfTheFamily) {
  const std::string bad_ipv4[] = {"",           "1.2.3",       "1.2.3.4.5", "1.2.3.256", "01.2.3.4",
                                  "1.2.3.04",   "1.2.3.00",    "1..3.4",    ".1.2.3",    "1.2.3.",
                                  "0x1.2.3.4",  "1.2.3.4\n",   "1.2.3.-4",  "+1.2.3.4",  "::1",
                                  "1.2.3.4\0"s, "99999.1.1.1", "1.2.3.4/8", "16909060"};
  for (const std::string& ip : bad_ipv4) {
    EXPECT_EQ(why("PROXY TCP4 " + ip + " 1.2.3.4 1 2\r\n"),
              "PROXY v1: the source address is none of its family")
        << ip;
    EXPECT_EQ(why("PROXY TCP4 1.2.3.4 " + ip + " 1 2\r\n"),
              "PROXY v1: the destination address is none of its family")
        << ip;
  }
  const std::string bad_ipv6[] = {"",
                                  "1.2.3.4",
                                  ":",
                                  ":::",
                                  "1::2::3",
                                  "12345::",
                                  "::g",
                                  "[::1]",
                                  "fe80::1%1",
                                  "1:2:3:4:5:6:7",
                                  "::1\0"s,
                                  "::1\0x"s,
                                  "1:2:3:4:5:6:7:8:9",
                                  std::string(46, 'f')};
  for (const std::string& ip : bad_ipv6) {
    EXPECT_EQ(why("PROXY TCP6 " + ip + " ::1 1 2\r\n"),
              "PROXY v1: the source address is none of its family")
        << ip;
    EXPECT_EQ(why("PROXY TCP6 ::1 " + ip + " 1 2\r\n"),
              "PROXY v1: the destination address is none of its family")
        << ip;
  }
}

TEST(ProxyHeader, RefusesWhatIsNoPort) {
  for (const std::string& port : {""s, "65536"s, "00"s, "01"s, "0443"s, "-1"s, "+1"s, "1a"s, "0x1"s,
                                  "100000"s, "4294967297"s, "1\0"s, "1\n"s, "1\r"s}) {
    EXPECT_EQ(why("PROXY TCP4 1.2.3.4 1.2.3.4 " + port + " 2\r\n"),
              "PROXY v1: the source port is no number from 0 to 65535")
        << port;
    EXPECT_EQ(why("PROXY TCP4 1.2.3.4 1.2.3.4 1 " + port + "\r\n"),
              "PROXY v1: the destination port is no number from 0 to 65535")
        << port;
  }
}

TEST(ProxyHeader, RefusesAVersionCommandOrFamilyAtItsByte) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string begin = kSignature + static_cast<char>(byte);
    const bool is_good = byte == 0x20 || byte == 0x21;
    EXPECT_EQ(kind_of(begin), is_good ? ProxyParse::kMore : ProxyParse::kBad) << byte;
    const std::string family = kSignature + "\x21" + static_cast<char>(byte);
    const bool is_usable = byte == 0 || byte == 0x11 || byte == 0x21 || byte == 0x31;
    EXPECT_EQ(kind_of(family), is_usable ? ProxyParse::kMore : ProxyParse::kBad) << byte;
  }
  EXPECT_EQ(why(binary(0x11, 0x11, kIpv4Block)), "PROXY v2: the version is not 2");
  EXPECT_EQ(why(binary(0x22, 0x11, kIpv4Block)), "PROXY v2: the command is not LOCAL or PROXY");
  EXPECT_EQ(why(binary(0x21, 0x12, kIpv4Block)),
            "PROXY v2: a datagram protocol on a TCP connection");
  EXPECT_EQ(why(binary(0x21, 0x41, kIpv4Block)), "PROXY v2: the family and protocol are unknown");
}

TEST(ProxyHeader, RefusesALengthBelowTheAddressesOfTheFamilyAtOnce) {
  const std::pair<int, size_t> sizes[] = {{0x11, 12}, {0x21, 36}, {0x31, 216}};
  for (const auto& [family, size] : sizes) {
    const std::string exact = binary(0x21, family, std::string(size, '\0'));
    const std::string below = binary(0x21, family, std::string(size - 1, '\0'));
    EXPECT_EQ(kind_of(exact), ProxyParse::kHeader);
    EXPECT_EQ(why(below), "PROXY v2: too short for the addresses of its family");
    EXPECT_EQ(kind_of(below.substr(0, 16)), ProxyParse::kBad);
  }
}

TEST(ProxyHeader, TakesALengthUpToTheLimitAndRefusesOneByteMoreAtOnce) {
  const std::string most = binary(0x21, 0x11, kIpv4Block + tlv(4, std::string(4096 - 15, 'n')));
  EXPECT_EQ(most.size(), kMostProxyHeaderBytes);
  EXPECT_EQ(parse(most).result.header_size, kMostProxyHeaderBytes);
  EXPECT_EQ(kind_of(binary(0x20, 0, std::string(4096, 'x'))), ProxyParse::kHeader);
  for (const int command : {0x20, 0x21}) {
    const std::string above = binary(command, 0x11, std::string(4097, '\0'));
    EXPECT_EQ(why(above.substr(0, 16)), "PROXY v2: longer than 4112 bytes");
    EXPECT_EQ(kind_of(above.substr(0, 15)), ProxyParse::kMore);
  }
}

TEST(ProxyHeader, RefusesTlvsThatDoNotFitExactly) {
  for (const std::string& tlvs : {"\4"s, "\4\0"s, "\4\0\1"s, "\4\0\3ab"s, "\4\xff\xff"s + "ab",
                                  tlv(4, "ok") + "\0"s, tlv(4, "ok") + "\4\0\2a"s}) {
    EXPECT_EQ(why(binary(0x21, 0x11, kIpv4Block + tlvs)),
              "PROXY v2: a TLV does not fit the header");
    EXPECT_EQ(why(binary(0x21, 0x00, tlvs)), "PROXY v2: a TLV does not fit the header");
  }
}

TEST(ProxyTlv, FindsTheFirstOfAType) {
  const std::string bytes = binary(
      0x21, 0x11, kIpv4Block + tlv(4, "xyz") + tlv(5, "one") + tlv(5, "two") + tlv(0xEA, ""));
  Parsed parsed{};
  parsed.result = parse_proxy_header(view(bytes), parsed.header);
  ASSERT_EQ(parsed.result.parse, ProxyParse::kHeader);
  ByteView value;
  EXPECT_TRUE(find_proxy_tlv(parsed.header.tlvs, 5, value));
  EXPECT_EQ(text_of(value), "one");
  EXPECT_FALSE(find_proxy_tlv(parsed.header.tlvs, 'x', value));
  EXPECT_EQ(text_of(value), "one");
  EXPECT_TRUE(find_proxy_tlv(parsed.header.tlvs, 0xEA, value));
  EXPECT_TRUE(value.empty());
  EXPECT_FALSE(find_proxy_tlv({}, 5, value));
}

TEST(ProxyTlv, FindsNothingInABrokenOne) {
  const std::string tlvs = tlv(4, "ok") + "\5\0\2a"s;
  ByteView value;
  EXPECT_TRUE(find_proxy_tlv(view(tlvs), 4, value));
  EXPECT_FALSE(find_proxy_tlv(view(tlvs), 5, value));
}

// What an AWS network load balancer sends to the service of a VPC endpoint.
TEST(ProxyCrc, TakesTheHeaderOfARealLoadBalancer) {
  const std::string bytes =
      binary(0x21, 0x11,
             "\xac\x1f\x07\x71\xac\x1f\x0a\x1f\xc8\xf2\0\x50"s + tlv(3, "\xe8\xd6\x89\x2d") +
                 tlv(0xEA, "\1vpce-08d2bf15fac5001c9") + tlv(4, std::string(36, '\0')));
  Parsed parsed{};
  parsed.result = parse_proxy_header(view(bytes), parsed.header);
  ASSERT_EQ(parsed.result.header_size, 100u);
  ByteView value;
  EXPECT_TRUE(find_proxy_tlv(parsed.header.tlvs, 0xEA, value));
  EXPECT_EQ(text_of(value), "\1vpce-08d2bf15fac5001c9");
}

// The checksums here come from another program, whose CRC32c of "123456789" is the known E3069283.
TEST(ProxyCrc, TakesARightChecksumWhereverItStands) {
  const std::string right = "\x1c\x1a\xe9\xc6";
  EXPECT_EQ(kind_of(binary(0x21, 0x11, kIpv4Block + tlv(3, right))), ProxyParse::kHeader);
  const std::string between = tlv(4, "ab") + tlv(3, "\x61\x17\xbe\x7c") + tlv(5, "id");
  const std::string bytes = binary(0x21, 0x11, kIpv4Block + between);
  EXPECT_EQ(kind_of(bytes), ProxyParse::kHeader);
  EXPECT_EQ(kind_of(bytes + "payload"), ProxyParse::kHeader);
}

TEST(ProxyCrc, RefusesAHeaderWithOneBitChanged) {
  const std::string between = tlv(4, "ab") + tlv(3, "\x61\x17\xbe\x7c") + tlv(5, "id");
  const std::string right = binary(0x21, 0x11, kIpv4Block + between);
  for (size_t at = 16; at < right.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string wrong = right;
      wrong[at] = static_cast<char>(wrong[at] ^ 1 << bit);
      // Without its type the checksum is none, and a header needs none.
      if (at == 33) continue;
      EXPECT_EQ(kind_of(wrong), ProxyParse::kBad) << at << " " << bit;
    }
  }
  std::string wrong = right;
  wrong[36] = static_cast<char>(wrong[36] ^ 1);
  EXPECT_EQ(why(wrong), "PROXY v2: the CRC32c is wrong");
}

TEST(ProxyCrc, RefusesOneOfAnotherSizeAndASecondOne) {
  for (const std::string& value : {""s, "\0\0\0"s, "\0\0\0\0\0"s}) {
    EXPECT_EQ(why(binary(0x21, 0x11, kIpv4Block + tlv(3, value))),
              "PROXY v2: the CRC32c is not 4 bytes long");
  }
  EXPECT_EQ(why(binary(0x21, 0x11, kIpv4Block + tlv(3, "abcd") + tlv(3, "abcd"))),
            "PROXY v2: more than one CRC32c");
}

TEST(ProxyHeader, NamesGarbageAsNoneOrBadAndNeverAsAHeader) {
  uint32_t seed = 1;
  for (int round = 0; round < 2000; ++round) {
    std::string garbage = round % 3 == 0 ? "PROXY " : round % 3 == 1 ? kSignature : "";
    for (int i = 0; i < 200; ++i) {
      seed = seed * 1664525 + 1013904223;
      garbage += static_cast<char>(seed >> 24);
    }
    const ProxyParse kind = kind_of(garbage);
    EXPECT_TRUE(kind == ProxyParse::kNone || kind == ProxyParse::kBad);
  }
}

}  // namespace
}  // namespace tcpkit::test
