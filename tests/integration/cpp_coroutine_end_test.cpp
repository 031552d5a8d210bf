// How coroutines end: with their connection, by themselves, by exceptions, and on other threads.
#include <gtest/gtest.h>

#include <coroutine>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "integration/cpp_coroutine_support.h"

namespace {

using namespace cpp_support;
using namespace std::chrono_literals;
using tcpkit::CoConn;
using tcpkit::Task;

using Told = Mailbox<std::pair<std::string, tcpkit_status>>;

// One coroutine waits for a packet, one for a time, one for a notification; each tells its answer.
CoServer::Body wait_for_everything(Told& told) {
  return [&told](CoConn conn) -> Task<> {
    conn.spawn([&told](CoConn same) -> Task<> {
      const tcpkit::Status slept = co_await same.sleep_for(1h);
      told.put({"sleep", slept.code()});
    });
    conn.spawn([&told](CoConn same) -> Task<> {
      const tcpkit::Status notified = co_await same.notified();
      told.put({"notified", notified.code()});
    });
    co_await conn.write_packet("ready");
    const auto packet = co_await conn.read_packet();
    told.put({"read", packet.status().code()});
    told.put({"read again", (co_await conn.read_packet()).status().code()});
    told.put({"sleep again", (co_await conn.sleep_for(1h)).code()});
    told.put({"write", (co_await conn.write_packet("x")).code()});
  };
}

void expect_told(Told& told, tcpkit_status read, tcpkit_status other) {
  std::vector<std::pair<std::string, tcpkit_status>> all = told.wait_for(6);
  ASSERT_EQ(6u, all.size());
  for (const auto& [name, status] : all) {
    const bool is_read = name.starts_with("read");
    EXPECT_EQ(name == "write" ? TCPKIT_E_CLOSED : is_read ? read : other, status) << name;
  }
}

tcpkit::Conn only_conn(const CoServer& server) {
  std::vector<tcpkit::Conn> conns = server.get().list();
  return conns.empty() ? tcpkit::Conn() : conns.front();
}

TEST(CppCoroutineEnd, AStopAnswersAllThatWait) {
  Told told;
  CoServer server(line_options(), wait_for_everything(told));
  const Client client(server.address());
  ASSERT_EQ("ready\n", client.receive(6));
  server.get().stop();
  expect_told(told, TCPKIT_E_CLOSED, TCPKIT_E_CANCELLED);
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.closed().reason);
  EXPECT_EQ(1u, server.closed_count(1));
}

TEST(CppCoroutineEnd, AResetByThePeerAnswersAllThatWait) {
  Told told;
  CoServer server(line_options(), wait_for_everything(told));
  {
    const Client client(server.address());
    ASSERT_EQ("ready\n", client.receive(6));
    const linger at_once{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  expect_told(told, TCPKIT_E_RESET, TCPKIT_E_CANCELLED);
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, server.closed().reason);
}

TEST(CppCoroutineEnd, AnAbortFromAnotherThreadAnswersAllThatWait) {
  Told told;
  CoServer server(line_options(), wait_for_everything(told));
  const Client client(server.address());
  ASSERT_EQ("ready\n", client.receive(6));
  only_conn(server).abort();
  expect_told(told, TCPKIT_E_CLOSED, TCPKIT_E_CANCELLED);
  EXPECT_EQ(TCPKIT_CLOSE_ABORTED, server.closed().reason);
}

TEST(CppCoroutineEnd, AnIdleTimeoutAnswersAllThatWait) {
  Told told;
  tcpkit::ServerOptions options = line_options();
  options.idle_timeout_ms = 30;
  CoServer server(options, wait_for_everything(told));
  const Client client(server.address());
  expect_told(told, TCPKIT_E_TIMED_OUT, TCPKIT_E_CANCELLED);
  EXPECT_EQ(TCPKIT_CLOSE_IDLE_TIMEOUT, server.closed().reason);
}

TEST(CppCoroutineEnd, ADrainAnswersAllThatWaitWhenThePeerHasEndedToo) {
  Told told;
  CoServer server(line_options(), wait_for_everything(told));
  const Client client(server.address());
  ASSERT_EQ("ready\n", client.receive(6));
  ASSERT_TRUE(client.send("hal"));  // so it is not idle
  std::thread peer([&] {
    ASSERT_TRUE(client.send("f\n"));
    ASSERT_TRUE(client.sees_end());
    client.end_stream();
  });
  const tcpkit::DrainReport report = server.get().drain(10s);
  peer.join();
  EXPECT_EQ(1u, report.graceful);
  const auto all = told.wait_for(6);
  EXPECT_EQ(6u, all.size());
}

TEST(CppCoroutineEnd, TheDeadlineOfADrainAnswersAllThatWait) {
  Told told;
  CoServer server(line_options(), wait_for_everything(told));
  const Client client(server.address());
  ASSERT_EQ("ready\n", client.receive(6));
  ASSERT_TRUE(client.send("half a line"));
  const tcpkit::DrainReport report = server.get().drain(20ms);
  EXPECT_EQ(1u, report.graceful + report.forced);
  expect_told(told, TCPKIT_E_CLOSED, TCPKIT_E_CANCELLED);
}

TEST(CppCoroutineEnd, APacketThatIsTooBigIsToldToTheReader) {
  Mailbox<tcpkit_status> told;
  tcpkit::ServerOptions options = line_options();
  options.max_packet_size = 10;
  CoServer server(options, [&](CoConn conn) -> Task<> {
    for (;;) {
      auto packet = co_await conn.read_packet();
      told.put(packet.status().code());
      if (!packet) break;
    }
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("fits\nfar too long for it\n"));
  client.end_stream();
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_OK, TCPKIT_E_PACKET_TOO_BIG}), told.wait_for(2));
}

