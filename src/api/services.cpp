// tcpkit_run_services: reads the array, and checks all of it before anything starts.
#include "services/services.h"

#include "api/guard.h"

using namespace tcpkit;

namespace {

constexpr uint64_t kDrainTimeoutMs = 10'000;

Status read_settings(const tcpkit_run_options* options, RunSettings& settings) noexcept {
  tcpkit_run_options copy = TCPKIT_RUN_OPTIONS_INIT;
  const Status status =
      options == nullptr ? Status{TCPKIT_OK} : copy_struct(options, copy, "options");
  if (status != TCPKIT_OK) return status;
  if (copy.handle_signals != TCPKIT_DEFAULT && copy.handle_signals != TCPKIT_ON &&
      copy.handle_signals != TCPKIT_OFF) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "options: handle_signals is %d, which is no switch",
                copy.handle_signals);
  }
  settings.handles_signals = copy.handle_signals != TCPKIT_OFF;
  settings.drain_timeout_ms = copy.drain_timeout_ms == 0 ? kDrainTimeoutMs : copy.drain_timeout_ms;
  return TCPKIT_OK;
}

Status check_service(const tcpkit_service& service, size_t index) noexcept {
  const auto invalid = [index](const char* why) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "services[%zu]: %s", index, why);
  };
  if (service.server == nullptr && service.client == nullptr) {
    return invalid("neither server nor client is set");
  }
  if (service.server != nullptr && service.client != nullptr) {
    return invalid("server and client are both set");
  }
  if (service.client != nullptr && service.address == nullptr) {
    return invalid("a client needs an address");
  }
  if (service.server != nullptr && service.address != nullptr) {
    return invalid("address is for clients; a server has listen");
  }
  if (service.server != nullptr) return Server::from_handle(service.server)->fork_check();
  return Client::from_handle(service.client)->fork_check();
}

// The size of an element is the struct_size of the first one, so that programs and libraries with
// elements of different sizes fit.
Status read_services(const tcpkit_service* services, size_t count, std::vector<Service>& read) {
  if (count == 0) return TCPKIT_OK;
  Status status = check_not_null(services, "services");
  if (status != TCPKIT_OK) return status;
  const size_t element_size = services->struct_size;
  const auto* element = reinterpret_cast<const unsigned char*>(services);
  for (size_t i = 0; i < count; ++i, element += element_size) {
    const auto* given = reinterpret_cast<const tcpkit_service*>(element);
    tcpkit_service service = TCPKIT_SERVICE_INIT;
    status = copy_struct(given, service, "services");
    if (status != TCPKIT_OK) return status;
    if (given->struct_size != element_size) {
      return fail(TCPKIT_E_STRUCT_SIZE, "services[%zu]: struct_size is %u, that of services[0] %zu",
                  i, given->struct_size, element_size);
    }
    status = check_service(service, i);
    if (status != TCPKIT_OK) return status;
    read.push_back({service.server == nullptr ? nullptr : Server::from_handle(service.server),
                    service.client == nullptr ? nullptr : Client::from_handle(service.client),
                    service.address});
  }
  return TCPKIT_OK;
}

}  // namespace

void tcpkit_service_init(tcpkit_service* service) {
  if (service != nullptr) *service = TCPKIT_SERVICE_INIT;
}

void tcpkit_run_options_init(tcpkit_run_options* options) {
  if (options != nullptr) *options = TCPKIT_RUN_OPTIONS_INIT;
}

tcpkit_status tcpkit_run_services(const tcpkit_service* services, size_t service_count,
                                  const tcpkit_run_options* options) {
  return guarded([&] {
    RunSettings settings;
    Status status = read_settings(options, settings);
    if (status != TCPKIT_OK) return status;
    std::vector<Service> read;
    status = read_services(services, service_count, read);
    return status == TCPKIT_OK ? run_services(read, settings) : status;
  });
}
