// Filters that a connection gets in its middle, as protocols do after a login, and behind PROXY
// headers and STARTTLS.
#include "filter_kit.h"
#include "tls_client.h"

using namespace testkit;

namespace {

constexpr char kKey = 0x55;

void add(tcpkit_conn* conn, const tcpkit_filter& filter) {
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_add_filter(conn, &filter)) << tcpkit_last_error_message();
}

// A line protocol: "halves" and "xor" add that filter, "tls" starts TLS; everything is answered, in
// clear if it is the answer to the request.
struct SwitchingServer {
  explicit SwitchingServer(tcpkit_server_options given = framed(tcpkit_framing_line()),
                           tcpkit_tls* tls = nullptr)
      : server(given, {.on_packet = [this, tls](tcpkit_conn* conn, std::string_view packet) {
                 send_packet(conn, packet);
                 if (packet == "halves") add(conn, scripted_filter(script));
                 if (packet == "xor") add(conn, xor_filter(&kKey));
                 if (packet != "tls") return;
                 tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
                 options.tls = tls;
                 options.role = TCPKIT_TLS_SERVER;
                 EXPECT_EQ(TCPKIT_OK, tcpkit_conn_start_tls(conn, &options));
               }}) {}
  FilterScript script;
  TestServer server;
};

TEST(AddedFilters, TakeWhatIsBehindThePacketInTheSameRead) {
  SwitchingServer switching;
  RawClient client = switching.server.connect();
  client.send("plain\nhalves\n" + halves_of("one\ntwo\n"));
  EXPECT_EQ("plain\nhalves\n" + halves_of("one\ntwo\n"), client.receive(29));
}

TEST(AddedFilters, TakeWhatComesLater) {
  SwitchingServer switching;
  RawClient client = switching.server.connect();
  client.send("halves\n");
  EXPECT_EQ("halves\n", client.receive(7));
  client.send(halves_of("one\n"));
  EXPECT_EQ(halves_of("one\n"), client.receive(8));
}

TEST(AddedFilters, WorkWithEveryCutOfTheStream) {
  const std::string wire = "a\nhalves\n" + halves_of("b\nxor\n" + xored("c\nd\n", kKey));
  for (size_t cut = 1; cut < wire.size(); ++cut) {
    SwitchingServer switching;
    RawClient client = switching.server.connect();
    client.send(wire.substr(0, cut));
    ASSERT_TRUE(switching.server.settle());
    client.send(wire.substr(cut));
    EXPECT_EQ(wire, client.receive(wire.size())) << "cut at " << cut;
  }
}

TEST(AddedFilters, TheSecondTakesWhatTheFirstHasDecodedAlready) {
  SwitchingServer switching;
  RawClient client = switching.server.connect();
  const std::string wire =
      "halves\n" + halves_of("xor\n" + xored(std::string(2000, 'x') + "\n", kKey));
  client.send(wire);
  EXPECT_EQ(wire, client.receive(wire.size()));
}

TEST(AddedFilters, ThatAreTwoInOneCallbackBothTakeTheRest) {
  FilterScript script;
  TestServer server(framed(tcpkit_framing_line()),
                    {.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
                      if (packet == "both") {
                        add(conn, scripted_filter(script));
                        add(conn, xor_filter(&kKey));
                      }
                    }});
  RawClient client = server.connect();
  client.send("both\n" + halves_of(xored("one\ntwo\n", kKey)));
  EXPECT_TRUE(server.wait_packets(3));
  EXPECT_EQ((std::vector<std::string>{"both", "one", "two"}), server.packet_texts());
}

TEST(AddedFilters, LeaveWhatWasSentBeforeAsItWasAlsoIfItWaits) {
  TestServer server(with_small_buffers());
  RawClient client;
  const KeptConn conn = server.accepted(client, kSmallBuffer);
  FilterScript script;
  const std::string before = numbers(2 << 20);
  const std::string between = numbers(300'000);
  EXPECT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    send_text(self, before);
    add(self, scripted_filter(script));
    send_text(self, between);
    add(self, xor_filter(&kKey));
    send_text(self, "last");
  }));
  const std::string expected = before + halves_of(between + xored("last", kKey));
  EXPECT_TRUE(expected == client.receive(expected.size()));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().buffered_bytes == 0; }));
}

TEST(AddedFilters, InOnOpenAreThereFromTheFirstByte) {
  FilterScript script;
  TestServer server(with_loops(1), {.on_open =
                                        [&](tcpkit_conn* conn) {
                                          send_text(conn, "clear ");
                                          add(conn, scripted_filter(script));
                                          send_text(conn, "not");
                                        },
                                    .on_data = send_text});
  RawClient client = server.connect();
  EXPECT_EQ("clear " + halves_of("not"), client.receive(12));
  client.send(halves_of("hello"));
  EXPECT_EQ(halves_of("hello"), client.receive(10));
}

TEST(AddedFilters, StandBehindThoseOfTheServer) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)});
  TestServer server(
      options.get(),
      {.on_open = [](tcpkit_conn* conn) { add(conn, xor_filter(&kKey)); }, .on_data = send_text});
  RawClient client = server.connect();
  client.send(halves_of(xored("hello", kKey)));
  EXPECT_EQ(halves_of(xored("hello", kKey)), client.receive(10));
}