// At once, not only when the peer has ended its stream too.
TEST(CppCoroutineEnd, ItsOwnCloseAnswersTheOthersAtOnce) {
  Mailbox<tcpkit_status> told;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    conn.spawn([&](CoConn same) -> Task<> {
      const tcpkit::Status slept = co_await same.sleep_for(1h);
      told.put(slept.code());
    });
    (void)co_await conn.read_packet();
    conn.close();
    told.put((co_await conn.read_packet()).status().code());
    told.put((co_await conn.notified()).code());
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("close\nand this is never read\n"));
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_E_CLOSED, TCPKIT_E_CANCELLED, TCPKIT_E_CANCELLED}),
            told.wait_for(3));
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.closed().reason);
}

TEST(CppCoroutineEnd, TheEndOfTheMainOneEndsItsHelpers) {
  Mailbox<tcpkit_status> told;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    conn.spawn([&](CoConn same) -> Task<> {
      const tcpkit::Status slept = co_await same.sleep_for(1h);
      told.put(slept.code());
    });
    (void)co_await conn.read_packet();
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("end\n"));
  EXPECT_EQ(TCPKIT_E_CANCELLED, told.wait_for(1).at(0));
}

// ---- Exceptions ----

TEST(CppCoroutineEnd, AnExceptionClosesItsConnectionAndNoOther) {
  CoServer server(line_options(), [](CoConn conn) -> Task<> {
    while (auto packet = co_await conn.read_packet()) {
      if (packet->text() == "throw") throw std::runtime_error("on purpose");
      co_await conn.write_packet(*packet);
    }
  });
  const Client good(server.address());
  const Client bad(server.address());
  ASSERT_TRUE(bad.send("first\nthrow\nlater\n"));
  EXPECT_EQ("first\n", bad.receive(6));
  EXPECT_TRUE(bad.sees_end());
  bad.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.closed().reason);
  EXPECT_EQ(1u, server.get().metrics().callback_errors);
  ASSERT_TRUE(good.send("still here\n"));
  EXPECT_EQ("still here\n", good.receive(11));
}

TEST(CppCoroutineEnd, AnExceptionAfterASleepInAHelperClosesTheConnectionAndIsLogged) {
  Mailbox<std::string> lines;
  Mailbox<Closed> closed;
  Mailbox<tcpkit_status> told;
  tcpkit::Server server{line_options()};
  server.on_connection([&](CoConn conn) -> Task<> {
    conn.spawn([](CoConn same) -> Task<> {
      (void)co_await same.sleep_for(1ms);
      throw std::runtime_error("on purpose");
    });
    told.put((co_await conn.read_packet()).status().code());
  });
  server.on_log([&](tcpkit_log_level, std::string_view line) { lines.put(std::string(line)); });
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    closed.put({info.reason, info.status});
  });
  const Client client(start_on_free_port(server));
  EXPECT_EQ(TCPKIT_E_CLOSED, told.wait_for(1).at(0));
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, closed.wait_for(1).at(0).reason);
  EXPECT_NE(std::string::npos, lines.wait_for(1).at(0).find("threw"));
}

TEST(CppCoroutineEnd, AnExceptionBeforeTheFirstWaitClosesTheConnection) {
  CoServer server(byte_options(), [](CoConn conn) -> Task<> {
    if (conn.id() != 0) throw std::runtime_error("on purpose");
    co_return;
  });
  const Client client(server.address());
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.closed().reason);
}

TEST(CppCoroutineEnd, AHandlerThatThrowsBeforeItIsACoroutineClosesTheConnection) {
  CoServer server(byte_options(), [](CoConn) -> Task<> { throw std::runtime_error("no task"); });
  const Client client(server.address());
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.closed().reason);
}

TEST(CppCoroutineEnd, AnExceptionInAnswerToTheEndIsCountedAndTheServerGoesOn) {
  CoServer server(line_options(), [](CoConn conn) -> Task<> {
    if (!co_await conn.read_packet()) throw std::runtime_error("on purpose");
  });
  {
    const Client client(server.address());
    ASSERT_TRUE(client.connected());
    const linger at_once{1, 0};
    setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  }
  EXPECT_EQ(TCPKIT_CLOSE_PEER_RESET, server.closed().reason);
  const Client next(server.address());
  ASSERT_TRUE(next.send("next\n"));
  EXPECT_TRUE(next.sees_end());
  EXPECT_EQ(1u, server.get().metrics().callback_errors);
}

