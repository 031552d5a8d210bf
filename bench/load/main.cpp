// tcpkit-load: puts load on a TCP echo server from one thread with plain system calls, checks every
// byte that comes back, and prints one line of JSON. It costs about as much per message as a
// perfect server does, so that the server is what is measured.
#include "options.h"
#include "report.h"
#include "workloads.h"

namespace tcpkit::load {
namespace {

Result run(const Options& options) {
  switch (options.workload) {
    case Workload::kConnect:
      return run_connects(options);
    case Workload::kIdle:
      return run_idle(options);
    case Workload::kLatency:
      return run_open_loop(options);
    case Workload::kBroadcast:
      return run_broadcast(options);
    case Workload::kEcho:
    case Workload::kFramed:
    case Workload::kStream:
      break;
  }
  return run_closed_loop(options);
}

}  // namespace
}  // namespace tcpkit::load

int main(int argc, char** argv) {
  const tcpkit::load::Options options = tcpkit::load::parse_options(argc, argv);
  const tcpkit::load::Result result = tcpkit::load::run(options);
  tcpkit::load::print_result(options, result);
  return result.errors == 0 ? 0 : 1;
}
