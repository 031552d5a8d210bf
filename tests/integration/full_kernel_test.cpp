// What a connection sends in its event while its kernel buffer is full, and nothing of it waits in
// its queue because that is sealed or encoded already.
#include "filter_kit.h"
#include "tls_client.h"

using namespace testkit;

namespace {

// Sends until the kernel takes no more, so that what waits is encoded or sealed already.
std::string fill_kernel(tcpkit_conn* conn) {
  static const std::string chunk = numbers(30'000);
  std::string sent;
  while (tcpkit_conn_queued_bytes(conn) == 0) {
    send_text(conn, chunk);
    EXPECT_EQ(TCPKIT_OK, tcpkit_conn_flush(conn));
    sent += chunk;
  }
  return sent;
}

// What such a connection sends then must not be taken for the output of the next one.
template <typename Client, typename Code>
void expect_own_output(TestServer& server, Client& slow, Client& other, const std::string& filled,
                       Code code) {
  slow.send(code("fill"));
  ASSERT_TRUE(server.wait_data(4));
  for (size_t i = 0; i < 3; ++i) {
    slow.send(code("more"));
    ASSERT_TRUE(server.wait_data(8 + 9 * i));
    other.send(code("other"));
    EXPECT_EQ(code("other"), other.receive(code("other").size()));
  }
  const std::string expected = code(filled + "fillmoremoremore");
  EXPECT_TRUE(expected == slow.receive(expected.size()));
}

Behaviour filling(std::string& filled) {
  return {.on_data = [&filled](tcpkit_conn* conn, std::string_view text) {
    if (text == "fill") filled = fill_kernel(conn);
    send_text(conn, text);
  }};
}

TEST(FullKernel, WithFiltersSmallSendsStayWithTheirConnection) {
  FilterScript script;
  FilteredOptions options({scripted_filter(script)}, with_small_buffers());
  std::string filled;
  TestServer server(options.get(), filling(filled));
  RawClient slow = server.connect(kSmallBuffer);
  RawClient other = server.connect();
  ASSERT_TRUE(server.wait_opens(2));
  expect_own_output(server, slow, other, filled, halves_of);
}

TEST(FullKernel, OverTlsSmallSendsStayWithTheirConnection) {
  const TlsOwner tls = simple_tls();
  std::string filled;
  TestServer server(with_tls(tls, with_small_buffers()), filling(filled));
  TlsClient slow(server.connect(kSmallBuffer), client_context().get());
  ASSERT_TRUE(slow.handshake());
  TlsClient other(server);
  ASSERT_TRUE(other.handshake());
  expect_own_output(server, slow, other, filled,
                    [](std::string_view text) { return std::string(text); });
}

}  // namespace
