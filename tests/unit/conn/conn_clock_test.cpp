// The times of whole connections, by a clock of the test: to the millisecond, without a sleep.
#include "host_bed.h"

namespace tcpkit::test {
namespace {

constexpr uint32_t kNever = TimeoutLimits::kNever;

BedSettings with_timeouts(const TimeoutLimits& timeouts) {
  BedSettings settings;
  settings.timeouts = timeouts;
  return settings;
}

BedSettings with_rate(uint32_t bytes_per_second, uint32_t grace_ms) {
  BedSettings settings = with_timeouts({kNever, kNever, kNever, bytes_per_second, grace_ms});
  settings.framing = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  return settings;
}

// The begin of a frame whose packet has 100,000 bytes.
std::string long_frame_begin() {
  return framed(std::string(100'000, 'x')).substr(0, 4);
}

// Between two turns a request is a task for the next one.
void ask(HostBed& bed, const Peer& peer, Conn::Control control) {
  ASSERT_EQ(peer.conn().request(control), TCPKIT_OK);
  bed.run_turns(2);
}

void expect_ended(const HostBed& bed, tcpkit_close_reason reason) {
  ASSERT_EQ(bed.seen.ends.size(), 1u);
  EXPECT_EQ(bed.seen.ends[0].info.reason, reason);
  EXPECT_EQ(bed.seen.ends[0].info.status, TCPKIT_E_TIMED_OUT);
}

TEST(ConnClock, AnIdleConnectionEndsAtItsTimeAndNotAMillisecondBefore) {
  HostBed bed(with_timeouts({100, kNever, kNever}));
  const Peer peer = bed.connect();
  bed.advance_ms(99);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_IDLE_TIMEOUT);
  EXPECT_EQ(bed.counters().idle_timeouts.get(), 1u);
}

TEST(ConnClock, EachByteInOrOutMovesTheIdleTimeout) {
  HostBed bed(with_timeouts({100, kNever, kNever}));
  const Peer peer = bed.connect();
  bed.advance_ms(60);
  peer.write_all("in");
  bed.run_until_read(peer, 2);
  bed.advance_ms(60);
  const ByteView out = {reinterpret_cast<const uint8_t*>("out"), 3};
  ASSERT_EQ(peer.conn().send({&out, 1}), TCPKIT_OK);
  bed.run_turns(2);
  bed.advance_ms(99);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_IDLE_TIMEOUT);
}

TEST(ConnClock, AnEndInTheTurnOfTheCloseTimeoutKeepsItsReason) {
  BedSettings settings;
  settings.close_timeout_ms = 100;
  HostBed bed(settings);
  const Peer peer = bed.connect();
  ask(bed, peer, Conn::Control::kClose);  // the peer does not end its stream
  peer.conn().stop_now();
  bed.advance_ms(100);
  ASSERT_EQ(bed.seen.ends.size(), 1u);
  EXPECT_EQ(bed.seen.ends[0].info.reason, TCPKIT_CLOSE_LOCAL);
  EXPECT_EQ(bed.seen.ends[0].info.status, TCPKIT_OK);
}

TEST(ConnClock, AReadTimeoutStandsStillWhileReadingIsPaused) {
  HostBed bed(with_timeouts({kNever, 100, kNever}));
  const Peer peer = bed.connect();
  ask(bed, peer, Conn::Control::kPause);
  bed.advance_ms(10'000);
  EXPECT_TRUE(bed.seen.ends.empty());
  ask(bed, peer, Conn::Control::kResume);
  bed.advance_ms(99);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_READ_TIMEOUT);
}

TEST(ConnClock, AWriteTimeoutCountsFromTheLastByteThatThePeerTook) {
  HostBed bed(with_timeouts({kNever, kNever, 100}));
  const Peer peer = bed.connect();
  const std::string much = patterned(4u << 20);
  const ByteView bytes = {reinterpret_cast<const uint8_t*>(much.data()), much.size()};
  ASSERT_GE(peer.conn().send({&bytes, 1}), TCPKIT_OK);
  bed.run_turns(2);
  bed.advance_ms(99);
  ASSERT_TRUE(bed.seen.ends.empty());
  EXPECT_GT(peer.read_all().size(), 0u);
  bed.run_turns(2);
  bed.advance_ms(99);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_WRITE_TIMEOUT);
  EXPECT_GT(bed.seen.ends[0].info.unsent_bytes, 0u);
}

TEST(ConnClock, APeerThatDoesNotEndItsStreamIsDroppedAtTheCloseTimeout) {
  BedSettings settings;
  settings.close_timeout_ms = 100;
  HostBed bed(settings);
  const Peer peer = bed.connect();
  ask(bed, peer, Conn::Control::kClose);
  bed.advance_ms(99);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  ASSERT_EQ(bed.seen.ends.size(), 1u);
  EXPECT_EQ(bed.seen.ends[0].info.reason, TCPKIT_CLOSE_LOCAL);
}

TEST(ConnClock, APacketThatStopsHalfWayEndsTheConnectionAfterTheGrace) {
  HostBed bed(with_rate(1000, 500));
  const Peer peer = bed.connect();
  peer.write_all(long_frame_begin());
  bed.run_until_read(peer, 4);
  bed.advance_ms(499);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
  EXPECT_EQ(bed.counters().rate_timeouts.get(), 1u);
  EXPECT_EQ(bed.seen.ends[0].info.partial_bytes, 4u);
}

// Sends 10 bytes every `pause_ms` until the connection ends, for at most 20 s; the time it took.
uint64_t trickled_ms(HostBed& bed, const Peer& peer, uint64_t pause_ms) {
  uint64_t elapsed_ms = 0;
  while (bed.seen.ends.empty() && elapsed_ms < 20'000) {
    if (elapsed_ms % pause_ms == 0) {
      peer.write_all("0123456789");
      bed.run_turns(2);
    }
    bed.advance_ms(1);
    ++elapsed_ms;
  }
  return elapsed_ms;
}

TEST(ConnClock, APeerThatIsTooSlowEndsWhenItIsAGraceBehind) {
  HostBed bed(with_rate(100, 1000));
  const Peer peer = bed.connect();
  peer.write_all(long_frame_begin());
  bed.run_until_read(peer, 4);
  // It earns 100 ms every 200 ms; the first earnings would lift it above a whole grace.
  EXPECT_EQ(trickled_ms(bed, peer, 200), 1800u);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
}

TEST(ConnClock, APeerThatKeepsTheRateStays) {
  HostBed bed(with_rate(100, 1000));
  const Peer peer = bed.connect();
  peer.write_all(long_frame_begin());
  bed.run_until_read(peer, 4);
  EXPECT_EQ(trickled_ms(bed, peer, 100), 20'000u);
  EXPECT_TRUE(bed.seen.ends.empty());
}

TEST(ConnClock, APeerThatOwesNoPacketMayBeSilentAndEachPacketHasItsOwnGrace) {
  HostBed bed(with_rate(100, 1000));
  const Peer peer = bed.connect();
  bed.advance_ms(60'000);
  for (int i = 0; i < 5; ++i) {
    peer.write_all(framed("ab").substr(0, 5));
    bed.run_turns(2);
    bed.advance_ms(900);
    peer.write_all("b");
    bed.run_turns(2);
    bed.advance_ms(5000);
  }
  EXPECT_EQ(bed.seen.packets.size(), 5u);
  EXPECT_TRUE(bed.seen.ends.empty());
}

TEST(ConnClock, AnEndThatBeginsTheNextPacketBeginsItsGraceToo) {
  HostBed bed(with_rate(100, 1000));
  const Peer peer = bed.connect();
  const std::string begin = framed("second").substr(0, 6);
  peer.write_all(framed("first").substr(0, 6));
  bed.run_turns(2);
  bed.advance_ms(990);
  peer.write_all(framed("first").substr(6) + begin);
  bed.run_turns(2);
  bed.advance_ms(999);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
}

TEST(ConnClock, TheRateCountsAlsoWhereAPacketIsDiscarded) {
  BedSettings settings = with_rate(100, 1000);
  settings.framing = tcpkit_framing_line();
  settings.max_packet_size = 8;
  settings.oversize = TCPKIT_OVERSIZE_DISCARD;
  HostBed bed(settings);
  const Peer peer = bed.connect();
  peer.write_all("a line that is much too long");
  bed.run_turns(2);
  bed.advance_ms(999);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
}

TEST(ConnClock, WithoutFramingTheRateCountsAlways) {
  HostBed bed(with_timeouts({kNever, kNever, kNever, 100, 1000}));
  const Peer peer = bed.connect();
  bed.advance_ms(900);
  peer.write_all(std::string(20, 'x'));  // 200 ms
  bed.run_turns(2);
  bed.advance_ms(299);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
}

TEST(ConnClock, TheRateStandsStillWhileReadingIsPaused) {
  HostBed bed(with_rate(100, 1000));
  const Peer peer = bed.connect();
  peer.write_all(long_frame_begin());
  bed.run_until_read(peer, 4);
  ask(bed, peer, Conn::Control::kPause);
  bed.advance_ms(60'000);
  ask(bed, peer, Conn::Control::kResume);
  bed.advance_ms(999);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
}

TEST(ConnClock, AConnectionCanHaveARateOfItsOwnOrNone) {
  HostBed bed(with_rate(100, 1000));
  const Peer strict = bed.connect();
  const Peer free = bed.connect();
  ASSERT_EQ(strict.conn().set_receive_rate(1000, 100), TCPKIT_OK);
  ASSERT_EQ(free.conn().set_receive_rate(0, 100), TCPKIT_OK);
  for (const Peer* peer : {&strict, &free}) peer->write_all(long_frame_begin());
  bed.run_turns(3);
  bed.advance_ms(99);
  EXPECT_TRUE(bed.seen.ends.empty());
  bed.advance_ms(1);
  expect_ended(bed, TCPKIT_CLOSE_RATE_TIMEOUT);
  EXPECT_EQ(bed.seen.ends[0].conn_id, strict.conn_id());
  bed.advance_ms(60'000);
  EXPECT_EQ(bed.seen.ends.size(), 1u);
}

}  // namespace
}  // namespace tcpkit::test
