// PROXY headers of both versions. Where a header ends is told neither earlier, nor by what follows.
#include <cstdlib>
#include <cstring>
#include <vector>

#include "framing/proxy_header.h"

namespace tcpkit::fuzz {
namespace {

void check(bool holds) {
  if (!holds) std::abort();
}

bool is_inside(ByteView part, ByteView whole) {
  if (part.empty()) return true;
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

bool is_same(const ProxyEndpoint& a, const ProxyEndpoint& b) {
  return std::memcmp(a.ip, b.ip, sizeof a.ip) == 0 && a.port == b.port;
}

void check_alike(const ProxyHeader& a, const ProxyHeader& b) {
  check(a.family == b.family && is_same(a.source, b.source));
  check(is_same(a.destination, b.destination) && a.tlvs.size() == b.tlvs.size());
  check(a.unix_source.size() == b.unix_source.size());
  check(a.unix_destination.size() == b.unix_destination.size());
}

// What goes with the answer, and nothing else, is set.
void check_result(ByteView bytes, const ProxyResult& result, const ProxyHeader& header) {
  check((result.parse == ProxyParse::kBad) == (result.why != nullptr));
  check((result.parse == ProxyParse::kHeader) == (result.header_size != 0));
  check(result.header_size <= bytes.size());
  check(result.header_size <= kMostProxyHeaderBytes);
  check(result.needed_size == 0 || result.parse == ProxyParse::kMore);
  check(result.needed_size == 0 || result.needed_size > bytes.size());
  check(result.needed_size <= kMostProxyHeaderBytes);
  check(result.parse != ProxyParse::kMore || bytes.size() < kMostProxyHeaderBytes);
  if (result.parse != ProxyParse::kHeader) return;
  const ByteView whole = bytes.first(result.header_size);
  check(is_inside(header.tlvs, whole) && is_inside(header.unix_source, whole));
  check(is_inside(header.unix_destination, whole));
  for (unsigned type = 0; type < 256; ++type) {
    ByteView value;
    if (!find_proxy_tlv(header.tlvs, static_cast<uint8_t>(type), value)) continue;
    check(is_inside(value, header.tlvs));
  }
}

// The answer stays what it is once it is not kMore, and until then it is kMore. A copy of the exact
// size lets the sanitizer see each byte that is read too far.
void check_prefixes(ByteView bytes, const ProxyResult& result) {
  bool is_decided = false;
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::vector<uint8_t> prefix(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
    ProxyHeader header{};
    const ProxyResult early = parse_proxy_header(prefix, header);
    check_result(prefix, early, header);
    if (early.parse == ProxyParse::kMore) {
      check(!is_decided);
      continue;
    }
    is_decided = true;
    check(early.parse == result.parse && early.header_size == result.header_size);
    check(early.why == result.why);
    if (size > early.header_size + 16) return;
  }
}

void check_rest_is_ignored(ByteView bytes, const ProxyResult& result, const ProxyHeader& header) {
  std::vector<uint8_t> changed(bytes.begin(), bytes.end());
  changed.push_back(0);
  for (size_t i = result.header_size; i < changed.size(); ++i) {
    changed[i] = static_cast<uint8_t>(~changed[i]);
  }
  ProxyHeader again{};
  const ProxyResult other = parse_proxy_header(changed, again);
  check(other.parse == result.parse && other.header_size == result.header_size);
  check_alike(header, again);
}

}  // namespace
}  // namespace tcpkit::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const tcpkit::ByteView bytes(data, size);
  tcpkit::ProxyHeader header{};
  const tcpkit::ProxyResult result = tcpkit::parse_proxy_header(bytes, header);
  tcpkit::fuzz::check_result(bytes, result, header);
  tcpkit::fuzz::check_prefixes(bytes, result);
  if (result.parse == tcpkit::ProxyParse::kHeader) {
    tcpkit::fuzz::check_rest_is_ignored(bytes, result, header);
  }
  tcpkit::ByteView value;
  tcpkit::find_proxy_tlv(bytes, 0x05, value);
  return 0;
}
