// Every function of the interface with a NULL for each pointer it takes, and structs without size.
#include <functional>

#include "server_fixture.h"

using namespace testkit;

namespace {

constexpr tcpkit_task_fn kTask = [](tcpkit_loop*, void*) {};
constexpr tcpkit_conn_fn kConnTask = [](tcpkit_conn*, void*) {};
constexpr tcpkit_close_fn kCloseHandler = [](tcpkit_conn*, const tcpkit_close_info*, void*) {};

// What the calls are tried on.
struct Objects {
  TestServer server{framed(tcpkit_framing_line())};
  RawClient client;
  KeptConn kept = server.accepted(client);
  tcpkit_server* s = server.get();
  tcpkit_conn* c = kept.get();
  tcpkit_loop* loop = tcpkit_server_loop(server.get(), 0);
  tcpkit_framer* framer = nullptr;
  tcpkit_buffer* buffer = nullptr;
  tcpkit_framer_options framer_options = TCPKIT_FRAMER_OPTIONS_INIT;
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  tcpkit_timer_options timer = TCPKIT_TIMER_OPTIONS_INIT;
  tcpkit_server* out_server = nullptr;
  tcpkit_conn* out_conn = nullptr;
  tcpkit_framing framing = TCPKIT_FRAMING_INIT;
  const uint8_t* packet = nullptr;
  size_t size = 0;

  Objects() {
    framer_options.framing = tcpkit_framing_line();
    EXPECT_EQ(TCPKIT_OK, tcpkit_framer_create(&framer_options, &framer));
    EXPECT_EQ(TCPKIT_OK, tcpkit_buffer_create("x", 1, &buffer));
  }
  Objects(const Objects&) = delete;
  Objects& operator=(const Objects&) = delete;
  ~Objects() {
    tcpkit_framer_free(framer);
    tcpkit_buffer_release(buffer);
  }
};

struct NullCall {
  const char* argument;  // what the message has to name
  std::function<tcpkit_status(Objects&)> call;
};

void expect_refused(const std::vector<NullCall>& calls) {
  Objects objects;
  for (size_t i = 0; i < calls.size(); ++i) {
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, calls[i].call(objects))
        << "call " << i << " without " << calls[i].argument;
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_last_error_status());
    EXPECT_NE(std::string::npos, TestServer::last_error().find(calls[i].argument))
        << "call " << i << " without " << calls[i].argument << ": " << TestServer::last_error();
  }
}

using O = Objects;

TEST(NullArgument, IsRefusedByEveryCallOnAServer) {
  expect_refused({
      {"out_server", [](O& o) { return tcpkit_server_create(&o.options, nullptr, nullptr); }},
      {"server", [](O&) { return tcpkit_server_listen(nullptr, "tcp://:0", nullptr); }},
      {"address", [](O& o) { return tcpkit_server_listen(o.s, nullptr, nullptr); }},
      {"server", [](O&) { return tcpkit_server_start(nullptr); }},
      {"server", [](O&) { return tcpkit_server_run(nullptr); }},
      {"server", [](O&) { return tcpkit_server_stop(nullptr); }},
      {"server", [](O&) { return tcpkit_server_wait(nullptr); }},
      {"out_metrics", [](O& o) { return tcpkit_server_metrics(o.s, nullptr); }},
      {"server",
       [](O&) {
         tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
         return tcpkit_server_metrics(nullptr, &metrics);
       }},
      {"server", [](O& o) { return tcpkit_server_find(nullptr, 1, &o.out_conn); }},
      {"out_conn", [](O& o) { return tcpkit_server_find(o.s, 1, nullptr); }},
      {"server", [](O&) { return tcpkit_server_visit(nullptr, kConnTask, nullptr); }},
      {"visitor", [](O& o) { return tcpkit_server_visit(o.s, nullptr, nullptr); }},
      {"server", [](O& o) { return tcpkit_server_list(nullptr, nullptr, 0, &o.size); }},
      {"out_conns", [](O& o) { return tcpkit_server_list(o.s, nullptr, 1, &o.size); }},
      {"out_count", [](O& o) { return tcpkit_server_list(o.s, nullptr, 0, nullptr); }},
      {"options", [](O&) { return tcpkit_server_options_set(nullptr, "loops", "1"); }},
      {"key", [](O& o) { return tcpkit_server_options_set(&o.options, nullptr, "1"); }},
      {"text", [](O& o) { return tcpkit_server_options_set(&o.options, "loops", nullptr); }},
      {"out_info", [](O&) { return tcpkit_server_option_at(0, nullptr); }},
  });
}

