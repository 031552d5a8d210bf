// Sockets of the test itself: its calls are not made to fail, since its threads are spared.
#include "faults/client.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "integration/raw_client.h"

namespace faults {
namespace {

// A peer that takes nothing must not make the test wait.
constexpr int kSmallBuffer = 4096;
// Below every limit that a server may have.
constexpr size_t kProbeBytes = 100;

std::string proxy_header(Random& random) {
  if (random.chance(50)) return "PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n";
  using namespace std::string_literals;
  // Version 2 for IPv4 with one TLV of type 4 (no-op) and three bytes.
  return "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12\xC0\0\2\1\xC0\0\2\2\x03\xE8\7\xD0\4\0\3abc"s;
}

}  // namespace

Client::Client(const Settings& settings, uint64_t number) : settings_(settings), number_(number) {}

Client::~Client() {
  close();
}

void Client::connect_to(const std::string& address) {
  const testkit::Target target(address);
  fd_ = socket(target.address()->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &kSmallBuffer, sizeof kSmallBuffer);
  if (connect(fd_, target.address(), target.size()) != 0) return close();
  fcntl(fd_, F_SETFL, fcntl(fd_, F_GETFL) | O_NONBLOCK);
}

void Client::plan_packet(Random& random, size_t largest) {
  if (packets_.empty() && outbox_.empty() && settings_.sends_proxy_headers && random.chance(70)) {
    outbox_ = header_ = proxy_header(random);
  }
  const size_t size = 1 + random.below(largest);
  packets_.push_back(framed_packet(settings_.cut, client_packet(number_, packets_.size(), size)));
  outbox_ += packets_.back();
}

void Client::send_some(size_t most) {
  const size_t size = std::min(most, outbox_.size());
  if (fd_ < 0 || size == 0) return;
  const ssize_t sent = send(fd_, outbox_.data(), size, MSG_NOSIGNAL);
  if (sent <= 0) return;
  sent_bytes_ += static_cast<size_t>(sent);
  outbox_.erase(0, static_cast<size_t>(sent));
}

bool Client::read_some() {
  char bytes[16 << 10];
  if (fd_ < 0 || ended_) return false;
  const ssize_t taken = recv(fd_, bytes, sizeof bytes, 0);
  if (taken > 0) {
    received_.append(bytes, static_cast<size_t>(taken));
    return true;
  }
  ended_ = taken == 0 || errno != EAGAIN;
  return !ended_;
}

void Client::reset() {
  const linger at_once{1, 0};
  if (fd_ >= 0) setsockopt(fd_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close();
}

void Client::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

void Client::act(Random& random) {
  const uint64_t action = random.below(100);
  if (action < 45) {
    if (outbox_.size() < 256 << 10) plan_packet(random, settings_.largest_packet);
    return send_some(random.chance(60) ? SIZE_MAX : 1 + random.below(64));
  }
  if (action < 60) return send_some(SIZE_MAX);
  if (action < 90) return void(read_some());
  if (action < 92) return void(fd_ >= 0 && shutdown(fd_, SHUT_WR));
  if (action < 93) return reset();
  if (action < 94) return close();
}

bool Client::exchanges_a_packet(int timeout_ms) {
  Random random(number_);
  plan_packet(random, kProbeBytes);
  const size_t wanted = packets_.back().size();
  pollfd entry{fd_, POLLIN, 0};
  while (received_.size() < wanted && fd_ >= 0 && !ended_) {
    send_some(SIZE_MAX);
    if (poll(&entry, 1, timeout_ms) <= 0 || !read_some()) break;
  }
  return received_.find(packets_.back()) != std::string::npos;
}

void Client::check() const {
  if (settings_.cut != Cut::kNone) return check_packets();
  // The begin of a header with nothing behind it is data.
  std::string expected = sent_bytes_ < header_.size() ? header_ : "";
  for (const std::string& packet : packets_) expected += packet;
  EXPECT_LE(received_.size(), sent_bytes_) << "client " << number_;
  EXPECT_TRUE(expected.starts_with(received_)) << "the echo to client " << number_;
}

void Client::check_packets() const {
  if (sent_bytes_ < header_.size()) return;  // what came of it may be taken for packets
  std::string_view rest = received_;
  std::string_view packet;
  size_t echoed = 0;
  size_t echoed_bytes = 0;
  uint64_t announced = 0;
  std::string conn_id;
  while (take_packet(settings_.cut, rest, packet)) {
    if (packet.starts_with('A')) {
      if (conn_id.empty()) conn_id = packet.substr(1, packet.find(':') - 1);
      EXPECT_EQ(announcement(std::stoull("0" + conn_id), announced), packet);
      ++announced;
      continue;
    }
    ASSERT_LT(echoed, packets_.size()) << "client " << number_ << " got more than it sent";
    ASSERT_EQ(packets_[echoed], framed_packet(settings_.cut, packet)) << "client " << number_;
    echoed_bytes += packets_[echoed++].size();
  }
  EXPECT_LE(echoed == 0 ? 0 : header_.size() + echoed_bytes, sent_bytes_);
  // What is cut off at the end.
  if (rest.empty() || echoed == packets_.size()) return;
  const size_t kind_at = settings_.cut == Cut::kLength4 ? 4 : 0;
  if (rest.size() <= kind_at || rest[kind_at] == 'A') return;
  EXPECT_TRUE(packets_[echoed].starts_with(rest)) << "the last bytes to client " << number_;
}

}  // namespace faults
