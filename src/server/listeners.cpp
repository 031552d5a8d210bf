// Settings of listeners from server and listen options; several sockets on one port for reuse_port.
#include "server/listeners.h"

#include <string_view>

namespace tcpkit {
namespace {

bool switched_on(tcpkit_switch own, tcpkit_switch of_server) noexcept {
  return (own == TCPKIT_DEFAULT ? of_server : own) == TCPKIT_ON;
}

Status check_switch(tcpkit_switch value, const char* name) noexcept {
  if (value >= TCPKIT_DEFAULT && value <= TCPKIT_OFF) return TCPKIT_OK;
  return fail(TCPKIT_E_INVALID_ARGUMENT, "listen options: %s is %d, which is none of its constants",
              name, value);
}

bool is_tcp(tcpkit_network network) noexcept {
  return network == TCPKIT_NETWORK_TCP || network == TCPKIT_NETWORK_TCP4 ||
         network == TCPKIT_NETWORK_TCP6;
}

}  // namespace

Status Listeners::make_entry(const char* address, const tcpkit_listen_options& listen_options,
                             Entry& entry) const {
  Status status = check_switch(listen_options.reuse_port, "reuse_port");
  if (status == TCPKIT_OK) status = check_switch(listen_options.dual_stack, "dual_stack");
  if (status == TCPKIT_OK) status = check_switch(listen_options.tls, "tls");
  if (status != TCPKIT_OK) return status;
  ListenSettings& settings = entry.settings;
  settings.text = address;
  status = parse_address(address, settings.address);
  if (status != TCPKIT_OK) return status;
  const tcpkit_network network = settings.address.network;
  const uint32_t backlog = listen_options.backlog != 0 ? listen_options.backlog : options_.backlog;
  settings.backlog = static_cast<int>(backlog > 0x7FFFFFFFu ? 0x7FFFFFFFu : backlog);
  settings.reuse_port =
      is_tcp(network) && switched_on(listen_options.reuse_port, options_.reuse_port);
  if (settings.reuse_port && options_.pool_size != TCPKIT_UNLIMITED) {
    return fail(TCPKIT_E_INVALID_ARGUMENT,
                "listen options: reuse_port excludes the server's pool_size: the kernel chooses "
                "the loop");
  }
  settings.dual_stack =
      network == TCPKIT_NETWORK_TCP && switched_on(listen_options.dual_stack, options_.dual_stack);
  settings.no_delay = options_.no_delay == TCPKIT_ON;
  if (listen_options.tls == TCPKIT_ON && options_.tls == nullptr) {
    return fail(TCPKIT_E_INVALID_ARGUMENT, "listen options: tls needs the server's options.tls");
  }
  const bool is_tls = options_.tls != nullptr && listen_options.tls != TCPKIT_OFF;
  settings.transport = is_tls ? Transport::kTls : Transport::kPlain;
  settings.keep_alive_ms = options_.keep_alive_ms;
  settings.receive_buffer_size = options_.receive_buffer_size;
  settings.send_buffer_size = options_.send_buffer_size;
  return TCPKIT_OK;
}

Status Listeners::add_list(const char* addresses) {
  std::string_view rest(addresses);
  while (!rest.empty()) {
    const size_t comma = rest.find(',');
    const std::string address(rest.substr(0, comma));
    Entry entry;
    const Status status = make_entry(address.c_str(), TCPKIT_LISTEN_OPTIONS_INIT, entry);
    if (status != TCPKIT_OK) return status;
    entries_.push_back(std::move(entry));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return TCPKIT_OK;
}

Status Listeners::open(Entry& entry, size_t loop_count) const {
  if (!entry.sockets.empty()) return TCPKIT_OK;
  const size_t wanted = entry.settings.reuse_port ? loop_count : 1;
  ListenSettings settings = entry.settings;
  std::vector<std::unique_ptr<ListenSocket>> sockets;
  while (sockets.size() < wanted) {
    std::unique_ptr<ListenSocket> opened;
    const Status status = ListenSocket::open(settings, opened);
    if (status != TCPKIT_OK) return status;
    // A free port that the first one got is what the others share.
    settings.address.port = opened->bound_port();
    sockets.push_back(std::move(opened));
  }
  entry.sockets = std::move(sockets);
  return TCPKIT_OK;
}

Status Listeners::open_all(size_t loop_count) {
  for (Entry& entry : entries_) {
    entry.opened_by_start = entry.sockets.empty();
    const Status status = open(entry, loop_count);
    if (status == TCPKIT_OK) continue;
    undo_open_all();
    return status;
  }
  return TCPKIT_OK;
}

void Listeners::undo_open_all() noexcept {
  for (Entry& entry : entries_) {
    if (entry.opened_by_start) entry.sockets.clear();
    entry.opened_by_start = false;
  }
}

void Listeners::keep_all() noexcept {
  for (Entry& entry : entries_) entry.keep();
}

void Listeners::close_all() noexcept {
  for (Entry& entry : entries_) entry.sockets.clear();
}

int Listeners::hand_over(size_t index) noexcept {
  if (index >= entries_.size() || entries_[index].sockets.empty()) return -1;
  return entries_[index].sockets.front()->hand_over();
}

std::string Listeners::bound_text(size_t index) const {
  if (index >= entries_.size() || entries_[index].sockets.empty()) return {};
  return entries_[index].sockets.front()->bound_text();
}

}  // namespace tcpkit
