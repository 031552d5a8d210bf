// Measuring interval, CPU time of the server, and the line of JSON at the end.
#include "report.h"

#include <dirent.h>

#include <cstdio>

#include "clock.h"

namespace tcpkit::load {
namespace {

double read_schedstat_seconds(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "re");
  if (file == nullptr) return 0;
  unsigned long long run_ns = 0;
  const int fields = std::fscanf(file, "%llu", &run_ns);
  std::fclose(file);
  return fields == 1 ? static_cast<double>(run_ns) * 1e-9 : 0;
}

double to_us(std::uint64_t ns) {
  return static_cast<double>(ns) * 1e-3;
}

}  // namespace

double read_cpu_seconds(int pid) {
  const std::string folder = "/proc/" + std::to_string(pid) + "/task";
  DIR* directory = ::opendir(folder.c_str());
  if (directory == nullptr) return -1;
  double seconds = 0;
  while (const dirent* entry = ::readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    seconds += read_schedstat_seconds(folder + "/" + entry->d_name + "/schedstat");
  }
  ::closedir(directory);
  return seconds;
}

Interval::Interval(const Options& options)
    : options_(options), next_step_ns_(now_ns() + seconds_to_ns(options.warmup_seconds)) {}

bool Interval::step(std::uint64_t now, Result& result) {
  if (began_ns_ == 0) {
    result.messages = 0;
    result.bytes = 0;
    result.latency.reset();
    if (options_.server_pid > 0) cpu_seconds_at_begin_ = read_cpu_seconds(options_.server_pid);
    began_ns_ = now_ns();
    next_step_ns_ = began_ns_ + seconds_to_ns(options_.seconds);
    return false;
  }
  result.seconds = static_cast<double>(now - began_ns_) * 1e-9;
  if (options_.server_pid > 0) {
    result.server_cpu_seconds = read_cpu_seconds(options_.server_pid) - cpu_seconds_at_begin_;
  }
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
  std::printf("\"congestion_control\": \"%s\", \"errors\": %llu}\n",
              result.congestion_control.c_str(), static_cast<unsigned long long>(result.errors));
  std::fflush(stdout);
}

}  // namespace tcpkit::load
