// Who may read and write a detached connection, and how waiting ends.
#include "conn/io_gate.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/clock.h"

namespace tcpkit::test {
namespace {

class IoGateTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds_), 0);
    gate_.set_ready();
  }
  void TearDown() override {
    close(fds_[0]);
    close(fds_[1]);
  }

  int fds_[2] = {-1, -1};
  IoGate gate_;
};

TEST_F(IoGateTest, EachKindOfCallIsOneThreadsAtATime) {
  EXPECT_EQ(gate_.begin(IoGate::kReading), TCPKIT_OK);
  EXPECT_EQ(gate_.begin(IoGate::kReading), TCPKIT_E_WRONG_THREAD);
  EXPECT_EQ(gate_.begin(IoGate::kWriting), TCPKIT_OK);
  EXPECT_FALSE(gate_.is_left());
  EXPECT_FALSE(gate_.end(IoGate::kReading));
  EXPECT_FALSE(gate_.end(IoGate::kWriting));
  EXPECT_TRUE(gate_.is_left());
}

TEST_F(IoGateTest, LastOneOutOfAClosingConnectionTellsTheLoop) {
  EXPECT_EQ(gate_.begin(IoGate::kReading), TCPKIT_OK);
  EXPECT_EQ(gate_.begin(IoGate::kWriting), TCPKIT_OK);
  gate_.interrupt(IoGate::kClosing, fds_[0]);
  EXPECT_EQ(gate_.check(), TCPKIT_E_CLOSED);
  EXPECT_FALSE(gate_.end(IoGate::kWriting));
  EXPECT_TRUE(gate_.end(IoGate::kReading));
}

TEST_F(IoGateTest, HandlerKeepsTheConnectionFromBeingTakenBack) {
  gate_.begin_handler();
  EXPECT_FALSE(gate_.is_left());
  EXPECT_EQ(gate_.begin(IoGate::kReading), TCPKIT_OK);
  gate_.interrupt(IoGate::kClosing, fds_[0]);
  EXPECT_FALSE(gate_.end(IoGate::kReading));
  EXPECT_TRUE(gate_.end_handler());
  EXPECT_TRUE(gate_.is_left());
}

TEST_F(IoGateTest, LoopThatDoesNotGetTheTurnIsToldAtItsEnd) {
  EXPECT_EQ(gate_.begin(IoGate::kWriting), TCPKIT_OK);
  EXPECT_TRUE(gate_.take_write_turn());
  EXPECT_FALSE(gate_.take_loop_turn());
  EXPECT_TRUE(gate_.end(IoGate::kWriting));
  EXPECT_TRUE(gate_.take_loop_turn());
  EXPECT_FALSE(gate_.take_write_turn());
  gate_.drop_loop_turn();
  EXPECT_TRUE(gate_.take_write_turn());
}

TEST_F(IoGateTest, InterruptWakesAReaderInRecv) {
  ASSERT_EQ(gate_.begin(IoGate::kReading), TCPKIT_OK);
  std::thread other([this] { gate_.interrupt(IoGate::kCancelled, fds_[0]); });
  char byte = 0;
  EXPECT_EQ(recv(fds_[0], &byte, 1, 0), 0);
  EXPECT_EQ(gate_.check(), TCPKIT_E_CANCELLED);
  other.join();
}

TEST_F(IoGateTest, InterruptWithoutAReaderLeavesTheSocketAlone) {
  gate_.interrupt(IoGate::kClosing, fds_[0]);
  EXPECT_FALSE(gate_.has(IoGate::kCut));
  ASSERT_EQ(send(fds_[1], "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(recv(fds_[0], &byte, 1, MSG_DONTWAIT), 1);
}

TEST_F(IoGateTest, DrainLeavesAReaderInsideAPacketAlone) {
  ASSERT_EQ(gate_.begin(IoGate::kReading), TCPKIT_OK);
  gate_.set_mid_packet(true);
  gate_.interrupt(IoGate::kDraining, fds_[0]);
  EXPECT_FALSE(gate_.has(IoGate::kCut));
  EXPECT_EQ(gate_.check(), TCPKIT_OK);
  gate_.set_mid_packet(false);
  EXPECT_FALSE(gate_.end(IoGate::kReading));
}

TEST_F(IoGateTest, WriterIsWokenByTheEndOfTheLoopsTurn) {
  ASSERT_EQ(gate_.begin(IoGate::kWriting), TCPKIT_OK);
  ASSERT_TRUE(gate_.take_loop_turn());
  EXPECT_FALSE(gate_.take_write_turn());
  gate_.announce_writer();
  std::thread loop([this] { gate_.drop_loop_turn(); });
  while (!gate_.take_write_turn()) gate_.wait(-1, UINT64_MAX);
  loop.join();
}

TEST_F(IoGateTest, WaitEndsAtItsDeadlineAndNeverBefore) {
  ASSERT_EQ(gate_.begin(IoGate::kWriting), TCPKIT_OK);
  const uint64_t deadline_ns = monotonic_ns() + 20'000'000;
  gate_.wait(-1, deadline_ns);
  EXPECT_GE(monotonic_ns(), deadline_ns);
  EXPECT_FALSE(wait_readable(fds_[0], deadline_ns));
}

}  // namespace
}  // namespace tcpkit::test
