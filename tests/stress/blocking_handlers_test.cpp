// Five hundred handlers at once, each in a blocking read: they echo, and a cancel, a stop and a
// drain wake every one of them.
#include <atomic>
#include <cstdlib>

#include "integration/blocking_support.h"
#include "integration/child_process.h"

using namespace testkit;

namespace {

constexpr size_t kHandlers = 500;
constexpr size_t kFewHandlers = 100;  // where the environment asks to be spared
// Until the last handler is woken: a few milliseconds on a quiet machine, and no timeout is as
// short.
constexpr int64_t kWakeMs = 250;
constexpr int64_t kSparedWakeMs = 2000;

bool is_spared() {
  return std::getenv("TCPKIT_TEST_SLOW") != nullptr || kThreadSanitizer || kAddressSanitizer;
}

class BlockingHandlers : public testing::Test {
 protected:
  BlockingHandlers() {
    options_.max_handler_threads = kHandlers;
    options_.handler_stack_size = 256 << 10;
    server_ = std::make_unique<TestServer>(
        options_,
        Behaviour{
            .on_open =
                [this](tcpkit_conn* conn) { conns_.push_back(KeptConn(tcpkit_conn_retain(conn))); },
            .on_connection = [this](tcpkit_conn* conn) { echo_until_it_ends(conn); }});
    for (size_t i = 0; i < count_; ++i) clients_.push_back(server_->connect());
    EXPECT_TRUE(server_->wait_opens(count_));
    for (RawClient& client : clients_) client.send("ping");
    for (RawClient& client : clients_) EXPECT_EQ(client.receive(4), "ping");
  }

  void echo_until_it_ends(tcpkit_conn* conn) {
    ReadResult read = read_some(conn, 4096);
    for (; read.status == TCPKIT_OK; read = read_some(conn, 4096)) {
      (void)write_text(conn, read.bytes);
    }
    last_status_ = read.status;
    ++woken_;
  }

  // Does it, and returns how long it took until all handlers were woken.
  int64_t ms_to_wake(const std::function<void()>& action) {
    const auto start = std::chrono::steady_clock::now();
    action();
    EXPECT_TRUE(server_->wait_until([&] { return woken_ == count_; }));
    const auto elapsed = std::chrono::steady_clock::now() - start;
    return std::chrono::duration_cast<std::chrono::milliseconds>(elapsed).count();
  }

  const size_t count_ = is_spared() ? kFewHandlers : kHandlers;
  const int64_t most_ms_ = is_spared() ? kSparedWakeMs : kWakeMs;
  tcpkit_server_options options_ = with_loops(1);
  std::vector<KeptConn> conns_;
  std::atomic<size_t> woken_{0};
  std::atomic<tcpkit_status> last_status_{TCPKIT_OK};
  std::unique_ptr<TestServer> server_;
  std::vector<RawClient> clients_;
};

TEST_F(BlockingHandlers, AllAreWokenByCancel) {
  EXPECT_EQ(server_->metrics().handler_threads, count_ + 1);
  EXPECT_LE(ms_to_wake([&] {
              for (const KeptConn& conn : conns_) (void)tcpkit_conn_cancel(conn.get());
            }),
            most_ms_);
  EXPECT_EQ(last_status_, TCPKIT_E_CANCELLED);
}

TEST_F(BlockingHandlers, AllAreWokenByStop) {
  EXPECT_LE(ms_to_wake([&] { server_->stop(); }), most_ms_);
  EXPECT_EQ(last_status_, TCPKIT_E_CLOSED);
  EXPECT_EQ(server_->metrics().handler_threads, 0u);
  EXPECT_EQ(server_->metrics().total_read, 4 * count_);
  EXPECT_EQ(server_->metrics().total_written, 4 * count_);
}

TEST_F(BlockingHandlers, AllAreWokenByDrain) {
  EXPECT_LE(ms_to_wake([&] {
              // On a loop it only begins.
              EXPECT_TRUE(run_on_loop(conns_.front().get(), [&](tcpkit_conn*) {
                (void)tcpkit_server_drain(server_->get(), 10'000, nullptr);
              }));
            }),
            most_ms_);
  EXPECT_EQ(last_status_, TCPKIT_E_CANCELLED);
  clients_.clear();
  EXPECT_EQ(tcpkit_server_wait(server_->get()), TCPKIT_OK);
}

}  // namespace
