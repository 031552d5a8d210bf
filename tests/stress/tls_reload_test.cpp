// Reloading credentials under clients that connect all the time.
#include <atomic>
#include <cstdlib>
#include <thread>

#include "integration/child_process.h"
#include "integration/tls_client.h"

using namespace testkit;
using tcpkit::test::Issued;
using tcpkit::test::TemporaryFolder;
using tcpkit::test::TestAuthority;

namespace {

bool is_spared() {
  return std::getenv("TCPKIT_TEST_SLOW") != nullptr || kThreadSanitizer;
}

// Connects, shakes hands, exchanges a line and leaves, again and again.
class Visitors {
 public:
  Visitors(const TestServer& server, int threads) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this, &server] {
        const SslContext context = client_context();
        while (!leaving_) visit(server, context.get());
      });
    }
  }
  ~Visitors() { leave(); }
  void leave() {
    leaving_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  int served() const { return served_; }
  int failed() const { return failed_; }

 private:
  void visit(const TestServer& server, SSL_CTX* context) {
    TlsClient client(server.connect(), context);
    const bool shaken = client.handshake();
    if (shaken) client.send("line\n");
    if (shaken && client.receive(5) == "line\n") {
      ++served_;
    } else {
      ++failed_;
    }
    client.say_goodbye();
  }

  std::atomic<bool> leaving_{false};
  std::atomic<int> served_{0};
  std::atomic<int> failed_{0};
  std::vector<std::thread> threads_;
};

TEST(TlsReload, AThousandTimesUnderClientsThatConnectFailsNoHandshake) {
  const int reloads = is_spared() ? 100 : 1000;
  const int visitors = is_spared() ? 20 : 500;
  const TemporaryFolder folder;
  const TestAuthority authority;
  const Issued leaves[] = {authority.server("localhost"), authority.server("localhost")};
  const std::string chain = folder.write("chain.pem", authority.chain_pem(leaves[0]));
  const std::string key = folder.write("key.pem", leaves[0].key_pem());
  tcpkit_tls_options options = TCPKIT_TLS_OPTIONS_INIT;
  options.cert_file = chain.c_str();
  options.key_file = key.c_str();
  const TlsOwner tls = make_tls(options);
  TestServer server(with_tls(tls, with_loops(2)), echo());
  Visitors guests(server, visitors);
  for (int i = 1; i <= reloads; ++i) {
    const Issued& leaf = leaves[i % 2];
    folder.write("chain.pem", authority.chain_pem(leaf));
    EXPECT_EQ(TCPKIT_E_TLS_CREDENTIALS, tcpkit_tls_reload(tls.get())) << "another key";
    folder.write("key.pem", leaf.key_pem());
    ASSERT_EQ(TCPKIT_OK, tcpkit_tls_reload(tls.get())) << TestServer::last_error();
    if (i % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const int served_before = guests.served();
  EXPECT_TRUE(server.wait_until([&] { return guests.served() >= served_before + 2 * visitors; }));
  guests.leave();
  EXPECT_EQ(static_cast<uint64_t>(reloads) + 1, tcpkit_tls_generation(tls.get()));
  EXPECT_EQ(0, guests.failed());
  EXPECT_GE(guests.served(), 2 * visitors);
  EXPECT_EQ(0u, server.metrics().tls_failures);
}

}  // namespace
