// Command line of the load generator: text to Options, or a message and status 2.
#include "options.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <string_view>

namespace tcpkit::load {
namespace {

constexpr const char* kUsage =
    "tcpkit-load --connect HOST:PORT [--workload "
    "echo|framed|stream|connect|idle|latency|broadcast]\n"
    "  [--framing len4be|line] [--tls off|full|resumed] [--connections N] [--size BYTES]\n"
    "  [--in-flight N] [--seconds S] [--warmup S] [--rate MESSAGES_PER_SECOND] [--pid "
    "PID_OF_SERVER]\n";

[[noreturn]] void refuse(const std::string& why) {
  std::fprintf(stderr, "tcpkit-load: %s\n%s", why.c_str(), kUsage);
  std::exit(2);
}

double parse_number(const std::string& key, const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (end == text.c_str() || *end != '\0' || value < 0) refuse(key + " takes a number: " + text);
  return value;
}

std::size_t parse_count(const std::string& key, const std::string& text) {
  const double value = parse_number(key, text);
  if (value < 1) refuse(key + " is at least 1");
  return static_cast<std::size_t>(value);
}

Workload parse_workload(const std::string& text) {
  static const std::map<std::string, Workload> kNames = {
      {"echo", Workload::kEcho},           {"framed", Workload::kFramed},
      {"stream", Workload::kStream},       {"connect", Workload::kConnect},
      {"idle", Workload::kIdle},           {"latency", Workload::kLatency},
      {"broadcast", Workload::kBroadcast},
  };
  const auto found = kNames.find(text);
  if (found == kNames.end()) refuse("no workload is called " + text);
  return found->second;
}

Framing parse_framing(const std::string& text) {
  if (text == "none") return Framing::kNone;
  if (text == "len4be") return Framing::kLen4Be;
  if (text == "line") return Framing::kLine;
  refuse("--framing is none, len4be or line, not " + text);
}

Tls parse_tls(const std::string& text) {
  if (text == "off") return Tls::kOff;
  if (text == "full") return Tls::kFull;
  if (text == "resumed") return Tls::kResumed;
  refuse("--tls is off, full or resumed, not " + text);
}

void parse_target(const std::string& text, Options& options) {
  const auto colon = text.rfind(':');
  if (colon == std::string::npos) refuse("--connect takes HOST:PORT");
  options.host = text.substr(0, colon);
  const double port = parse_number("--connect", text.substr(colon + 1));
  if (port < 1 || port > 65535) refuse("--connect: the port is 1 to 65535");
  options.port = static_cast<std::uint16_t>(port);
}

void set_option(const std::string& key, const std::string& value, Options& options) {
  if (key == "--connect") return parse_target(value, options);
  if (key == "--workload") {
    options.workload = parse_workload(value);
    options.workload_name = value;
    return;
  }
  if (key == "--framing") return static_cast<void>(options.framing = parse_framing(value));
  if (key == "--tls") return static_cast<void>(options.tls = parse_tls(value));
  if (key == "--seconds") return static_cast<void>(options.seconds = parse_number(key, value));
  if (key == "--warmup") {
    return static_cast<void>(options.warmup_seconds = parse_number(key, value));
  }
  if (key == "--rate") return static_cast<void>(options.rate = parse_number(key, value));
  if (key == "--pid") {
    return static_cast<void>(options.server_pid = static_cast<int>(parse_number(key, value)));
  }
  static const std::map<std::string, std::size_t Options::*> kCounts = {
      {"--connections", &Options::connections},
      {"--size", &Options::message_size},
      {"--in-flight", &Options::in_flight},
      {"--stalled", &Options::stalled},
  };
  const auto found = kCounts.find(key);
  if (found == kCounts.end()) refuse("unknown option " + key);
  options.*(found->second) = parse_count(key, value);
}

}  // namespace

Options parse_options(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (std::string_view(argv[i]) == "--help") refuse("usage");
    if (i + 1 == argc) refuse(std::string(argv[i]) + " takes a value");
    set_option(argv[i], argv[i + 1], options);
  }
  if (options.port == 0) refuse("--connect is missing");
  if (options.workload == Workload::kFramed && options.framing == Framing::kNone) {
    options.framing = Framing::kLen4Be;
  }
  if (options.workload == Workload::kLatency && options.rate <= 0) refuse("--rate is above 0");
  return options;
}

}  // namespace tcpkit::load
