// Command line of the load generator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace tcpkit::load {

enum class Workload { kEcho, kFramed, kStream, kConnect, kIdle, kLatency, kBroadcast };
enum class Framing { kNone, kLen4Be, kLine };
enum class Tls { kOff, kFull, kResumed };  // kResumed: `connect` begins with the ticket before

struct Options {
  Workload workload = Workload::kEcho;
  std::string workload_name = "echo";
  Framing framing = Framing::kNone;
  Tls tls = Tls::kOff;
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::size_t connections = 50;
  std::size_t message_size = 64;  // payload bytes; a line's newline and a length prefix come on top
  std::size_t in_flight = 1;      // messages that a connection keeps unanswered
  std::size_t stalled = 0;        // broadcast: connections more, which never read
  double seconds = 1.0;           // measured interval
  double warmup_seconds = 0.3;
  double rate = 10000.0;  // latency: messages per second over all connections
  int server_pid = 0;     // 0: server CPU time is not measured
};

// Exits with status 2 and a message when the command line is wrong.
Options parse_options(int argc, char** argv);

}  // namespace tcpkit::load
