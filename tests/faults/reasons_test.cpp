// The reasons of an end that only a failing system has, over real sockets.
#include <gtest/gtest.h>

#include <cerrno>
#include <string>

#include "faults/faults.h"
#include "faults/run.h"
#include "integration/server_fixture.h"

using namespace faults;
using testkit::RawClient;
using testkit::TestServer;

namespace {

class Reasons : public ::testing::Test {
 protected:
  void TearDown() override { end(); }

 private:
  const Scope spared_{Mode::kSpared};
  const Watchdog watchdog_{0};
};

TEST_F(Reasons, AnIoErrorNamesTheErrnoOfTheCallThatFailed) {
  TestServer server(testkit::framed(tcpkit_framing_line()),
                    {.on_packet = [](tcpkit_conn* conn, std::string_view) {
                      EXPECT_EQ(TCPKIT_OK, tcpkit_conn_pause_reading(conn));
                    }});
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  begin(Plan{}.with(Site::kWatch, 1000));  // epoll is told that nothing is to be read
  client.send("line\n");
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_IO_ERROR, info.reason);
  EXPECT_TRUE(info.sys_errno == ENOMEM || info.sys_errno == ENOSPC) << info.sys_errno;
  EXPECT_LT(info.status, 0);
  EXPECT_NE(testkit::StreamEnd::kDeadline, client.wait_for_end());
}

TEST_F(Reasons, MemoryThatRanOutForAPacketEndsItsConnection) {
  TestServer server(testkit::framed(tcpkit_framing_line()), testkit::echo());
  RawClient client = server.connect();
  ASSERT_TRUE(server.wait_opens(1));
  begin(Plan{}.with(Site::kMalloc, 1000));
  client.send("the begin of a line");
  const tcpkit_close_info info = server.close_info();
  EXPECT_EQ(TCPKIT_CLOSE_NO_MEMORY, info.reason);
  EXPECT_EQ(TCPKIT_E_NO_MEMORY, info.status);
  EXPECT_EQ(0, info.sys_errno);
  end();
  RawClient next = server.connect();
  next.send("line\n");
  EXPECT_EQ("line\n", next.receive(5));
}

}  // namespace