TEST(AddedFilters, OnAPausedConnectionTakeWhatIsHeldBack) {
  FilterScript script;
  TestServer server(framed(tcpkit_framing_line()),
                    {.on_packet = [&](tcpkit_conn* conn, std::string_view packet) {
                      if (packet == "stop") tcpkit_conn_pause_reading(conn);
                    }});
  RawClient client;
  const KeptConn conn = server.accepted(client);
  client.send("stop\n" + halves_of("one\n"));
  ASSERT_TRUE(server.wait_packets(1));
  EXPECT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    add(self, scripted_filter(script));
    tcpkit_conn_resume_reading(self);
  }));
  ASSERT_TRUE(server.wait_packets(2));
  EXPECT_EQ("one", server.packet_texts()[1]);
}

TEST(AddedFilters, AreRefusedElsewhereThanOnTheLoop) {
  FilterScript script;
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  const tcpkit_filter filter = scripted_filter(script);
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, tcpkit_conn_add_filter(conn.get(), &filter));
  EXPECT_EQ(1, script.user_data_freed);
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_add_filter(nullptr, &filter));
  EXPECT_EQ(2, script.user_data_freed);
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_add_filter(conn.get(), nullptr));
}

TEST(AddedFilters, AreRefusedOnceTheConnectionCloses) {
  FilterScript script;
  tcpkit_status status = TCPKIT_OK;
  TestServer server(with_loops(1), {.on_close = [&](tcpkit_conn* conn, const tcpkit_close_info&) {
                      const tcpkit_filter filter = scripted_filter(script);
                      status = tcpkit_conn_add_filter(conn, &filter);
                    }});
  RawClient client = server.connect();
  EXPECT_TRUE(server.wait_opens(1));
  client.close();
  EXPECT_TRUE(server.wait_closes(1));
  EXPECT_EQ(TCPKIT_E_CLOSED, status);
  EXPECT_EQ(1, script.user_data_freed);
}

TEST(AddedFilters, AreRefusedInsideAFilter) {
  FilterScript inner;
  FilterScript script;
  tcpkit_conn* self = nullptr;
  tcpkit_status status = TCPKIT_OK;
  script.decode = [&](std::string_view text, tcpkit_filter_output* output) {
    const tcpkit_filter filter = scripted_filter(inner);
    status = tcpkit_conn_add_filter(self, &filter);
    return write_text(output, text);
  };
  FilteredOptions options({scripted_filter(script)});
  TestServer server(options.get(), {.on_open = [&](tcpkit_conn* conn) { self = conn; }});
  RawClient client = server.connect();
  client.send("x");
  EXPECT_TRUE(server.wait_data(1));
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, status);
}

TEST(AddedFilters, TheSeventeenthIsRefusedAndTheConnectionLivesOn) {
  TestServer server(with_loops(1), {.on_open =
                                        [](tcpkit_conn* conn) {
                                          for (int i = 0; i < 16; ++i) add(conn, xor_filter(&kKey));
                                          const tcpkit_filter filter = xor_filter(&kKey);
                                          EXPECT_EQ(TCPKIT_E_LIMIT,
                                                    tcpkit_conn_add_filter(conn, &filter));
                                        },
                                    .on_data = send_text});
  RawClient client = server.connect();
  client.send("hello");
  EXPECT_EQ("hello", client.receive(5));
}

TEST(AddedFilters, TheirUserDataIsFreedWithTheConnection) {
  SwitchingServer switching;
  RawClient client = switching.server.connect();
  client.send("halves\n");
  EXPECT_EQ("halves\n", client.receive(7));
  EXPECT_EQ(0, switching.script.user_data_freed);
  client.close();
  EXPECT_TRUE(switching.server.wait_closes(1));
  EXPECT_EQ(1, switching.script.user_data_freed);
  EXPECT_EQ(1, switching.script.freed);
}

// ---- Behind what else begins a connection ----

TEST(Filters, BehindAProxyHeaderInTheSameReadDecodeTheRest) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, framed(tcpkit_framing_line()));
  options.get().proxy_protocol = TCPKIT_PROXY_REQUIRED;
  options.get().proxy_trusted = "all";
  TestServer server(options.get(), echo());
  RawClient client = server.connect();
  client.send("PROXY TCP4 192.0.2.1 192.0.2.2 1000 2000\r\n" + halves_of("hello\n"));
  EXPECT_EQ(halves_of("hello\n"), client.receive(12));
}

TEST(AddedFilters, StayAboveTlsThatBeginsLater) {
  const TlsOwner tls = simple_tls();
  SwitchingServer switching(framed(tcpkit_framing_line()), tls.get());
  RawClient raw = switching.server.connect();
  raw.send("halves\n" + halves_of("tls\n"));
  EXPECT_EQ("halves\n" + halves_of("tls\n"), raw.receive(15));
  TlsClient client(std::move(raw), client_context().get());
  ASSERT_TRUE(client.handshake());
  client.send(halves_of("inside\n"));
  EXPECT_EQ(halves_of("inside\n"), client.receive(14));
}

TEST(AddedFilters, AfterStartTlsAreInsideIt) {
  const TlsOwner tls = simple_tls();
  SwitchingServer switching(framed(tcpkit_framing_line()), tls.get());
  RawClient raw = switching.server.connect();
  raw.send("tls\n");
  EXPECT_EQ("tls\n", raw.receive(4));
  TlsClient client(std::move(raw), client_context().get());
  ASSERT_TRUE(client.handshake());
  client.send("halves\n" + halves_of("inside\n"));
  EXPECT_EQ("halves\n" + halves_of("inside\n"), client.receive(21));
}

}  // namespace
