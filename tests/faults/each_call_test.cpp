// Set-up in which first the first call fails, then the second, and so on until none does: each time
// the failure is told, nothing is left behind, and the next try succeeds.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "faults/faults.h"
#include "faults/ledger.h"
#include "faults/run.h"
#include "integration/raw_client.h"

using namespace faults;
using testkit::RawClient;

namespace {

constexpr const char* kFreePort = "tcp://127.0.0.1:0";
constexpr uint64_t kMostCalls = 2000;

// Calls attempt, whose every exposed call is one that can fail, until none fails in it.
void with_each_call_failing(const std::function<void()>& attempt) {
  const Scope spared(Mode::kSpared);
  warm_up();
  for (uint64_t call = 0; call < kMostCalls; ++call) {
    SCOPED_TRACE("call " + std::to_string(call));
    const Watchdog watchdog(call);
    const Belongings before;
    begin_only(call);
    attempt();
    const uint64_t failed = end();
    before.check();
    if (::testing::Test::HasFailure() || failed == 0) return;
  }
  FAIL() << "there is always one more call";
}

bool fails(tcpkit_status status) {
  EXPECT_LE(status, 0);
  EXPECT_TRUE(status == TCPKIT_OK || tcpkit_last_error_message()[0] != '\0');
  return status != TCPKIT_OK;
}

// The options of which most of a server is made.
tcpkit_server_options rich_options(Ledger& ledger, const tcpkit_strategy* strategy) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.loops = 2;
  options.framing = tcpkit_framing_line();
  options.framing.user_data = ledger.make_token(Token::Kind::kData);
  options.framing.user_data_free = Token::free;
  options.strategy = strategy;
  options.proxy_protocol = TCPKIT_PROXY_OPTIONAL;
  options.proxy_trusted = "10.0.0.0/8,fd00::/8,unix";
  options.max_connections_per_address = 10;
  options.max_accepts_per_second = 1000;
  options.listen = "tcp://127.0.0.1:0,unix://@tcpkit-a-name-that-is-longer-than-short-strings";
  return options;
}

tcpkit_server* create_rich(Ledger& ledger) {
  tcpkit_strategy strategy = TCPKIT_STRATEGY_INIT;
  strategy.user_data = ledger.make_token(Token::Kind::kData);
  strategy.user_data_free = Token::free;
  const tcpkit_server_options options = rich_options(ledger, &strategy);
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_packet = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void*) {
    (void)tcpkit_conn_send_packet(conn, data, size);
  };
  handlers.user_data = ledger.make_token(Token::Kind::kData);
  handlers.user_data_free = Token::free;
  tcpkit_server* server = nullptr;
  if (fails(exposed([&] { return tcpkit_server_create(&options, &handlers, &server); }))) {
    EXPECT_EQ(nullptr, server);
  }
  return server;
}

tcpkit_server* plain_server() {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.loops = 2;
  options.framing = tcpkit_framing_line();
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_packet = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void*) {
    (void)tcpkit_conn_send_packet(conn, data, size);
  };
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server));
  return server;
}

std::string address_of(const tcpkit_server* server, size_t index) {
  char text[200] = "";
  tcpkit_server_listener_address(server, index, text, sizeof text);
  return text;
}

void expect_service(const tcpkit_server* server, size_t index) {
  RawClient client(address_of(server, index));
  client.send("hello\n");
  EXPECT_EQ("hello\n", client.receive(6));
}

tcpkit_status exposed_listen(tcpkit_server* server, const std::string& address,
                             tcpkit_switch reuse_port = TCPKIT_OFF) {
  tcpkit_listen_options options = TCPKIT_LISTEN_OPTIONS_INIT;
  options.reuse_port = reuse_port;
  return exposed([&] { return tcpkit_server_listen(server, address.c_str(), &options); });
}

TEST(EachCall, OfACreateMayFailAndEveryUserDataIsFreed) {
  with_each_call_failing([] {
    Ledger ledger;
    tcpkit_server_free(create_rich(ledger));
    ledger.check_tokens();
  });
}

TEST(EachCall, OfAListenMayFailAndTheNextOneSucceeds) {
  with_each_call_failing([] {
    tcpkit_server* server = plain_server();
    if (fails(exposed_listen(server, kFreePort, TCPKIT_ON))) {
      EXPECT_EQ(0u, tcpkit_server_listener_count(server));
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, kFreePort, nullptr));
    }
    EXPECT_NE("", address_of(server, 0));
    tcpkit_server_free(server);
  });
}

TEST(EachCall, OfAListenOnAPathMayFailAndThePathIsFree) {
  const std::string path = "/tmp/tcpkit-each-call-of-a-listen-" + std::to_string(getpid());
  with_each_call_failing([&path] {
    tcpkit_server* server = plain_server();
    struct stat status {};
    if (fails(exposed_listen(server, "unix://" + path))) {
      EXPECT_NE(0, lstat(path.c_str(), &status)) << "the path was left behind";
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, ("unix://" + path).c_str(), nullptr));
    }
    tcpkit_server_free(server);
    EXPECT_NE(0, lstat(path.c_str(), &status)) << "the path was left behind";
  });
}

TEST(EachCall, OfAListenOnAnInheritedSocketMayFailAndItStaysTheCallers) {
  with_each_call_failing([] {
    tcpkit_server* server = plain_server();
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    EXPECT_EQ(0, listen(fd, 1));
    const bool failed = fails(exposed_listen(server, "fd://" + std::to_string(fd)));
    tcpkit_server_free(server);
    EXPECT_EQ(failed, fcntl(fd, F_GETFD) != -1);
    if (failed) close(fd);
  });
}

TEST(EachCall, OfAListenInARunMayFailAndTheOthersAreServed) {
  with_each_call_failing([] {
    suspend();
    tcpkit_server* server = plain_server();
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, kFreePort, nullptr));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server));
    resume();
    const bool failed = fails(exposed_listen(server, kFreePort));
    suspend();
    expect_service(server, 0);
    if (!failed) expect_service(server, 1);
    tcpkit_server_free(server);
    resume();
  });
}

TEST(EachCall, OfAStartMayFailAndTheNextOneSucceeds) {
  with_each_call_failing([] {
    Ledger ledger;
    suspend();
    tcpkit_server* server = create_rich(ledger);
    resume();
    const bool failed = fails(exposed([&] { return tcpkit_server_start(server); }));
    suspend();
    if (failed) {
      EXPECT_EQ(0, tcpkit_server_is_running(server));
      EXPECT_EQ("", address_of(server, 0)) << "what the start opened is closed";
      EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server));
    }
    expect_service(server, 0);
    tcpkit_server_free(server);
    ledger.check_tokens();
    resume();
  });
}

}  // namespace
