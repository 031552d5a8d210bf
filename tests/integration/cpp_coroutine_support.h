// What the tests of coroutines share: a server with one coroutine per connection whose end, and the
// end of whose connections, is told.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "integration/cpp_support.h"

namespace cpp_support {

inline tcpkit::ServerOptions byte_options() {
  tcpkit::ServerOptions options;
  options.loops = 1;
  return options;
}

// Runs body for each connection. What its awaits answered is put into told by the test itself.
class CoServer {
 public:
  using Body = std::function<tcpkit::Task<>(tcpkit::CoConn)>;

  CoServer(const tcpkit::ServerOptions& options, Body body) : server_(options) {
    server_.on_connection(std::move(body));
    server_.on_close([this](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
      closed_.put({info.reason, info.status});
    });
    address_ = start_on_free_port(server_);
  }

  const tcpkit::Server& get() const { return server_; }
  const std::string& address() const { return address_; }
  // How the first connection ended; waited for.
  Closed closed() {
    const auto all = closed_.wait_for(1);
    return all.empty() ? Closed{0, TCPKIT_OK} : all.front();
  }
  std::size_t closed_count(std::size_t wanted) { return closed_.wait_for(wanted).size(); }

 private:
  Mailbox<Closed> closed_;
  tcpkit::Server server_;
  std::string address_;
};

inline std::string text_of(tcpkit::Bytes bytes) {
  return std::string(bytes.text());
}

// Writes down that it was destroyed: for counting in frames.
class Probe {
 public:
  explicit Probe(int& alive) : alive_(&alive) { ++*alive_; }
  Probe(const Probe& other) : Probe(*other.alive_) {}
  Probe& operator=(const Probe&) = delete;
  ~Probe() { --*alive_; }

 private:
  int* alive_;
};

}  // namespace cpp_support
