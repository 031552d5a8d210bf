// Filters of a server: both directions, framing, ends and failures. Pausing, limits and TLS are in
// filters_flow_test.cpp, filters that are added later in filters_added_test.cpp.
#include <atomic>
#include <stdexcept>
#include <thread>

#include "filter_kit.h"

using namespace testkit;

namespace {

constexpr char kKey = 0x55;

TEST(Filters, WhatOneFilterEncodesThePeerDecodes) {
  FilteredOptions options({xor_filter(&kKey)});
  TestServer server(options.get(), echo());
  RawClient client = server.connect();
  client.send(xored("hello", kKey));
  EXPECT_EQ("hello", xored(client.receive(5), kKey));
  EXPECT_EQ("hello", server.data_of(server.opened_id(0)));
}

TEST(Filters, TheFirstOneIsNearestToTheNetwork) {
  FilterScript script;
  FilteredOptions options({xor_filter(&kKey), scripted_filter(script)});
  TestServer server(options.get(), echo());
  RawClient client = server.connect();
  client.send(xored(halves_of("hello"), kKey));
  EXPECT_EQ(halves_of("hello"), xored(client.receive(10), kKey));
  EXPECT_EQ("hello", server.data_of(server.opened_id(0)));
}

TEST(Filters, PacketsAreCutOutOfWhatWasDecodedWithEveryCutOfTheStream) {
  FilterScript script;
  FilteredOptions options({xor_filter(&kKey), scripted_filter(script)},
                          framed(tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN)));
  TestServer server(options.get(), echo());
  const std::string plain = std::string("\0\3abc\0\0\0\1x", 10);
  const std::string wire = xored(halves_of(plain), kKey);
  for (size_t cut = 1; cut < wire.size(); ++cut) {
    RawClient client = server.connect();
    client.send(wire.substr(0, cut));
    EXPECT_TRUE(server.settle());
    client.send(wire.substr(cut));
    EXPECT_EQ(wire, client.receive(wire.size())) << "cut at " << cut;
  }
}

TEST(Filters, BytesThatComeOneAtATimeAreDecoded) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get(), echo());
  RawClient client = server.connect();
  client.send_in_pieces(halves_of("one\ntwo\n"), 1);
  EXPECT_EQ(halves_of("one\ntwo\n"), client.receive(16));
}

TEST(Filters, AFilterWithoutADirectionLeavesItAlone) {
  tcpkit_filter filter = xor_filter(&kKey);
  filter.encode = nullptr;
  FilteredOptions options({filter});
  TestServer server(options.get(), echo());
  RawClient client = server.connect();
  client.send(xored("hello", kKey));
  EXPECT_EQ("hello", client.receive(5));
}

TEST(Filters, LargePacketsThatGrowInTheStashArriveWhole) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get(), echo());
  RawClient client = server.connect();
  const std::string line(300'000, 'x');
  const std::string wire = halves_of(line + "\n" + line + "\nshort\n");
  client.send(wire);
  EXPECT_TRUE(wire == client.receive(wire.size()));
}

TEST(Filters, AreFlushedAtTheEndOfTheEventAndSeeItAsOne) {
  FilteredOptions options({bracket_filter()});
  TestServer server(options.get(), {.on_data = [](tcpkit_conn* conn, std::string_view) {
                      send_text(conn, "one");
                      send_text(conn, "two");
                    }});
  RawClient client = server.connect();
  client.send("?");
  EXPECT_EQ("[onetwo]", client.receive(8));
}

TEST(Filters, AreFlushedWhenAnotherThreadHasSent) {
  FilteredOptions options({bracket_filter()});
  TestServer server(options.get());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  send_text(conn.get(), "from elsewhere");
  EXPECT_EQ("[from elsewhere]", client.receive(16));
}

