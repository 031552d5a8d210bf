// Going over to TLS in the middle of a connection, on either side; plain and TLS on one port; TLS
// behind a PROXY header.
#include <algorithm>
#include <atomic>

#include "tls_client.h"

using namespace testkit;
using tcpkit::test::Claims;
using tcpkit::test::Issued;
using tcpkit::test::TestAuthority;

namespace {

// A line protocol whose clients may ask for TLS. on_tls is noted.
class UpgradingServer {
 public:
  explicit UpgradingServer(const TlsOwner& tls) : tls_(tls.get()) {
    tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
    handlers.on_packet = got_line;
    handlers.on_tls = became_tls;
    handlers.on_close = closed;
    handlers.user_data = this;
    tcpkit_server_options options = framed(tcpkit_framing_line());
    tcpkit_server* server = nullptr;
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server));
    owner_.reset(server);
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, "tcp://127.0.0.1:0", nullptr));
    EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server));
  }
  RawClient connect() const { return RawClient(listener_address(owner_.get())); }
  tcpkit_close_info close_info() {
    EXPECT_TRUE(closed_.wait());
    return info_;
  }
  bool wait_tls() const { return became_tls_.wait(); }
  int tls_count() const { return became_tls_.count(); }

 private:
  static UpgradingServer& self(void* user_data) {
    return *static_cast<UpgradingServer*>(user_data);
  }
  static void got_line(tcpkit_conn* conn, const uint8_t* data, size_t size, void* user_data) {
    const std::string_view line(reinterpret_cast<const char*>(data), size);
    if (line != "STARTTLS") return send_packet(conn, "you said " + std::string(line));
    send_packet(conn, "go ahead");
    tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
    options.role = TCPKIT_TLS_SERVER;
    options.tls = self(user_data).tls_;
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_start_tls(conn, &options));
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_start_tls(conn, &options)) << "twice";
    tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
    EXPECT_EQ(TCPKIT_E_NOT_FOUND, tcpkit_conn_tls_info(conn, &info)) << "not done yet";
    send_packet(conn, "sealed greeting");
  }
  static void became_tls(tcpkit_conn* conn, void* user_data) {
    tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_tls_info(conn, &info));
    self(user_data).became_tls_.set();
  }
  static void closed(tcpkit_conn*, const tcpkit_close_info* info, void* user_data) {
    self(user_data).info_ = *info;
    self(user_data).closed_.set();
  }

  tcpkit_tls* const tls_;
  tcpkit_close_info info_{};
  Event became_tls_;
  Event closed_;
  ServerOwner owner_;
};

TEST(StartTls, GoesOverToTlsAndSealsWhatIsSentFromThenOn) {
  const TlsOwner tls = simple_tls();
  UpgradingServer server(tls);
  RawClient raw = server.connect();
  raw.send("hello\n");
  EXPECT_EQ("you said hello\n", raw.receive(15));
  raw.send("STARTTLS\n");
  EXPECT_EQ("go ahead\n", raw.receive(9));
  TlsClient client(std::move(raw), client_context().get());
  ASSERT_TRUE(client.handshake());
  EXPECT_EQ("sealed greeting\n", client.receive(16));
  client.send("secret\n");
  EXPECT_EQ("you said secret\n", client.receive(16));
  EXPECT_TRUE(server.wait_tls());
  client.say_goodbye();
  EXPECT_EQ(TCPKIT_CLOSE_PEER_FIN, server.close_info().reason);
}

TEST(StartTls, RefusesWhatCameInClearBehindTheCommand) {
  const TlsOwner tls = simple_tls();
  for (const char* injected : {"STARTTLS\nDELETE everything\n", "STARTTLS\npart"}) {
    UpgradingServer server(tls);
    RawClient raw = server.connect();
    raw.send(injected);
    const tcpkit_close_info info = server.close_info();
    EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, info.reason);
    EXPECT_EQ(TCPKIT_E_TLS, info.status);
    EXPECT_EQ(0, server.tls_count());
  }
}

