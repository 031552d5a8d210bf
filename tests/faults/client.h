// One raw client of a run: does a little of this and that, never waits for the server, and knows
// what may come back.
#pragma once

#include <string>
#include <vector>

#include "faults/random.h"
#include "faults/settings.h"

namespace faults {

class Client {
 public:
  Client(const Settings& settings, uint64_t number);
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;
  ~Client();

  // A connect that fails leaves a client without a connection.
  void connect_to(const std::string& address);
  // Something that a peer may do, of its own choice.
  void act(Random& random);
  // Sends one whole packet, and returns whether it came back in time.
  bool exchanges_a_packet(int timeout_ms);
  // Takes what is there now; false at the end of the stream.
  bool read_some();
  void close();
  // Everything that came back is the echo of what was sent, in order, up to some byte, with
  // announcements of one connection in between.
  void check() const;

 private:
  void plan_packet(Random& random, size_t largest);
  void send_some(size_t most);
  void reset();
  void check_packets() const;

  const Settings& settings_;
  const uint64_t number_;
  int fd_ = -1;
  bool ended_ = false;
  std::string outbox_;                // not sent yet
  std::vector<std::string> packets_;  // all that were begun to be sent
  std::string header_;                // PROXY header before them
  size_t sent_bytes_ = 0;
  std::string received_;
};

}  // namespace faults
