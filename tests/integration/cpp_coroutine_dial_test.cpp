// Coroutines that dial: what a dial answers, how it ends early, and what becomes of its connection.
#include <gtest/gtest.h>

#include <array>
#include <coroutine>
#include <exception>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "integration/cpp_coroutine_support.h"

namespace {

using namespace cpp_support;
using namespace std::chrono_literals;
using tcpkit::CoConn;
using tcpkit::Task;

constexpr const char* kNobody = "tcp://127.0.0.1:1";

using Statuses = Mailbox<tcpkit_status>;

Task<> echo(CoConn conn) {
  std::array<char, 4096> buffer;
  while (const auto data = co_await conn.read(buffer)) co_await conn.write(*data);
}

// A listening socket that nobody accepts from, with a full queue: to connect there takes for ever.
class Deaf {
 public:
  Deaf() {
    sockaddr_in own{};
    own.sin_family = AF_INET;
    own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof own;
    bind(listener_, reinterpret_cast<const sockaddr*>(&own), sizeof own);
    listen(listener_, 0);
    getsockname(listener_, reinterpret_cast<sockaddr*>(&own), &size);
    address_ = "tcp://127.0.0.1:" + std::to_string(ntohs(own.sin_port));
    for (const int fd : fillers_) connect(fd, reinterpret_cast<const sockaddr*>(&own), size);
  }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;
  ~Deaf() {
    for (const int fd : fillers_) ::close(fd);
    ::close(listener_);
  }
  const std::string& address() const { return address_; }

 private:
  static int filler() { return ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0); }

  int listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
  std::array<int, 4> fillers_{filler(), filler(), filler(), filler()};
  std::string address_;
};

// Tells what a dial from its connection answers, and then waits for the end of that.
CoServer::Body tell_dial(Statuses& told, const std::string& address,
                         const tcpkit::ClientOptions& options = {}) {
  return [&told, address, options](CoConn conn) -> Task<> {
    co_await conn.write("dials");
    const auto upstream = co_await tcpkit::dial(conn, address, options);
    told.put(upstream.status().code());
  };
}

tcpkit_status first_of(Statuses& told) {
  const auto all = told.wait_for(1);
  return all.empty() ? TCPKIT_E_TIMED_OUT : all.front();
}

TEST(CppCoroutineDial, ADialledConnectionIsUsedLikeAnyOther) {
  CoServer upstream(byte_options(), echo);
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    const auto dialled = co_await tcpkit::dial(conn, upstream.address());
    std::array<char, 5> answer;
    co_await dialled->write("hello");
    if (co_await dialled->read_exactly(answer)) co_await conn.write(answer);
  });
  const Client client(server.address());
  EXPECT_EQ("hello", client.receive(5));
  EXPECT_TRUE(client.sees_end());
  EXPECT_EQ(1u, upstream.closed_count(1));
}

TEST(CppCoroutineDial, ADialWithFramingGivesPackets) {
  CoServer upstream(line_options(), [](CoConn conn) -> Task<> {
    while (const auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
  });
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    const tcpkit::ClientOptions options{.framing = tcpkit::Framing::line()};
    const auto dialled = co_await tcpkit::dial(conn, upstream.address(), options);
    co_await dialled->write_packet("a line");
    const auto packet = co_await dialled->read_packet();
    co_await conn.write(*packet);
  });
  const Client client(server.address());
  EXPECT_EQ("a line", client.receive(6));
}

TEST(CppCoroutineDial, ARefusedPortIsToldAsThat) {
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, kNobody));
  const Client client(server.address());
  EXPECT_EQ(TCPKIT_E_REFUSED, first_of(told));
}

TEST(CppCoroutineDial, ReconnectIsOff) {
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, kNobody, {.reconnect = TCPKIT_ON}));
  const Client client(server.address());
  EXPECT_EQ(TCPKIT_E_REFUSED, first_of(told));
}

TEST(CppCoroutineDial, AWrongAddressIsToldAtOnce) {
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, "nonsense"));
  const Client client(server.address());
  EXPECT_EQ(TCPKIT_E_BAD_ADDRESS, first_of(told));
}

TEST(CppCoroutineDial, WrongOptionsAreToldAtOnce) {
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, kNobody, {.attempt_delay_ms = 1}));
  const Client client(server.address());
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, first_of(told));
}

TEST(CppCoroutineDial, AnAttemptThatTakesTooLongTimesOut) {
  const Deaf deaf;
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, deaf.address(), {.connect_timeout_ms = 20}));
  const Client client(server.address());
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, first_of(told));
}

TEST(CppCoroutineDial, TheCloseOfTheOuterConnectionCancelsIt) {
  const Deaf deaf;
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, deaf.address()));
  const Client client(server.address());
  ASSERT_EQ("dials", client.receive(5));
  for (const tcpkit::Conn& conn : server.get().list()) EXPECT_TRUE(conn.abort().ok());
  EXPECT_EQ(TCPKIT_E_CANCELLED, first_of(told));
}

TEST(CppCoroutineDial, ACloseByAnotherCoroutineCancelsIt) {
  const Deaf deaf;
  Statuses told;
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    conn.spawn([](CoConn same) -> Task<> {
      std::array<char, 1> byte;
      (void)co_await same.read(byte);
      same.close();
    });
    told.put((co_await tcpkit::dial(conn, deaf.address())).status().code());
    told.put((co_await tcpkit::dial(conn, deaf.address())).status().code());
  });
  const Client client(server.address());
  EXPECT_TRUE(client.send("x"));
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_E_CANCELLED, TCPKIT_E_CANCELLED}), told.wait_for(2));
}