TEST(StartTls, RefusesClearBytesInPlaceOfTheHandshake) {
  const TlsOwner tls = simple_tls();
  UpgradingServer server(tls);
  RawClient raw = server.connect();
  raw.send("STARTTLS\n");
  EXPECT_EQ("go ahead\n", raw.receive(9));
  raw.send("DELETE everything\n");
  EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, server.close_info().reason);
  EXPECT_EQ(TCPKIT_E_TLS_NOT_TLS, server.close_info().status);
}

TEST(StartTls, AfterMuchThatWasSentInClear) {
  const TlsOwner tls = simple_tls();
  const std::string much = numbers(4u << 20);
  TestServer server(with_small_buffers(), {.on_open = [&](tcpkit_conn* conn) {
                      send_text(conn, much);
                      tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
                      options.role = TCPKIT_TLS_SERVER;
                      options.tls = tls.get();
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_start_tls(conn, &options));
                      send_text(conn, "sealed");
                    }});
  RawClient raw = server.connect();
  EXPECT_TRUE(raw.receive(much.size()) == much);
  TlsClient client(std::move(raw), client_context().get());
  ASSERT_TRUE(client.handshake());
  EXPECT_EQ("sealed", client.receive(6));
  EXPECT_TRUE(server.wait_until([&] { return server.metrics().total_written == much.size() + 6; }));
}

// ---- Our side is the client ----

class ClientSide : public ::testing::Test {
 protected:
  // The tested connections are clients of TLS, who trust authority_ and expect localhost.
  void start(const char* server_name = "localhost",
             std::function<void(tcpkit_conn*)> on_tls = nullptr) {
    const std::string ca = authority_.root().pem();
    tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
    options.ca_pem = {ca.data(), ca.size()};
    tls_ = make_tls(options);
    server_ = std::make_unique<TestServer>(
        with_loops(1), Behaviour{.on_open =
                                     [this, server_name](tcpkit_conn* conn) {
                                       tcpkit_start_tls_options start =
                                           TCPKIT_START_TLS_OPTIONS_INIT;
                                       start.role = TCPKIT_TLS_CLIENT;
                                       start.tls = tls_.get();
                                       start.server_name = server_name;
                                       EXPECT_EQ(TCPKIT_OK, tcpkit_conn_start_tls(conn, &start))
                                           << TestServer::last_error();
                                       send_text(conn, "from the client");
                                     },
                                 .on_tls = std::move(on_tls)});
  }
  static SslContext peer_context(const Issued& shown, const Issued& intermediate) {
    SslContext context(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context.get(), shown.certificate.get());
    SSL_CTX_add1_chain_cert(context.get(), intermediate.certificate.get());
    SSL_CTX_use_PrivateKey(context.get(), shown.key.get());
    return context;
  }
  // The peer, with that certificate; false if the handshake fails.
  bool shake_hands(const Issued& shown, const Issued& intermediate) {
    const SslContext context = peer_context(shown, intermediate);
    peer_ = std::make_unique<TlsClient>(TlsClient::as_server(server_->connect(), context.get()));
    return peer_->handshake() && peer_->receive(15) == "from the client";
  }
  void expect_refused(const Issued& shown, tcpkit_status status,
                      const char* server_name = "localhost") {
    start(server_name);
    EXPECT_FALSE(shake_hands(shown, authority_.intermediate()));
    const tcpkit_close_info info = server_->close_info();
    EXPECT_EQ(TCPKIT_CLOSE_TLS_ERROR, info.reason);
    EXPECT_EQ(status, info.status) << tcpkit_status_name(info.status);
  }

  const TestAuthority authority_;
  TlsOwner tls_;
  std::unique_ptr<TestServer> server_;
  std::unique_ptr<TlsClient> peer_;
};

TEST_F(ClientSide, TrustsAPeerWhoseCertificateIsForItsNameAndSendsSni) {
  start();
  ASSERT_TRUE(shake_hands(authority_.server("localhost"), authority_.intermediate()));
  EXPECT_STREQ("localhost", SSL_get_servername(peer_->ssl(), TLSEXT_NAMETYPE_host_name));
}

