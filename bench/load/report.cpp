// Measuring interval, CPU time of the server, and the line of JSON at the end.
#include "report.h"

#include <dirent.h>
#include <unistd.h>

#include <cstdio>

#include "clock.h"

namespace tcpkit::load {
namespace {

CpuTimes read_schedstat(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return {};
  unsigned long long run_ns = 0;
  unsigned long long wait_ns = 0;
  const int fields = std::fscanf(file, "%llu %llu", &run_ns, &wait_ns);
  std::fclose(file);
  if (fields != 2) return {};
  return {static_cast<double>(run_ns) * 1e-9, static_cast<double>(wait_ns) * 1e-9};
}

double to_us(std::uint64_t ns) {
  return static_cast<double>(ns) * 1e-3;
}

}  // namespace

CpuTimes read_cpu_times(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) return {};
  CpuTimes sum;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    const CpuTimes thread = read_schedstat(folder + "/" + entry->d_name + "/schedstat");
    sum.run_seconds += thread.run_seconds;
    sum.wait_seconds += thread.wait_seconds;
  }
  ::closedir(directory);
  return sum;
}

Interval::Interval(const Options& options)
    : options_(options), next_step_ns_(now_ns() + seconds_to_ns(options.warmup_seconds)) {}

bool Interval::step(std::uint64_t now, Result& result) {
  if (began_ns_ == 0) {
    result.messages = 0;
    result.bytes = 0;
    result.latency.reset();
    if (options_.server_pid > 0) server_at_begin_ = read_cpu_times(options_.server_pid);
    load_at_begin_ = read_cpu_times(::getpid());
    began_ns_ = now_ns();
    next_step_ns_ = began_ns_ + seconds_to_ns(options_.seconds);
    return false;
  }
  result.seconds = static_cast<double>(now - began_ns_) * 1e-9;
  result.waited_seconds = read_cpu_times(::getpid()).wait_seconds - load_at_begin_.wait_seconds;
  if (options_.server_pid <= 0) return true;
  const CpuTimes server = read_cpu_times(options_.server_pid);
  result.server_cpu_seconds = server.run_seconds - server_at_begin_.run_seconds;
  result.waited_seconds += server.wait_seconds - server_at_begin_.wait_seconds;
  return true;
}

void print_result(const Options& options, const Result& result) {
  const double seconds = result.seconds > 0 ? result.seconds : 1;
  const auto messages = static_cast<double>(result.messages);
  const auto bytes = static_cast<double>(result.bytes);
  std::printf("{\"workload\": \"%s\", \"connections\": %zu, \"size\": %zu, \"in_flight\": %zu, ",
              options.workload_name.c_str(), options.connections, options.message_size,
              options.in_flight);
  std::printf("\"messages\": %llu, \"bytes\": %llu, \"seconds\": %.6f, ",
              static_cast<unsigned long long>(result.messages),
              static_cast<unsigned long long>(result.bytes), result.seconds);
  std::printf("\"messages_per_second\": %.1f, \"bytes_per_second\": %.1f, ", messages / seconds,
              bytes / seconds);
  const double cpu = result.server_cpu_seconds;
  if (cpu > 0) {
    std::printf("\"server_cpu_seconds\": %.6f, \"messages_per_server_cpu_second\": %.1f, ", cpu,
                messages / cpu);
    std::printf("\"bytes_per_server_cpu_second\": %.1f, ", bytes / cpu);
  }
  const Histogram& latency = result.latency;
  std::printf("\"latency_us\": {\"count\": %llu, \"p50\": %.2f, \"p90\": %.2f, \"p99\": %.2f, ",
              static_cast<unsigned long long>(latency.count()), to_us(latency.value_at(0.5)),
              to_us(latency.value_at(0.9)), to_us(latency.value_at(0.99)));
  std::printf("\"p99.9\": %.2f, \"max\": %.2f}, ", to_us(latency.value_at(0.999)),
              to_us(latency.max_ns()));
  std::printf("\"waited_seconds\": %.6f, ", result.waited_seconds);
  std::printf("\"congestion_control\": \"%s\", \"errors\": %llu}\n",
              result.congestion_control.c_str(), static_cast<unsigned long long>(result.errors));
  std::fflush(stdout);
}

}  // namespace tcpkit::load