TEST(Filters, EndTheirStreamBeforeACloseEndsTheConnection) {
  FilteredOptions options({bracket_filter()});
  TestServer server(options.get(), {.on_data = [](tcpkit_conn* conn, std::string_view) {
                      send_text(conn, "bye");
                      (void)tcpkit_conn_close(conn);
                    }});
  RawClient client = server.connect();
  client.send("?");
  EXPECT_EQ("[bye].", client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  EXPECT_EQ(TCPKIT_CLOSE_LOCAL, server.close_info().reason);
}

TEST(Filters, EndTheirStreamBeforeAShutdownAndDecodeOn) {
  FilterScript script;
  script.encode_end = [](tcpkit_filter_output* output) { return write_text(output, "."); };
  FilteredOptions options({scripted_filter(script)});
  TestServer server(options.get(), {.on_open = [](tcpkit_conn* conn) {
                      send_text(conn, "bye");
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_shutdown(conn));
                    }});
  RawClient client = server.connect();
  EXPECT_EQ(halves_of("bye") + ".", client.receive_all());
  client.send(halves_of("still here"));
  EXPECT_TRUE(server.wait_data(10));
  client.half_close();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

TEST(Filters, EndTheirStreamWhenTheServerStops) {
  FilteredOptions options({bracket_filter()});
  TestServer server(options.get());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  server.stop();
  EXPECT_EQ(".", client.receive_all());
}

TEST(Filters, EndTheirStreamInADrain) {
  FilteredOptions options({bracket_filter()});
  TestServer server(options.get(), {.on_drain = [](tcpkit_conn* conn) { send_text(conn, "bye"); }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("!");
  EXPECT_TRUE(server.wait_data(1));
  std::thread reader([&] {
    EXPECT_EQ("[bye].", client.receive_all());
    client.close();
  });
  tcpkit_drain_report report = TCPKIT_DRAIN_REPORT_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_drain(server.get(), 10'000, &report));
  reader.join();
  EXPECT_EQ(TCPKIT_CLOSE_SHUTDOWN, server.close_info().reason);
}

TEST(Filters, DoNotEndTheirStreamWhenTheConnectionIsAborted) {
  std::atomic<int> ends = 0;
  FilterScript script;
  script.encode_end = [&](tcpkit_filter_output*) {
    ++ends;
    return TCPKIT_OK;
  };
  FilteredOptions options({scripted_filter(script)});
  TestServer server(options.get(),
                    {.on_open = [](tcpkit_conn* conn) { (void)tcpkit_conn_abort(conn); }});
  RawClient client = server.connect();
  EXPECT_EQ(TCPKIT_CLOSE_ABORTED, server.close_info().reason);
  EXPECT_EQ(0, ends);
}

TEST(Filters, GiveWhatTheyHaveKeptAtTheEndOfThePeersStream) {
  FilterScript script;
  script.decode_end = [](tcpkit_filter_output* output) { return write_text(output, "tail\n"); };
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  TestServer server(options.get());
  RawClient client = server.connect();
  client.send(halves_of("line\n"));
  client.half_close();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
  EXPECT_EQ((std::vector<std::string>{"line", "tail"}), server.packet_texts());
}

TEST(Filters, APartialTailOfWhatWasDecodedIsTold) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  options.get().deliver_tail = TCPKIT_ON;
  TestServer server(options.get());
  RawClient client = server.connect();
  client.send(halves_of("line\nrest"));
  client.half_close();
  EXPECT_EQ(4u, server.close_info().partial_bytes);
  EXPECT_EQ((std::vector<std::string>{"line", "rest"}), server.packet_texts());
}

TEST(Filters, StatesAndUserDataAreFreedOnce) {
  FilterScript script;
  {
    FilteredOptions options({scripted_filter(script), scripted_filter(script)});
    TestServer server(options.get());
    RawClient client = server.connect();
    EXPECT_TRUE(server.wait_opens(1));
    client.close();
    EXPECT_TRUE(server.wait_closes(1));
    EXPECT_EQ(2, script.created);
    EXPECT_EQ(2, script.freed);
  }
  EXPECT_EQ(2, script.user_data_freed);
}

TEST(Filters, CountBytesAsTheyAreOnTheWire) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)});
  TestServer server(options.get(), echo());
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send(halves_of("hello"));
  EXPECT_EQ(10u, client.receive(10).size());
  EXPECT_TRUE(server.settle());
  EXPECT_EQ(10u, tcpkit_conn_total_read(conn.get()));
  EXPECT_EQ(10u, tcpkit_conn_total_written(conn.get()));
  EXPECT_EQ(10u, server.metrics().total_read);
}