// One peer that sends so many flights whole, and of the next one up to cut_size bytes, but never
// all of it: signatures differ in length. Tells how long the whole flight is.
size_t cut_answer(TlsClient peer, int flights_before, size_t cut_size) {
  std::string flight = peer.next_flight();
  for (int i = 0; i < flights_before; ++i) {
    peer.raw().send(flight);
    flight = peer.next_flight();
  }
  if (flight.empty()) {
    ADD_FAILURE() << "the tested client has not answered";
    return 0;
  }
  peer.raw().send(flight.substr(0, std::min(cut_size, flight.size() - 1)));
  return flight.size();
}

TEST_F(ClientSide, AHandshakeThatThePeerCutsAtAnyByteLeavesNothing) {
  start();
  const Issued shown = authority_.server("localhost");
  size_t connections = 0;
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const SslContext context = peer_context(shown, authority_.intermediate());
    SSL_CTX_set_max_proto_version(context.get(), version);
    const int last_flight = version == TLS1_2_VERSION ? 1 : 0;
    for (int before = 0; before <= last_flight; ++before) {
      size_t size = 0;
      size_t whole = 1;
      for (; size < whole; ++size) {
        whole = cut_answer(TlsClient::as_server(server_->connect(), context.get()), before, size);
      }
      EXPECT_GT(whole, 40u);
      connections += size;
    }
  }
  ASSERT_TRUE(server_->wait_closes(connections));
  EXPECT_EQ(0u, server_->metrics().tls_handshakes);
  EXPECT_EQ(0u, server_->metrics().tls_handshakes_now);
  EXPECT_TRUE(server_->wait_until([&] { return server_->metrics().connections == 0; }));
}

TEST_F(ClientSide, ResumesTheSessionOfThatHost) {
  std::atomic<int> resumed{0};
  Event done;
  start("localhost", [&](tcpkit_conn* conn) {
    tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_tls_info(conn, &info));
    EXPECT_EQ(1, info.peer_verified);
    resumed += info.resumed;
    done.set();
  });
  const Issued shown = authority_.server("localhost");
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const int resumed_before = resumed;
    const int done_before = done.count();
    const SslContext context = peer_context(shown, authority_.intermediate());
    SSL_CTX_set_max_proto_version(context.get(), version);
    for (int i = 0; i < 3; ++i) {
      TlsClient peer = TlsClient::as_server(server_->connect(), context.get());
      ASSERT_TRUE(peer.handshake());
      EXPECT_EQ("from the client", peer.receive(15));
      peer.send("read with the tickets");
      ASSERT_TRUE(done.wait(done_before + i + 1));
      peer.say_goodbye();
      EXPECT_EQ("", peer.receive_all());
    }
    EXPECT_EQ(resumed_before + 2, resumed);
  }
}

TEST_F(ClientSide, TakesAnAddressForAName) {
  start("192.0.2.7");
  const Issued by_address = authority_.leaf({"by address", "IP:192.0.2.7"});
  EXPECT_TRUE(shake_hands(by_address, authority_.intermediate()));
  EXPECT_EQ(nullptr, SSL_get_servername(peer_->ssl(), TLSEXT_NAMETYPE_host_name));
}

TEST_F(ClientSide, RefusesEachWrongCertificateWithItsOwnStatus) {
  Claims expired{"localhost", "DNS:localhost"};
  expired.ends_in = -60;
  expect_refused(authority_.leaf(expired), TCPKIT_E_TLS_EXPIRED);
  Claims early{"localhost", "DNS:localhost"};
  early.begins_in = 3600;
  expect_refused(authority_.leaf(early), TCPKIT_E_TLS_NOT_YET_VALID);
  expect_refused(authority_.server("other.example"), TCPKIT_E_TLS_WRONG_HOST);
  expect_refused(authority_.server("localhost"), TCPKIT_E_TLS_WRONG_HOST, "192.0.2.7");
  expect_refused(tcpkit::test::issue({"localhost", "DNS:localhost"}), TCPKIT_E_TLS_SELF_SIGNED);
  const TestAuthority other("somebody else");
  expect_refused(other.server("localhost"), TCPKIT_E_TLS_UNTRUSTED);
  Claims client_only{"localhost", "DNS:localhost"};
  client_only.usage = "clientAuth";
  expect_refused(authority_.leaf(client_only), TCPKIT_E_TLS_WRONG_PURPOSE);
}

// ---- Arguments ----

