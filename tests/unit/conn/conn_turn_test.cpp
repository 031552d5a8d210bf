// Connections that share a turn: they end each other, give way to each other, pause and go on.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "unit/conn/host_bed.h"

namespace tcpkit::test {
namespace {

BedSettings lines() {
  BedSettings settings;
  settings.framing = tcpkit_framing_line();
  return settings;
}

// Aborts every connection of the two but the one that it is called for.
auto aborting_the_other(const Peer& a, const Peer& b) {
  return [&a, &b](Conn& conn) {
    Conn& other = conn.id() == a.conn_id() ? b.conn() : a.conn();
    EXPECT_EQ(other.request(Conn::Control::kAbort), TCPKIT_OK);
    EXPECT_TRUE(other.is_closed());
  };
}

TEST(ConnTurn, AConnectionThatAnotherAbortedInTheSameTurnDeliversNothing) {
  HostBed bed(lines());
  const Peer a = bed.connect();
  const Peer b = bed.connect();
  bed.seen.at_packet = aborting_the_other(a, b);
  a.write_all("one\n");
  b.write_all("one\n");
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  ASSERT_EQ(bed.seen.packets.size(), 1u) << "both were ready, one of them spoke";
  EXPECT_NE(bed.seen.ends[0].conn_id, bed.seen.packets[0].conn_id);
  EXPECT_EQ(bed.seen.ends[0].info.reason, TCPKIT_CLOSE_ABORTED);
  bed.run_turns(3);
  EXPECT_EQ(bed.seen.ends.size(), 1u) << "on_close comes once";
  EXPECT_EQ(bed.host().load(), 1u);
}

TEST(ConnTurn, AConnectionThatAnotherAbortedWhileItHadPausedDeliversNothing) {
  HostBed bed(lines());
  const Peer a = bed.connect();
  const Peer b = bed.connect();
  // b pauses in the middle of a read; two lines are left in memory.
  bed.seen.at_packet = [](Conn& conn) { conn.request(Conn::Control::kPause); };
  b.write_all("1\n2\n3\n");
  ASSERT_TRUE(bed.run_until_read(b, 6));
  // a lets b go on and ends it in one callback.
  bed.seen.at_packet = [&b](Conn&) {
    EXPECT_EQ(b.conn().request(Conn::Control::kResume), TCPKIT_OK);
    EXPECT_EQ(b.conn().request(Conn::Control::kAbort), TCPKIT_OK);
  };
  a.write_all("end it\n");
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  EXPECT_EQ(bed.seen.texts_of(b.conn_id()), std::vector<std::string>{"1"});
}

TEST(ConnTurn, AConnectionCanEndItselfAndAllOthers) {
  HostBed bed(lines());
  std::vector<Peer> peers;
  for (int i = 0; i < 20; ++i) peers.push_back(bed.connect());
  bed.seen.at_packet = [&bed](Conn&) {
    std::vector<Ref<Conn>> all;
    bed.host().slab().collect(all);
    for (const Ref<Conn>& conn : all) conn->request(Conn::Control::kAbort);
  };
  for (const Peer& peer : peers) peer.write_all("a\nb\n");
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 20; }));
  EXPECT_EQ(bed.seen.packets.size(), 1u);
  EXPECT_EQ(bed.host().load(), 0u);
  EXPECT_EQ(bed.config().open_connections.now(), 0u);
  EXPECT_EQ(bed.counters().closed.get(), 20u);
}

TEST(ConnTurn, AnAbortedConnectionThatIsHeldAnswersClosed) {
  HostBed bed(lines());
  const Peer a = bed.connect();
  const Peer b = bed.connect();
  const Ref<Conn> held = Ref<Conn>::share(&b.conn());
  bed.seen.at_packet = [&](Conn&) { held->request(Conn::Control::kAbort); };
  a.write_all("x\n");
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  const ByteView bytes{reinterpret_cast<const uint8_t*>("x"), 1};
  EXPECT_EQ(held->send({&bytes, 1}), TCPKIT_E_CLOSED);
  EXPECT_EQ(held->send_packet(bytes), TCPKIT_E_CLOSED);
  EXPECT_EQ(held->flush(), TCPKIT_E_CLOSED);
  EXPECT_EQ(held->request(Conn::Control::kPause), TCPKIT_E_CLOSED);
  EXPECT_EQ(held->request(Conn::Control::kClose), TCPKIT_OK);
  EXPECT_EQ(held->request(Conn::Control::kAbort), TCPKIT_OK);
  EXPECT_EQ(held->fd(), -1);
  EXPECT_EQ(held->local_address(), "");
}