// ---- Other threads ----

// An await of another library: resumes on a thread of its own, when it is told to.
class Elsewhere {
 public:
  Elsewhere() = default;
  Elsewhere(const Elsewhere&) = delete;
  Elsewhere& operator=(const Elsewhere&) = delete;
  ~Elsewhere() { join(); }

  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) { waiting_.put(coroutine); }
  void await_resume() const noexcept {}

  void resume_one() {
    const auto waiting = waiting_.wait_for(1);
    ASSERT_EQ(1u, waiting.size());
    thread_ = std::thread([coroutine = waiting[0]] { coroutine.resume(); });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  std::size_t suspended() { return waiting_.wait_for(1).size(); }

 private:
  Mailbox<std::coroutine_handle<>> waiting_;
  std::thread thread_;
};

struct AwaitElsewhere {
  Elsewhere& where;
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) const { where.await_suspend(coroutine); }
  void await_resume() const noexcept {}
};

TEST(CppCoroutineEnd, ComesBackToItsLoopFromAnotherThread) {
  Elsewhere elsewhere;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    co_await AwaitElsewhere{elsewhere};
    if (conn.loop().is_current()) co_return;
    if (!(co_await conn.resume_on_loop()).ok()) co_return;
    if (!conn.loop().is_current()) co_return;
    while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
  });
  const Client client(server.address());
  ASSERT_TRUE(client.send("hello\n"));
  elsewhere.resume_one();
  EXPECT_EQ("hello\n", client.receive(6));
}

TEST(CppCoroutineEnd, MayEndOnAnotherThread) {
  Elsewhere elsewhere;
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    co_await conn.write_packet("bye");
    co_await AwaitElsewhere{elsewhere};
  });
  const Client client(server.address());
  elsewhere.resume_one();
  EXPECT_EQ("bye\n", client.receive(4));
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.closed().reason);
}

TEST(CppCoroutineEnd, MayThrowOnAnotherThread) {
  Elsewhere elsewhere;
  CoServer server(line_options(), [&](CoConn) -> Task<> {
    co_await AwaitElsewhere{elsewhere};
    throw std::runtime_error("on purpose");
  });
  const Client client(server.address());
  elsewhere.resume_one();
  EXPECT_TRUE(client.sees_end());
  client.end_stream();
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, server.closed().reason);
}

TEST(CppCoroutineEnd, OutlivesItsConnectionAndItsServerWhileItWaitsElsewhere) {
  Elsewhere elsewhere;
  int alive = 0;
  Mailbox<tcpkit_status> told;
  {
    CoServer server(line_options(), [&, probe = Probe(alive)](CoConn conn) -> Task<> {
      const Probe own(probe);
      co_await AwaitElsewhere{elsewhere};
      told.put((co_await conn.resume_on_loop()).code());
      told.put((co_await conn.read_packet()).status().code());
      told.put((co_await conn.write_packet("x")).code());
      told.put((co_await conn.sleep_for(1h)).code());
      told.put(conn.notify().code());
    });
    const Client client(server.address());
    ASSERT_EQ(1u, elsewhere.suspended());
    server.get().stop();
    EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.closed().reason);
  }
  EXPECT_GT(alive, 0);
  elsewhere.resume_one();
  elsewhere.join();
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_E_NOT_RUNNING, TCPKIT_E_CLOSED, TCPKIT_E_CLOSED,
                                        TCPKIT_E_CANCELLED, TCPKIT_E_NOT_RUNNING}),
            told.wait_for(5));
  EXPECT_EQ(0, alive);
}

TEST(CppCoroutineEnd, MayStopItsServerAndIsAnsweredLikeTheOthers) {
  Told told;
  CoServer* self = nullptr;
  std::mutex starting;
  std::unique_lock<std::mutex> lock(starting);
  CoServer server(line_options(), [&](CoConn conn) -> Task<> {
    const auto packet = co_await conn.read_packet();
    {
      const std::lock_guard<std::mutex> started(starting);
      if (packet && packet->text() == "stop") self->get().stop();
    }
    told.put({"read", (co_await conn.read_packet()).status().code()});
  });
  self = &server;
  lock.unlock();
  const Client other(server.address());
  const Client client(server.address());
  ASSERT_TRUE(other.send("hello\n"));
  ASSERT_TRUE(client.send("stop\n"));
  const auto all = told.wait_for(2);
  ASSERT_EQ(2u, all.size());
  for (const auto& [name, status] : all) EXPECT_EQ(TCPKIT_E_CLOSED, status);
  server.get().wait();
  EXPECT_EQ(2u, server.closed_count(2));
}

}  // namespace