TEST(CppCoroutineDial, AStopOfTheServerEndsADialThatIsUnderWay) {
  const Deaf deaf;
  Statuses told;
  CoServer server(byte_options(), tell_dial(told, deaf.address()));
  const Client client(server.address());
  ASSERT_EQ("dials", client.receive(5));
  server.get().stop();
  const tcpkit_status status = first_of(told);
  EXPECT_TRUE(status == TCPKIT_E_CANCELLED || status == TCPKIT_E_NOT_RUNNING) << status;
}

TEST(CppCoroutineDial, AStopOfTheServerEndsWhatItsCoroutinesDialled) {
  Statuses told;
  CoServer upstream(byte_options(), echo);
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    const auto dialled = co_await tcpkit::dial(conn, upstream.address());
    co_await conn.write("ready");
    std::array<char, 1> byte;
    told.put((co_await dialled->read(byte)).status().code());
  });
  const Client client(server.address());
  ASSERT_EQ("ready", client.receive(5));
  server.get().stop();
  EXPECT_EQ(TCPKIT_E_CLOSED, first_of(told));
  EXPECT_EQ(1u, upstream.closed_count(1));
}

TEST(CppCoroutineDial, WhoDropsADialledConnectionClosesItAndLosesNothing) {
  const std::string much(1u << 20, 'm');
  Mailbox<std::size_t> received;
  CoServer upstream(byte_options(), [&](CoConn conn) -> Task<> {
    std::vector<char> buffer(much.size());
    received.put((co_await conn.read_exactly(buffer))->size());
    EXPECT_EQ(TCPKIT_E_END, (co_await conn.read(buffer)).status());
  });
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    { (*co_await tcpkit::dial(conn, upstream.address())).send(much); }
    std::array<char, 1> byte;
    (void)co_await conn.read(byte);
  });
  const Client client(server.address());
  EXPECT_EQ(std::vector<std::size_t>{much.size()}, received.wait_for(1));
  EXPECT_EQ(1u, upstream.closed_count(1));
}

TEST(CppCoroutineDial, ADialledConnectionThatIsDroppedOnAnotherThreadCloses) {
  CoServer upstream(byte_options(), echo);
  std::promise<CoConn> dialled;
  std::future<CoConn> taken = dialled.get_future();
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    dialled.set_value(*co_await tcpkit::dial(conn, upstream.address()));
    std::array<char, 1> byte;
    (void)co_await conn.read(byte);
  });
  const Client client(server.address());
  ASSERT_EQ(std::future_status::ready, taken.wait_for(kDeadline));
  taken.get() = CoConn();
  EXPECT_EQ(1u, upstream.closed_count(1));
}

TEST(CppCoroutineDial, ADialIsMadeOnTheLoopOfItsConnection) {
  Statuses told;
  CoServer upstream(byte_options(), echo);
  CoServer server(byte_options(), [&](CoConn conn) -> Task<> {
    struct Elsewhere {
      std::thread& thread;
      bool await_ready() const { return false; }
      [[gnu::noinline]] void await_suspend(std::coroutine_handle<> coroutine) const {
        std::thread& started = thread;
        started = std::thread(coroutine);
      }
      void await_resume() const {}
    };
    auto thread = std::make_unique<std::thread>();
    co_await Elsewhere{*thread};
    told.put((co_await tcpkit::dial(conn, upstream.address())).status().code());
    (void)co_await conn.resume_on_loop();
    thread->join();
    told.put((co_await tcpkit::dial(conn, upstream.address())).status().code());
  });
  const Client client(server.address());
  EXPECT_EQ((std::vector<tcpkit_status>{TCPKIT_E_WRONG_THREAD, TCPKIT_OK}), told.wait_for(2));
}

// A coroutine that belongs to nothing, as other libraries have them.
struct Detached {
  struct promise_type {
    Detached get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Detached dial_and_tell(tcpkit::LoopRef loop, std::string address, Statuses& told) {
  const auto dialled = co_await tcpkit::dial(loop, address);
  told.put(dialled.status().code());
}

TEST(CppCoroutineDial, ALoopOfOnesOwnDialsToo) {
  CoServer upstream(byte_options(), echo);
  Statuses told;
  const tcpkit::Loop loop;
  loop.start();
  ASSERT_TRUE(loop.ref().post([&] { dial_and_tell(loop, upstream.address(), told); }).ok());
  EXPECT_EQ(TCPKIT_OK, first_of(told));
  EXPECT_EQ(1u, upstream.closed_count(1));
}

TEST(CppCoroutineDial, TheEndOfALoopEndsTheDialsOnIt) {
  const Deaf deaf;
  Statuses told;
  {
    const tcpkit::Loop loop;
    loop.start();
    Mailbox<int> begun;
    const tcpkit::Status posted = loop.ref().post([&] {
      dial_and_tell(loop, deaf.address(), told);
      begun.put(1);
    });
    ASSERT_TRUE(posted.ok());
    EXPECT_EQ(1u, begun.wait_for(1).size());
  }
  EXPECT_EQ(TCPKIT_E_NOT_RUNNING, first_of(told));
}

}  // namespace
