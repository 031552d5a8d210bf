// A client that dials and uses blocking calls: no handlers, the thread of the caller does the I/O.
#include <gtest/gtest.h>

#include <cstring>
#include <thread>
#include <utility>

#include "blocking_support.h"
#include "tls_client.h"

namespace testkit {
namespace {

// A client without handlers, and the connection that it dialled.
class Dialler {
 public:
  explicit Dialler(const std::string& address,
                   const tcpkit_client_options& options = TCPKIT_CLIENT_OPTIONS_INIT) {
    EXPECT_EQ(TCPKIT_OK, tcpkit_client_create(&options, nullptr, &client_));
    status_ = tcpkit_client_dial(client_, address.c_str(), &conn_);
  }
  Dialler(const Dialler&) = delete;
  Dialler& operator=(const Dialler&) = delete;
  ~Dialler() {
    tcpkit_conn_release(conn_);
    tcpkit_client_free(client_);
  }

  tcpkit_client* client() const { return client_; }
  tcpkit_conn* conn() const { return conn_; }
  tcpkit_status status() const { return status_; }
  // The client ends, with its connection.
  void free_client() { tcpkit_client_free(std::exchange(client_, nullptr)); }

 private:
  tcpkit_client* client_ = nullptr;
  tcpkit_conn* conn_ = nullptr;
  tcpkit_status status_ = TCPKIT_OK;
};

tcpkit_client_options with_framing(const tcpkit_framing& framing) {
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.framing = framing;
  return options;
}

TEST(ClientBlocking, WritesAndReadsWhatComesBack) {
  TestServer server(with_loops(1), echo());
  Dialler dialler(server.address());
  ASSERT_EQ(TCPKIT_OK, dialler.status()) << tcpkit_last_error_message();
  const std::string sent(300'000, 'x');
  std::thread writer([&] { EXPECT_EQ(TCPKIT_OK, write_text(dialler.conn(), sent)); });
  EXPECT_EQ(sent, read_exactly(dialler.conn(), sent.size()).bytes);
  writer.join();
  EXPECT_EQ(sent.size(), tcpkit_conn_total_read(dialler.conn()));
  tcpkit_metrics metrics = TCPKIT_METRICS_INIT;
  EXPECT_EQ(TCPKIT_OK, tcpkit_client_metrics(dialler.client(), &metrics));
  EXPECT_EQ(sent.size(), metrics.total_read);
  EXPECT_EQ(sent.size(), metrics.total_written);
}

TEST(ClientBlocking, ReadsPacketsInItsFraming) {
  TestServer server(with_loops(1), echo());
  Dialler dialler(server.address(), with_framing(tcpkit_framing_line()));
  ASSERT_EQ(TCPKIT_OK, dialler.status());
  EXPECT_EQ(TCPKIT_OK, write_packet(dialler.conn(), "one"));
  EXPECT_EQ(TCPKIT_OK, write_packet(dialler.conn(), "two"));
  EXPECT_EQ("one", read_packet(dialler.conn()).bytes);
  EXPECT_EQ("two", read_packet(dialler.conn()).bytes);
}

TEST(ClientBlocking, SpeaksTls) {
  const TlsOwner theirs = simple_tls();
  tcpkit_tls_options trust = TCPKIT_TLS_OPTIONS_INIT;
  trust.insecure_accept_any_certificate = TCPKIT_ON;
  const TlsOwner ours = make_tls(trust);
  TestServer server(with_tls(theirs), echo());
  tcpkit_client_options options = TCPKIT_CLIENT_OPTIONS_INIT;
  options.tls = ours.get();
  Dialler dialler(server.address(), options);
  ASSERT_EQ(TCPKIT_OK, dialler.status()) << tcpkit_last_error_message();
  EXPECT_EQ(TCPKIT_OK, write_text(dialler.conn(), "sealed"));
  EXPECT_EQ("sealed", read_exactly(dialler.conn(), 6).bytes);
}

TEST(ClientBlocking, ReadsTheEndOfTheServer) {
  Behaviour behaviour;
  behaviour.on_open = [](tcpkit_conn* conn) {
    send_text(conn, "bye");
    tcpkit_conn_close(conn);
  };
  TestServer server(with_loops(1), behaviour);
  Dialler dialler(server.address());
  ASSERT_EQ(TCPKIT_OK, dialler.status());
  EXPECT_EQ("bye", read_exactly(dialler.conn(), 3).bytes);
  EXPECT_EQ(TCPKIT_E_END, read_some(dialler.conn()).status);
}

TEST(ClientBlocking, NothingOfWhatTheServerSaysFirstIsLost) {
  TestServer server(with_loops(1),
                    {.on_open = [](tcpkit_conn* conn) { send_text(conn, "hello"); }});
  for (int i = 0; i < 50; ++i) {
    Dialler dialler(server.address());
    ASSERT_EQ(TCPKIT_OK, dialler.status());
    ASSERT_EQ("hello", read_exactly(dialler.conn(), 5).bytes);
  }
}

TEST(ClientBlocking, ADeadlineEndsAReadAndTheConnectionStaysOpen) {
  TestServer server(with_loops(1), echo());
  Dialler dialler(server.address());
  ASSERT_EQ(TCPKIT_OK, dialler.status());
  EXPECT_EQ(TCPKIT_OK, tcpkit_conn_set_deadline(dialler.conn(), TCPKIT_TIMEOUT_READ, 20));
  EXPECT_EQ(TCPKIT_E_TIMED_OUT, read_some(dialler.conn()).status);
  EXPECT_EQ(TCPKIT_OK,
            tcpkit_conn_set_deadline(dialler.conn(), TCPKIT_TIMEOUT_READ, TCPKIT_UNLIMITED));
  EXPECT_EQ(TCPKIT_OK, write_text(dialler.conn(), "on"));
  EXPECT_EQ("on", read_exactly(dialler.conn(), 2).bytes);
}

TEST(ClientBlocking, FreeingTheClientWakesAReader) {
  TestServer server(with_loops(1), echo());
  Dialler dialler(server.address());
  ASSERT_EQ(TCPKIT_OK, dialler.status());
  std::thread reader([&] { EXPECT_EQ(TCPKIT_E_CLOSED, read_some(dialler.conn()).status); });
  dialler.free_client();
  reader.join();
}

TEST(ClientBlocking, ARefusedPortIsAnErrorThatNamesIt) {
  std::string address;
  {
    TestServer server(with_loops(1), echo());
    address = server.address();
  }
  Dialler dialler(address);
  EXPECT_EQ(TCPKIT_E_REFUSED, dialler.status());
  EXPECT_NE(nullptr, strstr(tcpkit_last_error_message(), address.c_str()));
  EXPECT_EQ(nullptr, dialler.conn());
}

TEST(ClientBlocking, OnConnectionIsForServers) {
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_connection = [](tcpkit_conn*, void*) {};
  tcpkit_client* client = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_client_create(nullptr, &handlers, &client));
}

TEST(ClientBlocking, FiltersAndHandlerThreadsExcludeEachOther) {
  tcpkit_filter filter = TCPKIT_FILTER_INIT;
  filter.name = "none";
  filter.decode = [](void*, const uint8_t* data, size_t size, tcpkit_filter_output* output) {
    return tcpkit_filter_write(output, data, size);
  };
  const tcpkit_filter* filters[] = {&filter};
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.filters = filters;
  options.filter_count = 1;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_connection = [](tcpkit_conn*, void*) {};
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_E_INVALID_ARGUMENT, tcpkit_server_create(&options, &handlers, &server));
}

}  // namespace
}  // namespace testkit