TEST(NullArgument, IsRefusedByEveryCallOnAConnection) {
  expect_refused({
      {"conn", [](O&) { return tcpkit_conn_set_user_data(nullptr, nullptr, nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_send(nullptr, "x", 1); }},
      {"data", [](O& o) { return tcpkit_conn_send(o.c, nullptr, 1); }},
      {"conn", [](O&) { return tcpkit_conn_send_slices(nullptr, nullptr, 0); }},
      {"slices", [](O& o) { return tcpkit_conn_send_slices(o.c, nullptr, 1); }},
      {"slices[1].data",
       [](O& o) {
         const tcpkit_slice slices[] = {{"x", 1}, {nullptr, 1}};
         return tcpkit_conn_send_slices(o.c, slices, 2);
       }},
      {"conn", [](O& o) { return tcpkit_conn_send_buffer(nullptr, o.buffer); }},
      {"buffer", [](O& o) { return tcpkit_conn_send_buffer(o.c, nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_send_packet(nullptr, "x", 1); }},
      {"packet", [](O& o) { return tcpkit_conn_send_packet(o.c, nullptr, 1); }},
      {"conn", [](O&) { return tcpkit_conn_flush(nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_pause_reading(nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_resume_reading(nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_shutdown(nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_close(nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_abort(nullptr); }},
      {"conn",
       [](O&) { return tcpkit_conn_add_close_handler(nullptr, kCloseHandler, nullptr, nullptr); }},
      {"handler",
       [](O& o) { return tcpkit_conn_add_close_handler(o.c, nullptr, nullptr, nullptr); }},
      {"conn", [](O&) { return tcpkit_conn_post(nullptr, kConnTask, nullptr, nullptr); }},
      {"task", [](O& o) { return tcpkit_conn_post(o.c, nullptr, nullptr, nullptr); }},
  });
}

TEST(NullArgument, IsRefusedByEveryCallOnALoopFramerBufferOrText) {
  expect_refused({
      {"loop", [](O&) { return tcpkit_loop_post(nullptr, kTask, nullptr, nullptr); }},
      {"task", [](O& o) { return tcpkit_loop_post(o.loop, nullptr, nullptr, nullptr); }},
      {"loop",
       [](O& o) {
         o.timer.on_timer = kTask;
         return tcpkit_loop_start_timer(nullptr, &o.timer, nullptr);
       }},
      {"options", [](O& o) { return tcpkit_loop_start_timer(o.loop, nullptr, nullptr); }},
      {"on_timer",
       [](O& o) {
         o.timer.on_timer = nullptr;
         return tcpkit_loop_start_timer(o.loop, &o.timer, nullptr);
       }},
      {"loop", [](O&) { return tcpkit_loop_stop_timer(nullptr, 1); }},
      {"options", [](O& o) { return tcpkit_framer_create(nullptr, &o.framer); }},
      {"out_framer", [](O& o) { return tcpkit_framer_create(&o.framer_options, nullptr); }},
      {"framer", [](O&) { return tcpkit_framer_push(nullptr, "x", 1); }},
      {"data", [](O& o) { return tcpkit_framer_push(o.framer, nullptr, 1); }},
      {"framer", [](O& o) { return tcpkit_framer_next(nullptr, &o.packet, &o.size); }},
      {"out_packet", [](O& o) { return tcpkit_framer_next(o.framer, nullptr, &o.size); }},
      {"out_packet_size", [](O& o) { return tcpkit_framer_next(o.framer, &o.packet, nullptr); }},
      {"framer", [](O& o) { return tcpkit_framer_finish(nullptr, &o.packet, &o.size); }},
      {"out_packet", [](O& o) { return tcpkit_framer_finish(o.framer, nullptr, &o.size); }},
      {"out_packet_size", [](O& o) { return tcpkit_framer_finish(o.framer, &o.packet, nullptr); }},
      {"framer",
       [](O& o) {
         return tcpkit_framer_encode(nullptr, {"x", 1}, nullptr, 0, &o.size);
       }},
      {"packet",
       [](O& o) {
         return tcpkit_framer_encode(o.framer, {nullptr, 1}, nullptr, 0, &o.size);
       }},
      {"buffer",
       [](O& o) {
         return tcpkit_framer_encode(o.framer, {"x", 1}, nullptr, 1, &o.size);
       }},
      {"out_frame_size",
       [](O& o) {
         return tcpkit_framer_encode(o.framer, {"x", 1}, nullptr, 0, nullptr);
       }},
      {"data", [](O& o) { return tcpkit_buffer_create(nullptr, 1, &o.buffer); }},
      {"out_buffer", [](O&) { return tcpkit_buffer_create("x", 1, nullptr); }},
      {"bytes",
       [](O& o) {
         return tcpkit_buffer_wrap({nullptr, 1}, nullptr, nullptr, &o.buffer);
       }},
      {"out_buffer",
       [](O&) {
         return tcpkit_buffer_wrap({"x", 1}, nullptr, nullptr, nullptr);
       }},
      {"text", [](O& o) { return tcpkit_framing_parse(nullptr, &o.framing); }},
      {"out_framing", [](O&) { return tcpkit_framing_parse("line", nullptr); }},
      {"text",
       [](O&) {
         tcpkit_address address = TCPKIT_ADDRESS_INIT;
         return tcpkit_address_parse(nullptr, &address);
       }},
      {"out_address", [](O&) { return tcpkit_address_parse("tcp://:0", nullptr); }},
  });
}

TEST(NullArgument, GivesTheDocumentedValueOfAGetter) {
  EXPECT_EQ(0u, tcpkit_server_listener_count(nullptr));
  EXPECT_EQ(0u, tcpkit_server_listener_address(nullptr, 0, nullptr, 0));
  EXPECT_EQ(0, tcpkit_server_is_running(nullptr));
  EXPECT_EQ(0u, tcpkit_server_loop_count(nullptr));
  EXPECT_EQ(nullptr, tcpkit_server_loop(nullptr, 0));
  EXPECT_EQ(nullptr, tcpkit_conn_retain(nullptr));
  EXPECT_EQ(0u, tcpkit_conn_id(nullptr));
  EXPECT_EQ(nullptr, tcpkit_conn_loop(nullptr));
  EXPECT_EQ(0u, tcpkit_conn_remote_address(nullptr, nullptr, 0));
  EXPECT_EQ(0u, tcpkit_conn_local_address(nullptr, nullptr, 0));
  EXPECT_EQ(0u, tcpkit_conn_connected_at_ms(nullptr));
  EXPECT_EQ(1, tcpkit_conn_is_closed(nullptr));
  EXPECT_EQ(0u, tcpkit_conn_total_read(nullptr) + tcpkit_conn_total_written(nullptr));
  EXPECT_EQ(0u, tcpkit_conn_reads_per_second(nullptr) + tcpkit_conn_writes_per_second(nullptr));
  EXPECT_EQ(0u, tcpkit_conn_queued_bytes(nullptr));
  EXPECT_EQ(-1, tcpkit_conn_fd(nullptr));
  EXPECT_EQ(nullptr, tcpkit_conn_user_data(nullptr));
  EXPECT_EQ(0, tcpkit_loop_is_current(nullptr));
  EXPECT_EQ(0u, tcpkit_framer_discarded(nullptr));
  EXPECT_EQ(nullptr, tcpkit_buffer_retain(nullptr));
  EXPECT_EQ(nullptr, tcpkit_buffer_data(nullptr));
  EXPECT_EQ(0u, tcpkit_buffer_size(nullptr));
  EXPECT_EQ(0u, tcpkit_address_format(nullptr, nullptr, 0));
}

TEST(NullArgument, IsIgnoredByInitReleaseAndFree) {
  tcpkit_server_free(nullptr);
  tcpkit_conn_release(nullptr);
  tcpkit_buffer_release(nullptr);
  tcpkit_framer_free(nullptr);
  tcpkit_address_init(nullptr);
  tcpkit_framing_callbacks_init(nullptr);
  tcpkit_framing_init(nullptr);
  tcpkit_framer_options_init(nullptr);
  tcpkit_metrics_init(nullptr);
  tcpkit_handlers_init(nullptr);
  tcpkit_strategy_init(nullptr);
  tcpkit_server_options_init(nullptr);
  tcpkit_option_info_init(nullptr);
  tcpkit_listen_options_init(nullptr);
  tcpkit_timer_options_init(nullptr);
}

TEST(StructSize, ThatWasNotSetIsRefusedByEveryCallThatTakesAStruct) {
  Objects o;
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.struct_size = 0;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_create(&options, nullptr, &o.out_server));
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_options_set(&options, "loops", "1"));
  tcpkit_handlers handlers = {};
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_create(nullptr, &handlers, &o.out_server));
  tcpkit_strategy strategy = {};
  options = TCPKIT_SERVER_OPTIONS_INIT;
  options.strategy = &strategy;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_create(&options, nullptr, &o.out_server));
  const tcpkit_listen_options listen = {};
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_listen(o.s, "tcp://127.0.0.1:0", &listen));
  tcpkit_metrics metrics = {};
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_metrics(o.s, &metrics));
  tcpkit_option_info info = {};
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_server_option_at(0, &info));
  tcpkit_timer_options timer = {};
  timer.on_timer = kTask;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_loop_start_timer(o.loop, &timer, nullptr));
  tcpkit_framer_options framer_options = {};
  tcpkit_framer* framer = nullptr;
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_framer_create(&framer_options, &framer));
  tcpkit_address address = {};
  EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_address_parse("tcp://:0", &address));
  EXPECT_EQ(nullptr, o.out_server);
  EXPECT_EQ(1u, tcpkit_server_listener_count(o.s));
}

