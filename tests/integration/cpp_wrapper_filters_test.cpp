// Filters as C++ classes.
#include "cpp_support.h"
#include "filter_kit.h"
#include "tcpkit.hpp"

using namespace testkit;

namespace {

// Cannot be copied, like one around a library of C.
class Xor {
 public:
  explicit Xor(char key) : key_(key) {}
  Xor(const Xor&) = delete;
  Xor& operator=(const Xor&) = delete;

  tcpkit::Status decode(tcpkit::Bytes data, tcpkit::FilterOutput output) {
    return output.write(xored(text_of(data.data(), data.size()), key_));
  }
  tcpkit::Status encode(tcpkit::Bytes data, tcpkit::FilterOutput output) {
    return decode(data, output);
  }

 private:
  const char key_;
};

struct Ending {
  tcpkit::Status encode(tcpkit::Bytes data, tcpkit::FilterOutput output) {
    kept += text_of(data.data(), data.size());
    return output.write("");
  }
  tcpkit::Status flush(tcpkit::FilterOutput output) {
    return output.write("[" + std::exchange(kept, {}) + "]");
  }
  tcpkit::Status encode_end(tcpkit::FilterOutput output) { return output.write("."); }
  std::string kept;
};

struct Throwing {
  tcpkit::Status decode(tcpkit::Bytes, tcpkit::FilterOutput) {
    throw std::runtime_error("in a filter");
  }
};

TEST(CppFilters, OfAServerAreMadeForEachConnection) {
  tcpkit::ServerOptions options;
  options.loops = 1;
  options.filters = {{"xor", [] { return std::make_unique<Xor>('k'); }},
                     {"ending", [] { return std::make_unique<Ending>(); }}};
  tcpkit::Server server(options);
  server.on_data([](tcpkit::ConnRef conn, tcpkit::Bytes data) {
    conn.send(data);
    conn.close();
  });
  server.listen("tcp://127.0.0.1:0");
  server.start();
  for (int i = 0; i < 2; ++i) {
    RawClient client(server.listener_address());
    client.send(xored("hello", 'k'));
    EXPECT_EQ("[hello].", xored(client.receive_all(), 'k'));
  }
}

TEST(CppFilters, CanBeAddedToAConnection) {
  tcpkit::ServerOptions options;
  options.loops = 1;
  tcpkit::Server server(options);
  server.on_open([](tcpkit::ConnRef conn) {
    conn.send("clear ");
    EXPECT_TRUE(conn.add_filter({"xor", [] { return std::make_unique<Xor>('k'); }}).ok());
    conn.send("hidden");
  });
  server.listen("tcp://127.0.0.1:0");
  server.start();
  RawClient client(server.listener_address());
  EXPECT_EQ("clear " + xored("hidden", 'k'), client.receive(12));
}

TEST(CppFilters, WhatTheyThrowClosesTheConnection) {
  tcpkit::ServerOptions options;
  options.loops = 1;
  options.filters = {{"throwing", [] { return std::make_unique<Throwing>(); }}};
  tcpkit::Server server(options);
  std::atomic<int> reason = 0;
  Event closed;
  server.on_close([&](tcpkit::ConnRef, const tcpkit::CloseInfo& info) {
    reason = info.reason;
    closed.set();
  });
  server.listen("tcp://127.0.0.1:0");
  server.start();
  RawClient client(server.listener_address());
  client.send("x");
  (void)client.wait_for_end();
  client.close();
  EXPECT_TRUE(closed.wait());
  EXPECT_EQ(TCPKIT_CLOSE_CALLBACK, reason);
}

TEST(CppFilters, OfAServerThatIsRefusedAreFreed) {
  const auto alive = std::make_shared<int>(1);
  {
    tcpkit::ServerOptions options;
    options.loops = 1000;
    options.filters = {{"xor", [alive] { return std::make_unique<Xor>('k'); }}};
    tcpkit::Server server(options);
    EXPECT_THROW(server.start(), tcpkit::Error);
  }
  EXPECT_EQ(1, alive.use_count());
}

}  // namespace