TEST(StartTls, NamesWhatIsWrongWithItsArguments) {
  const TlsOwner tls = simple_tls();
  TestServer server;
  RawClient client;
  const KeptConn conn = server.accepted(client);
  tcpkit_start_tls_options options = TCPKIT_START_TLS_OPTIONS_INIT;
  options.role = TCPKIT_TLS_SERVER;
  options.tls = tls.get();
  EXPECT_EQ(TCPKIT_E_WRONG_THREAD, tcpkit_conn_start_tls(conn.get(), &options));
  const auto expect_named = [](tcpkit_conn* self, const tcpkit_start_tls_options* wrong,
                               const char* name) {
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_start_tls(self, wrong));
    EXPECT_NE(std::string::npos, TestServer::last_error().find(name)) << TestServer::last_error();
  };
  ASSERT_TRUE(run_on_loop(conn.get(), [&](tcpkit_conn* self) {
    expect_named(nullptr, &options, "conn");
    expect_named(self, nullptr, "options");
    tcpkit_start_tls_options wrong = options;
    wrong.tls = nullptr;
    expect_named(self, &wrong, "tls");
    wrong = options;
    wrong.role = 3;
    expect_named(self, &wrong, "role");
    wrong.role = TCPKIT_TLS_CLIENT;
    expect_named(self, &wrong, "server_name");
    wrong.struct_size = 8;
    EXPECT_EQ(TCPKIT_E_STRUCT_SIZE, tcpkit_conn_start_tls(self, &wrong));
    tcpkit_tls_info info = TCPKIT_TLS_INFO_INIT;
    tcpkit_slice der{};
    EXPECT_EQ(TCPKIT_E_NOT_FOUND, tcpkit_conn_tls_info(self, &info));
    EXPECT_EQ(TCPKIT_E_NOT_FOUND, tcpkit_conn_tls_peer_certificate(self, 0, &der));
    EXPECT_EQ(nullptr, tcpkit_conn_native_tls(self));
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_tls_info(self, nullptr));
    EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_conn_tls_peer_certificate(self, 0, nullptr));
  }));
  client.send("still plain");
  ASSERT_TRUE(server.wait_data(11));
}

// ---- Before TLS ----

TEST(TlsOrPlain, TheFirstByteTells) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.tls_or_plain = TCPKIT_ON;
  TestServer server(options, echo());
  RawClient plain = server.connect();
  plain.send("plain");
  EXPECT_EQ("plain", plain.receive(5));
  TlsClient sealed(server);
  ASSERT_TRUE(sealed.handshake());
  sealed.send("sealed");
  EXPECT_EQ("sealed", sealed.receive(6));
}

TEST(TlsOrPlain, WhoSaysNothingIsPlainWhenTheTimeIsOver) {
  const TlsOwner tls = simple_tls();
  tcpkit_server_options options = with_tls(tls);
  options.tls_or_plain = TCPKIT_ON;
  options.handshake_timeout_ms = 40;
  TestServer server(options, {.on_open = [](tcpkit_conn* conn) { send_text(conn, "welcome"); }});
  RawClient client = server.connect();
  EXPECT_EQ("welcome", client.receive(7));
}

TEST(TlsBehindAProxy, TheHeaderComesFirst) {
  const TlsOwner tls = simple_tls();
  for (const tcpkit_switch or_plain : {TCPKIT_OFF, TCPKIT_ON}) {
    std::string remote;
    tcpkit_server_options options = with_tls(tls);
    options.tls_or_plain = or_plain;
    options.proxy_protocol = TCPKIT_PROXY_REQUIRED;
    options.proxy_trusted = "127.0.0.1";
    TestServer server(options, {.on_open =
                                    [&](tcpkit_conn* conn) {
                                      char text[100];
                                      tcpkit_conn_remote_address(conn, text, sizeof text);
                                      remote = text;
                                    },
                                .on_data = send_text});
    TlsClient client(server);
    SSL_do_handshake(client.ssl());
    client.raw().send("PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n" + client.take_sealed());
    ASSERT_TRUE(client.handshake());
    client.send("hello");
    EXPECT_EQ("hello", client.receive(5));
    EXPECT_EQ("192.0.2.7:5000", remote);
  }
}

}  // namespace
