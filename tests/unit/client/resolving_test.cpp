// Clients with a resolver of the test: several addresses, none, and one that never answers.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <vector>

#include "client/client.h"
#include "client/option_table.h"
#include "unit/loop/loop_support.h"

namespace tcpkit::test {
namespace {

constexpr auto kDeadline = std::chrono::seconds(10);

// What the resolver answers, and when.
class FakeResolver {
 public:
  ResolveWay way() { return {resolve, this}; }
  void answer(Targets targets) {
    const std::lock_guard lock(mutex_);
    targets_ = std::move(targets);
    may_answer_ = true;
    changed_.notify_all();
  }
  bool wait_asked() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [this] { return asked_ > 0; });
  }
  bool wait_answered() {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kDeadline, [this] { return answered_ > 0; });
  }

 private:
  static Status resolve(const tcpkit_address&, Targets& resolved, void* context) {
    auto& self = *static_cast<FakeResolver*>(context);
    std::unique_lock lock(self.mutex_);
    ++self.asked_;
    self.changed_.notify_all();
    self.changed_.wait_for(lock, kDeadline, [&self] { return self.may_answer_; });
    resolved = self.targets_;
    ++self.answered_;
    self.changed_.notify_all();
    if (resolved.empty()) return fail(TCPKIT_E_RESOLVE, "nobody knows that name");
    return TCPKIT_OK;
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  Targets targets_;
  bool may_answer_ = false;
  int asked_ = 0;
  int answered_ = 0;
};

class Listening {
 public:
  explicit Listening(const char* ip, int backlog) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    EXPECT_EQ(TCPKIT_OK, parse_ip_endpoint("ip", (std::string(ip) + ":0").c_str(), address));
    EXPECT_EQ(0, bind(fd_.get(), &address.header, address.size));
    if (backlog > 0) {
      EXPECT_EQ(0, listen(fd_.get(), backlog));
    }
    EXPECT_EQ(0, getsockname(fd_.get(), &address.header, &address.size));
  }
  SocketAddress address;

 private:
  OwnedFd fd_;
};

struct Seen {
  std::mutex mutex;
  std::condition_variable changed;
  std::string opened;  // the peer
  std::vector<std::pair<Status, std::string>> failures;

  template <typename Condition>
  bool wait(Condition condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, kDeadline, condition);
  }
};

Client* make_client(FakeResolver& resolver, Seen& seen) {
  ClientSetup setup;
  EXPECT_EQ(TCPKIT_OK, resolve_client_options(setup.options));
  setup.config = std::make_shared<ConnConfig>();
  setup.config->read_buffer_size = setup.options.read_buffer_size;
  setup.config->read_quantum_ns = UINT64_MAX;
  setup.config->close_timeout_ms = 1000;
  setup.config->tick_interval_ms = 1000;
  tcpkit_handlers& handlers = setup.config->handlers;
  handlers.user_data = &seen;
  handlers.on_open = [](tcpkit_conn* conn, void* user_data) {
    auto& told = *static_cast<Seen*>(user_data);
    const std::lock_guard lock(told.mutex);
    told.opened = Conn::from_handle(conn)->remote_address();
    told.changed.notify_all();
  };
  handlers.on_connect_failed = [](tcpkit_client*, const tcpkit_connect_info* info,
                                  void* user_data) {
    auto& told = *static_cast<Seen*>(user_data);
    const std::lock_guard lock(told.mutex);
    told.failures.emplace_back(info->status, info->message);
    told.changed.notify_all();
  };
  setup.resolve_way = resolver.way();
  setup.own_runner.reset(new LoopRunner(Log(), UserData(), setup.options.read_buffer_size));
  EXPECT_EQ(TCPKIT_OK, setup.own_runner->open());
  EXPECT_EQ(TCPKIT_OK, setup.own_runner->start());
  setup.loop_host = Ref<LoopHost>::share(&setup.own_runner->host());
  return new Client(std::move(setup));
}

TEST(ClientResolving, TakesTheFirstOfTheAddressesThatAnswers) {
  const Listening refusing("127.0.0.2", 0);
  const Listening answering("127.0.0.1", 8);
  FakeResolver resolver;
  Seen seen;
  Client* client = make_client(resolver, seen);
  resolver.answer({refusing.address, answering.address});
  EXPECT_EQ(TCPKIT_OK, client->connect("tcp://several.example:7"));
  EXPECT_TRUE(seen.wait([&] { return !seen.opened.empty(); }));
  EXPECT_EQ(socket_address_text(answering.address), seen.opened);
  Client::free(client);
}

TEST(ClientResolving, AFailureNamesEveryAddressThatWasTried) {
  const Listening first("127.0.0.1", 0);
  const Listening second("127.0.0.2", 0);
  FakeResolver resolver;
  Seen seen;
  Client* client = make_client(resolver, seen);
  resolver.answer({first.address, second.address});
  EXPECT_EQ(TCPKIT_OK, client->connect("tcp://several.example:7"));
  ASSERT_TRUE(seen.wait([&] { return !seen.failures.empty(); }));
  EXPECT_EQ(TCPKIT_E_REFUSED, seen.failures[0].first);
  EXPECT_EQ("cannot connect to \"tcp://several.example:7\": " + socket_address_text(first.address) +
                ": Connection refused, " + socket_address_text(second.address) +
                ": Connection refused",
            seen.failures[0].second);
  Client::free(client);
}

