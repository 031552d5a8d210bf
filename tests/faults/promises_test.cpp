// What a call has promised is kept even if from then on the loops get no memory, or cannot watch a
// descriptor; and what takes a server to its end takes nothing that can run out.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "faults/faults.h"
#include "faults/run.h"
#include "integration/raw_client.h"
#include "tcpkit.h"

using namespace faults;
using testkit::RawClient;

namespace {

constexpr const char* kFreePort = "tcp://127.0.0.1:0";
constexpr size_t kClients = 20;

Plan without_memory() {
  return Plan{}.with(Site::kNew, 1000).with(Site::kMalloc, 1000);
}

// Echoes lines and counts, in callbacks that take no memory.
class Echo {
 public:
  explicit Echo(uint32_t loops = 1) {
    tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
    options.loops = loops;
    options.framing = tcpkit_framing_line();
    options.close_timeout_ms = 20;  // the clients do not end their streams
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.on_packet = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void*) {
      (void)tcpkit_conn_send_packet(conn, data, size);
    };
    handlers.on_drain = [](tcpkit_conn*, void* user_data) { ++of(user_data).drains; };
    handlers.on_close = [](tcpkit_conn*, const tcpkit_close_info*, void* user_data) {
      ++of(user_data).closes;
    };
    handlers.user_data = this;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server_));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server_, kFreePort, nullptr));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server_));
  }
  Echo(const Echo&) = delete;
  Echo& operator=(const Echo&) = delete;
  ~Echo() { tcpkit_server_free(server_); }

  tcpkit_server* get() const { return server_; }
  tcpkit_loop* loop() const { return tcpkit_server_loop(server_, 0); }
  std::string address(size_t index = 0) const {
    char text[100] = "";
    tcpkit_server_listener_address(server_, index, text, sizeof text);
    return text;
  }
  // Of which each has had an echo: none of them is about to speak for the first time.
  std::vector<RawClient> clients() const {
    std::vector<RawClient> clients;
    for (size_t i = 0; i < kClients; ++i) {
      clients.emplace_back(address());
      clients.back().send("hello\n");
      EXPECT_EQ("hello\n", clients.back().receive(6));
    }
    return clients;
  }

  std::atomic<size_t> drains{0};
  std::atomic<size_t> closes{0};

 private:
  static Echo& of(void* user_data) { return *static_cast<Echo*>(user_data); }

  tcpkit_server* server_ = nullptr;
};

class Promises : public ::testing::Test {
 protected:
  void TearDown() override { end(); }

 private:
  const Scope spared_{Mode::kSpared};
  const Watchdog watchdog_{0};
};

TEST_F(Promises, ADrainWithoutMemoryAsksEveryConnectionAndEnds) {
  const Echo echo;
  const std::vector<RawClient> clients = echo.clients();
  begin(without_memory());
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(echo.get(), TCPKIT_UNLIMITED, nullptr));
  EXPECT_EQ(kClients, echo.drains);
  EXPECT_EQ(kClients, echo.closes);
}

TEST_F(Promises, AStopWithoutMemoryEndsEveryConnection) {
  const Echo echo(2);
  const std::vector<RawClient> clients = echo.clients();
  begin(without_memory());
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(echo.get()));
  EXPECT_EQ(kClients, echo.closes);
}

TEST_F(Promises, ATimerThatWasStartedComesDueOnALoopWithoutMemory) {
  const Echo echo;
  std::atomic<int> calls{0};
  tcpkit_timer_options options = TCPKIT_TIMER_OPTIONS_INIT;
  options.user_data = &calls;
  options.on_timer = [](tcpkit_loop*, void* counter) {
    ++*static_cast<std::atomic<int>*>(counter);
  };
  begin(without_memory());
  for (int i = 0; i < 100; ++i) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_loop_start_timer(echo.loop(), &options, nullptr));
  }
  while (calls < 100) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST_F(Promises, AListenerThatWasAddedInARunIsServedOnceItCanBeWatched) {
  const Echo echo;
  begin(without_memory().with(Site::kWatch, 1000));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(echo.get(), kFreePort, nullptr));
  RawClient client(echo.address(1));
  client.send("hello\n");
  std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_TRUE(client.is_silent());
  end();
  EXPECT_EQ("hello\n", client.receive(6));
}

TEST_F(Promises, AcceptingGoesOnByItselfOnceItCan) {
  const Echo echo;
  for (const Site site : {Site::kAccept, Site::kWatch, Site::kMalloc}) {
    begin(Plan{}.with(site, 1000));
    RawClient unlucky(echo.address());
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    end();
    RawClient client(echo.address());
    client.send("hello\n");
    EXPECT_EQ("hello\n", client.receive(6));
  }
}

// The hook is told of a start that then fails; what it has posted runs on the thread of that start.
TEST_F(Promises, ATaskThatStopsAServerWhoseStartFailsDoesNotWaitForItself) {
  struct Told {
    int starts = 0;
    int stops = 0;
    int tasks = 0;
    tcpkit_server* server = nullptr;
  } told;
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.user_data = &told;
  strategy.on_start = [](tcpkit_server* server, void* user_data) {
    ++static_cast<Told*>(user_data)->starts;
    const auto stop = [](tcpkit_loop*, void* posted) {
      ++static_cast<Told*>(posted)->tasks;
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_stop(static_cast<Told*>(posted)->server));
    };
    EXPECT_EQ(TCPKIT_OK, tcpkit_loop_post(tcpkit_server_loop(server, 0), stop, user_data, nullptr));
  };
  strategy.on_stop = [](tcpkit_server*, void* user_data) {
    ++static_cast<Told*>(user_data)->stops;
  };
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.strategy = &strategy;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, nullptr, &told.server));
  begin(Plan{}.with(Site::kStartThread, 1000));
  EXPECT_LT(exposed([&] { return tcpkit_server_start(told.server); }), 0);
  EXPECT_EQ(1, told.starts);
  EXPECT_EQ(1, told.stops);
  EXPECT_EQ(1, told.tasks);
  tcpkit_server_free(told.server);
}

}  // namespace