TEST(StructSize, OfALaterReleaseIsTaken) {
  struct Larger {
    tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
    uint64_t later_field = 7;
  } larger;
  larger.options.struct_size = sizeof larger;
  tcpkit_server* created = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&larger.options, nullptr, &created));
  const ServerOwner server(created);
}

struct BadOption {
  const char* name;
  const char* key;
  const char* text;
  const char* wrong_part;
};
constexpr BadOption kBadOptions[] = {
    {"Loops", "loops", "256", "256"},
    {"ReadBufferSize", "read_buffer_size", "1", "1"},
    {"Oversize", "oversize", "explode", "explode"},
    {"Framing", "framing", "len5be", "len5be"},
    {"Separator", "framing", "separator:", "separator:"},
    {"Fixed", "framing", "fixed:0", "0"},
    {"Size", "max-packet-size", "10x", "10x"},
    {"Switch", "no_delay", "maybe", "maybe"},
    {"LogLevel", "log_level", "loud", "loud"},
    {"Negative", "tick_interval_ms", "-1", "-1"},
};

TEST(OptionText, ThatIsNoValueIsRefusedAndNamed) {
  for (const BadOption& bad : kBadOptions) {
    tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
    EXPECT_EQ(TCPKIT_E_BAD_VALUE, tcpkit_server_options_set(&options, bad.key, bad.text))
        << bad.name;
    EXPECT_NE(std::string::npos, TestServer::last_error().find(bad.wrong_part))
        << TestServer::last_error();
  }
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  EXPECT_EQ(TCPKIT_E_UNKNOWN_OPTION, tcpkit_server_options_set(&options, "colour", "blue"));
  EXPECT_NE(std::string::npos, TestServer::last_error().find("colour"));
}

}  // namespace
