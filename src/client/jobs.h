// What other threads ask of a client, on its way to the loop.
#pragma once

#include <string>

#include "client/client.h"

namespace tcpkit {

class Client::ConnectJob final : public Task {
 public:
  ConnectJob(Client& client, const tcpkit_address& target, const char* written, std::string name)
      : address(target), text(written), verified_name(std::move(name)), client_(client) {}
  void run() noexcept override {
    Client& client = client_;
    client.connect_here(*this);
    delete this;
    client.job_done();
  }

  const tcpkit_address address;
  std::string text;
  std::string verified_name;

 private:
  Client& client_;
};

class Client::CloseJob final : public Task {
 public:
  explicit CloseJob(Client& client) noexcept : client_(client) {}
  void run() noexcept override {
    Client& client = client_;
    delete this;
    client.close_here();
    client.job_done();
  }

 private:
  Client& client_;
};

}  // namespace tcpkit