TEST(ClientResolving, ANameWithoutAddressesIsAFailure) {
  FakeResolver resolver;
  Seen seen;
  Client* client = make_client(resolver, seen);
  resolver.answer({});
  EXPECT_EQ(TCPKIT_OK, client->connect("tcp://nobody.example:7"));
  ASSERT_TRUE(seen.wait([&] { return !seen.failures.empty(); }));
  EXPECT_EQ(TCPKIT_E_RESOLVE, seen.failures[0].first);
  EXPECT_EQ("cannot connect to \"tcp://nobody.example:7\": nobody knows that name",
            seen.failures[0].second);
  Client::free(client);
}

TEST(ClientResolving, FreeingDoesNotWaitForAResolverThatDoesNotAnswer) {
  FakeResolver resolver;
  Seen seen;
  Client* client = make_client(resolver, seen);
  EXPECT_EQ(TCPKIT_OK, client->connect("tcp://slow.example:7"));
  ASSERT_TRUE(resolver.wait_asked());
  Client::free(client);
  ASSERT_EQ(1u, seen.failures.size());
  EXPECT_EQ(TCPKIT_E_CANCELLED, seen.failures[0].first);
  resolver.answer({});
  EXPECT_TRUE(resolver.wait_answered()) << "its answer is for nobody";
}

TEST(ClientResolving, AnAnswerThatComesAfterTheCloseIsForNobody) {
  const Listening answering("127.0.0.1", 8);
  FakeResolver resolver;
  Seen seen;
  Client* client = make_client(resolver, seen);
  EXPECT_EQ(TCPKIT_OK, client->connect("tcp://slow.example:7"));
  ASSERT_TRUE(resolver.wait_asked());
  EXPECT_EQ(TCPKIT_OK, client->close());
  ASSERT_TRUE(seen.wait([&] { return !seen.failures.empty(); }));
  resolver.answer({answering.address});
  EXPECT_TRUE(resolver.wait_answered());
  Client::free(client);
  EXPECT_EQ("", seen.opened);
  EXPECT_EQ(1u, seen.failures.size());
}

TEST(ClientOptions, GiveEveryFieldItsDocumentedDefault) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  ASSERT_EQ(TCPKIT_OK, resolve_client_options(options));
  EXPECT_EQ(10'000u, options.connect_timeout_ms);
  EXPECT_EQ(250u, options.attempt_delay_ms);
  EXPECT_EQ(TCPKIT_OFF, options.reconnect);
  EXPECT_EQ(500u, options.reconnect_min_ms);
  EXPECT_EQ(30'000u, options.reconnect_max_ms);
  EXPECT_EQ(TCPKIT_UNLIMITED, options.max_attempts);
  EXPECT_EQ(TCPKIT_SEND_PROXY_OFF, options.send_proxy);
  EXPECT_EQ(1u << 20, options.max_packet_size);
  EXPECT_EQ(256u << 10, options.low_watermark);
  EXPECT_EQ(60'000u, options.write_timeout_ms);
}

TEST(ClientOptions, AreSetFromText) {
  struct Setting {
    const char* key;
    const char* text;
  };
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  for (const auto& [key, text] : {Setting{"framing", "line"},
                                  {"reconnect", "on"},
                                  {"send-proxy", "v2"},
                                  {"attempt_delay_ms", "10"},
                                  {"local_address", "127.0.0.1:0"},
                                  {"max_attempts", "3"}}) {
    EXPECT_EQ(TCPKIT_OK, set_client_option(options, key, text)) << key;
  }
  EXPECT_EQ(TCPKIT_FRAMING_SEPARATOR, options.framing.kind);
  EXPECT_EQ(TCPKIT_SEND_PROXY_V2, options.send_proxy);
  EXPECT_EQ(3u, options.max_attempts);
  EXPECT_STREQ("127.0.0.1:0", options.local_address);
  EXPECT_EQ(TCPKIT_E_BAD_VALUE, set_client_option(options, "attempt_delay_ms", "9"));
  EXPECT_EQ(TCPKIT_E_BAD_VALUE, set_client_option(options, "send_proxy", "v3"));
  EXPECT_EQ(TCPKIT_E_BAD_VALUE, set_client_option(options, "framing", "x"));
  EXPECT_EQ(TCPKIT_E_UNKNOWN_OPTION, set_client_option(options, "listen", "x"));
}

TEST(ClientOptions, ThatDependOnEachOtherAreChecked) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.reconnect_min_ms = 60'000;
  EXPECT_EQ(TCPKIT_OK, resolve_client_options(options));
  EXPECT_EQ(60'000u, options.reconnect_max_ms) << "by default it is not less than the least";
  options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.reconnect_min_ms = 2;
  options.reconnect_max_ms = 1;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, resolve_client_options(options));
  options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.proxy_source = "192.0.2.1:1";
  options.proxy_destination = "192.0.2.1:1";
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, resolve_client_options(options)) << "in which version?";
  options.send_proxy = TCPKIT_SEND_PROXY_V1;
  EXPECT_EQ(TCPKIT_OK, resolve_client_options(options));
  options.proxy_destination = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, resolve_client_options(options));
  options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.high_watermark = 1;
  options.low_watermark = 2;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, resolve_client_options(options));
}

}  // namespace
}  // namespace tcpkit::test