TEST(ConnTurn, ACallbackThatThrowsEndsOnlyItsConnection) {
  HostBed bed(lines());
  Peer a = bed.connect();
  const Peer b = bed.connect();
  bed.seen.at_packet = [&](Conn& conn) {
    if (conn.id() == a.conn_id()) throw std::runtime_error("thrown by a callback");
  };
  a.write_all("1\n2\n");
  b.write_all("1\n2\n");
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.packets.size() == 3; }));
  a.close_end();
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  EXPECT_EQ(bed.seen.ends[0].conn_id, a.conn_id());
  EXPECT_EQ(bed.seen.ends[0].info.reason, TCPKIT_CLOSE_CALLBACK);
  EXPECT_EQ(bed.seen.ends[0].info.status, TCPKIT_E_CALLBACK);
  EXPECT_EQ(bed.counters().callback_errors.get(), 1u);
}

TEST(ConnTurn, APauseInTheMiddleOfAReadKeepsTheRestInOrder) {
  HostBed bed(lines());
  const Peer peer = bed.connect();
  bed.seen.at_packet = [](Conn& conn) { conn.request(Conn::Control::kPause); };
  peer.write_all("1\n2\n3\n4");
  ASSERT_TRUE(bed.run_until_read(peer, 7));
  bed.run_turns(3);
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), std::vector<std::string>{"1"});
  ASSERT_EQ(peer.conn().request(Conn::Control::kResume), TCPKIT_OK);
  bed.run_turns(3);
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), (std::vector<std::string>{"1", "2"}));
  bed.seen.at_packet = nullptr;
  ASSERT_EQ(peer.conn().request(Conn::Control::kResume), TCPKIT_OK);
  peer.write_all("4\n5\n");
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.packets.size() == 5; }));
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()),
            (std::vector<std::string>{"1", "2", "3", "44", "5"}));
}

// A read of many packets uses its quantum up, and the others have their turn before it goes on.
TEST(ConnTurn, AConnectionGivesWayWhenItsQuantumIsOver) {
  BedSettings settings = lines();
  settings.read_quantum_ns = 0;
  HostBed bed(settings);
  const Peer a = bed.connect();
  const Peer b = bed.connect();
  std::string bytes;
  std::vector<std::string> texts;
  for (int i = 0; i < 100; ++i) {
    texts.push_back(std::to_string(i));
    bytes += texts.back() + "\n";
  }
  a.write_all(bytes);
  b.write_all(bytes);
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.packets.size() == 200; }));
  EXPECT_EQ(bed.seen.texts_of(a.conn_id()), texts);
  EXPECT_EQ(bed.seen.texts_of(b.conn_id()), texts);
  // However long the streak of one connection is, it is far from all of its packets.
  size_t longest = 0;
  size_t streak = 0;
  for (size_t i = 0; i < bed.seen.packets.size(); ++i) {
    const bool same = i > 0 && bed.seen.packets[i].conn_id == bed.seen.packets[i - 1].conn_id;
    streak = same ? streak + 1 : 1;
    longest = std::max(longest, streak);
  }
  EXPECT_LE(longest, 16u);
}

struct Order {
  std::vector<int> calls;
};
struct NumberedHandler {
  Order* order;
  int number;
};

void note_number(tcpkit_conn*, const tcpkit_close_info*, void* user_data) {
  const auto* handler = static_cast<NumberedHandler*>(user_data);
  handler->order->calls.push_back(handler->number);
}

TEST(ConnTurn, CloseHandlersRunLastFirstAndALateOneAtOnce) {
  HostBed bed(lines());
  Peer peer = bed.connect();
  const Ref<Conn> held = Ref<Conn>::share(&peer.conn());
  Order order;
  NumberedHandler numbered[] = {{&order, 0}, {&order, 1}, {&order, 2}, {&order, 3}};
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(held->add_close_handler(note_number, UserData(&numbered[i], nullptr)), TCPKIT_OK);
  }
  peer.close_end();
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  EXPECT_EQ(order.calls, (std::vector<int>{2, 1, 0}));
  ASSERT_EQ(held->add_close_handler(note_number, UserData(&numbered[3], nullptr)), TCPKIT_OK);
  EXPECT_EQ(order.calls, (std::vector<int>{2, 1, 0, 3}));
}

TEST(ConnTurn, AStoppingHostClosesEveryConnectionAndRefusesNewOnes) {
  HostBed bed(lines());
  std::vector<Peer> peers;
  for (int i = 0; i < 5; ++i) peers.push_back(bed.connect());
  bed.stop();
  EXPECT_EQ(bed.seen.ends.size(), 5u);
  for (const Seen::End& end : bed.seen.ends) {
    EXPECT_EQ(end.info.reason, TCPKIT_CLOSE_SHUTDOWN);
  }
  const Peer late = bed.connect();
  EXPECT_EQ(late.conn_id(), 0u);
  EXPECT_EQ(late.read_all(), "");
  EXPECT_EQ(bed.host().load(), 0u);
  EXPECT_EQ(bed.config().open_connections.now(), 0u);
  EXPECT_EQ(bed.counters().accepted.get(), 5u);
}

}  // namespace
}  // namespace tcpkit::test