// ---- Failures ----

struct FailingServer {
  explicit FailingServer(FilterScript& script,
                         const tcpkit_server_options& given = framed(tcpkit_framing_line()))
      : options({scripted_filter(script)}, given),
        server(options.get(), {.on_packet = send_packet,
                               .on_close = [this](tcpkit_conn*, const tcpkit_close_info& info) {
                                 ends.note(info);
                               }}) {}
  void expect_end(tcpkit_close_reason reason, tcpkit_status status, const char* detail) {
    EXPECT_EQ(reason, ends.first().reason);
    EXPECT_EQ(status, ends.first().status);
    EXPECT_EQ(detail, ends.detail());
    const tcpkit_metrics metrics = server.metrics();
    EXPECT_EQ(reason == TCPKIT_CLOSE_FILTER_ERROR ? 1u : 0u, metrics.filter_errors);
    EXPECT_EQ(reason == TCPKIT_CLOSE_CALLBACK ? 1u : 0u, metrics.callback_errors);
  }

  Ends ends;
  FilteredOptions options;
  TestServer server;
};

TEST(Filters, AFailureToDecodeIsToldAfterWhatWasDecodedBefore) {
  FilterScript script;
  FailingServer failing(script);
  RawClient client = failing.server.connect();
  client.send(halves_of("fine\n") + "!");
  EXPECT_EQ(halves_of("fine\n"), client.receive_all());
  EXPECT_EQ(StreamEnd::kFin, client.end());
  client.close();
  failing.expect_end(TCPKIT_CLOSE_FILTER_ERROR, TCPKIT_E_FILTER,
                     "filter halves: decode: a filter refused the bytes");
  EXPECT_STREQ("FILTER_ERROR", tcpkit_close_reason_name(TCPKIT_CLOSE_FILTER_ERROR));
}

TEST(Filters, AFailureToEncodeResetsSinceBytesAreMissing) {
  FilterScript script;
  script.encode = [](std::string_view, tcpkit_filter_output*) { return TCPKIT_E_IO; };
  FailingServer failing(script);
  RawClient client = failing.server.connect();
  client.send(halves_of("fine\n"));
  EXPECT_EQ(StreamEnd::kReset, client.wait_for_end());
  failing.expect_end(TCPKIT_CLOSE_FILTER_ERROR, TCPKIT_E_IO,
                     "filter halves: encode: a system call failed");
  EXPECT_EQ(5u, failing.ends.first().unsent_bytes);
}

TEST(Filters, AFailureToFlushEndsTheConnection) {
  FilterScript script;
  script.flush = [](tcpkit_filter_output*) { return TCPKIT_E_FILTER; };
  FailingServer failing(script);
  RawClient client = failing.server.connect();
  client.send(halves_of("fine\n"));
  failing.expect_end(TCPKIT_CLOSE_FILTER_ERROR, TCPKIT_E_FILTER,
                     "filter halves: flush: a filter refused the bytes");
}

TEST(Filters, AFailureToEndOurStreamIsTheReasonInPlaceOfTheClose) {
  FilterScript script;
  script.encode_end = [](tcpkit_filter_output*) { return TCPKIT_E_FILTER; };
  FailingServer failing(script);
  RawClient client;
  const KeptConn conn = failing.server.accepted(client);
  (void)tcpkit_conn_close(conn.get());
  failing.expect_end(TCPKIT_CLOSE_FILTER_ERROR, TCPKIT_E_FILTER,
                     "filter halves: encode_end: a filter refused the bytes");
}

TEST(Filters, AStreamThatEndsTooEarlyForTheFilterIsAFailure) {
  FilterScript script;
  FailingServer failing(script);
  RawClient client = failing.server.connect();
  client.send(halves_of("fine\n") + "a");
  client.half_close();
  EXPECT_EQ(halves_of("fine\n"), client.receive_all());
  failing.expect_end(TCPKIT_CLOSE_FILTER_ERROR, TCPKIT_E_UNEXPECTED_EOF,
                     "filter halves: decode_end: the stream ended too early");
}

