// What the log says of limits: one warning for each of them, however often it is met.
#include "server_fixture.h"

using namespace testkit;

namespace {

struct Warnings {
  Monitor monitor;
  std::vector<std::string> texts;

  static void log(tcpkit_log_level level, const char* message, void* user_data) {
    if (level != TCPKIT_LOG_WARNING) return;
    auto& self = *static_cast<Warnings*>(user_data);
    self.monitor.change([&] { self.texts.emplace_back(message); });
  }
  size_t count_of(const std::string& limit) {
    return monitor.look([&] {
      return static_cast<size_t>(std::count_if(
          texts.begin(), texts.end(),
          [&](const std::string& text) { return text.find(limit + " ") != std::string::npos; }));
    });
  }
};

void send_too_much(tcpkit_conn* conn, void*) {
  const std::string much(100'000, 'x');
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(TCPKIT_E_QUEUE_FULL, tcpkit_conn_send(conn, much.data(), much.size()));
  }
}

TEST(LimitLog, EachLimitIsNamedOnceHoweverOftenItIsMet) {
  Warnings warnings;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_open = send_too_much;
  handlers.on_log = Warnings::log;
  handlers.user_data = &warnings;
  tcpkit_server_options options = with_loops(1);
  options.max_connections_per_address = 1;
  options.max_buffered_bytes = 1000;
  tcpkit_server* server = nullptr;
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server));
  const ServerOwner owner(server);
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_listen(server, "tcp://127.0.0.1:0", nullptr));
  ASSERT_EQ(TCPKIT_OK, tcpkit_server_start(server));
  const RawClient first(listener_address(server));
  for (int i = 0; i < 10; ++i) {
    RawClient refused(listener_address(server));
    EXPECT_EQ("", refused.receive_all());
  }
  EXPECT_EQ(10u, metrics_of(server).refused_by_address);
  EXPECT_EQ(10u, metrics_of(server).refused_sends);
  EXPECT_EQ(1u, warnings.count_of("max_connections_per_address"));
  EXPECT_EQ(1u, warnings.count_of("max_buffered_bytes"));
  EXPECT_EQ(2u, warnings.monitor.look([&] { return warnings.texts.size(); }));
}

}  // namespace
