// Packets are answered in reverse, by threads that a strategy of your own hands connections to.
#include <condition_variable>
#include <deque>
#include <iostream>
#include <mutex>
#include <string>
#include <tcpkit.hpp>
#include <thread>
#include <vector>

class OwnThreads : public tcpkit::Strategy {
 public:
  void on_start(tcpkit::ServerRef) override {
    while (threads_.size() < 64) threads_.emplace_back([this](auto stop) { drive(stop); });
  }
  void on_accept(tcpkit::ConnRef conn) override {
    conn.detach().or_throw();  // what is thrown here closes the connection
    const std::lock_guard lock(mutex_);
    waiting_.push_back(conn.retain());
    changed_.notify_one();
  }
  void on_stop(tcpkit::ServerRef) override { threads_.clear(); }  // all connections have ended

 private:
  void drive(std::stop_token stop) {
    std::unique_lock lock(mutex_);
    while (changed_.wait(lock, stop, [this] { return !waiting_.empty(); })) {
      const tcpkit::Conn conn = std::move(waiting_.front());
      waiting_.pop_front();
      lock.unlock();
      serve(conn);
      conn.close();
      lock.lock();
    }
  }
  static void serve(const tcpkit::Conn& conn) {
    for (tcpkit::Bytes packet; conn.read_packet(packet).ok();) {
      const std::string_view text = packet.text();
      if (!conn.write_packet(std::string(text.rbegin(), text.rend())).ok()) return;
    }
  }

  std::mutex mutex_;
  std::condition_variable_any changed_;
  std::deque<tcpkit::Conn> waiting_;   // for a thread
  std::vector<std::jthread> threads_;  // last, so joined first
};

int main(int argc, char** argv) try {
  tcpkit::Server server{{.framing = tcpkit::Framing::length(4),
                         .max_packet_size = 64 * 1024,
                         .strategy = std::make_shared<OwnThreads>()}};
  server.listen(argc > 1 ? argv[1] : "tcp://127.0.0.1:7000");
  std::cout << "listening on " << server.listener_address() << std::endl;
  server.run();  // until SIGINT or SIGTERM
} catch (const std::exception& error) {
  std::cerr << error.what() << '\n';
  return 1;
}