TEST(Filters, OneThatThrowsIsLikeAnyCallback) {
  FilterScript script;
  script.decode = [](std::string_view, tcpkit_filter_output*) -> tcpkit_status {
    throw std::runtime_error("in a filter");
  };
  FailingServer failing(script);
  RawClient client = failing.server.connect();
  client.send("x");
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  failing.expect_end(TCPKIT_CLOSE_CALLBACK, TCPKIT_E_CALLBACK, "");
}

TEST(Filters, OneThatThrowsWhenItEncodesIsLikeAnyCallback) {
  FilterScript script;
  script.encode = [](std::string_view, tcpkit_filter_output*) -> tcpkit_status {
    throw std::runtime_error("in a filter");
  };
  FailingServer failing(script);
  RawClient client = failing.server.connect();
  client.send(halves_of("x\n"));
  failing.expect_end(TCPKIT_CLOSE_CALLBACK, TCPKIT_E_CALLBACK, "");
}

TEST(Filters, AFailureOfTheNextOneIsNotBlamedOnTheOneThatCalledIt) {
  FilterScript first;
  first.decode = [](std::string_view text, tcpkit_filter_output* output) {
    EXPECT_EQ(TCPKIT_E_FILTER, write_text(output, text));
    return TCPKIT_OK;
  };
  FilterScript second;
  Ends ends;
  tcpkit_filter named = scripted_filter(first);
  named.name = "first";
  FilteredOptions options({named, scripted_filter(second)});
  TestServer server(options.get(), {.on_close = [&](tcpkit_conn*, const tcpkit_close_info& info) {
                      ends.note(info);
                    }});
  RawClient client = server.connect();
  client.send("!");
  EXPECT_EQ(StreamEnd::kFin, client.wait_for_end());
  client.close();
  EXPECT_EQ("filter halves: decode: a filter refused the bytes", ends.detail());
}

TEST(Filters, AStateThatIsNotMadeEndsTheConnectionBeforeItIsAnnounced) {
  FilterScript script;
  tcpkit_filter filter = scripted_filter(script);
  filter.state_create = [](void*) -> void* { return nullptr; };
  Ends ends;
  FilteredOptions options({filter});
  TestServer server(options.get(), {.on_close = [&](tcpkit_conn*, const tcpkit_close_info& info) {
                      ends.note(info);
                    }});
  RawClient client = server.connect();
  EXPECT_EQ(TCPKIT_CLOSE_FILTER_ERROR, ends.first().reason);
  EXPECT_EQ(TCPKIT_E_CALLBACK, ends.first().status);
  EXPECT_EQ(0u, server.open_count());
}

// ---- Arguments ----

void expect_refused(tcpkit_server_options& options, const char* message) {
  tcpkit_server* server = nullptr;
  EXPECT_NE(TCPKIT_OK, tcpkit_server_create(&options, nullptr, &server));
  EXPECT_STREQ(message, tcpkit_last_error_message());
  EXPECT_EQ(nullptr, server);
}

TEST(Filters, AFilterThatIsRefusedHasAllUserDataFreedOnce) {
  FilterScript script;
  tcpkit_filter nameless = scripted_filter(script);
  nameless.name = nullptr;
  FilteredOptions options({scripted_filter(script), nameless, scripted_filter(script)});
  expect_refused(options.get(), "options.filters[]: name has to have 1 to 64 bytes");
  EXPECT_EQ(3, script.user_data_freed);
}

TEST(Filters, AServerThatIsRefusedForSomethingElseFreesThemToo) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)});
  options.get().loops = 1000;
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options.get(), nullptr, &server));
  EXPECT_EQ(1, script.user_data_freed);
}

TEST(Filters, OneThatDoesNothingIsRefused) {
  tcpkit_filter filter = TCPKIT_FILTER_INIT;
  filter.name = "idle";
  FilteredOptions options({filter});
  expect_refused(options.get(), "options.filters[]: decode and encode are NULL: what does it do?");
}

TEST(Filters, MoreThanSixteenAreRefused) {
  FilteredOptions options(std::vector<tcpkit_filter>(17, xor_filter(&kKey)));
  expect_refused(options.get(), "options: filter_count is 17, more than 16");
}

TEST(Filters, AWriteWithoutOutputIsRefused) {
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_filter_write(nullptr, "x", 1));
}

}  // namespace
