// What a connection keeps of a packet that is not whole yet, and what it gives back.
#include <gtest/gtest.h>

#include "unit/conn/host_bed.h"

namespace tcpkit::test {
namespace {

// Says whether a pool has all of its blocks back: one block of each size is remembered, and a
// block that is lent cannot be the next one to be given.
class PoolProbe {
 public:
  explicit PoolProbe(BlockPool& pool) : pool_(pool) {
    for (Block* block : take_each()) {
      remembered_.push_back(block);
      pool_.give_back(block);
    }
  }
  size_t lent_blocks() {
    const std::vector<Block*> taken = take_each();
    size_t lent = 0;
    for (size_t i = 0; i < taken.size(); ++i) lent += taken[i] == remembered_[i] ? 0 : 1;
    for (Block* block : taken) pool_.give_back(block);
    return lent;
  }

 private:
  std::vector<Block*> take_each() {
    std::vector<Block*> blocks;
    for (uint16_t i = 0; i < BlockPool::kClassCount; ++i) {
      blocks.push_back(pool_.take((size_t{1} << (BlockPool::kSmallestShift + i)) - sizeof(Block)));
    }
    return blocks;
  }

  BlockPool& pool_;
  std::vector<Block*> remembered_;
};

BedSettings settings_of(const tcpkit_framing& framing, size_t read_buffer_size = 64u << 10) {
  BedSettings settings;
  settings.framing = framing;
  settings.read_buffer_size = read_buffer_size;
  return settings;
}

TEST(ConnRead, DeliversAPacketThatCameByteByByte) {
  HostBed bed(settings_of(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
  const Peer peer = bed.connect();
  const std::string bytes = framed("hello") + framed("") + framed("world");
  for (size_t i = 0; i < bytes.size(); ++i) {
    peer.write_all(std::string_view(bytes).substr(i, 1));
    ASSERT_TRUE(bed.run_until_read(peer, i + 1));
  }
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), (std::vector<std::string>{"hello", "", "world"}));
}

TEST(ConnRead, JoinsASmallTailWithWhatComesNext) {
  HostBed bed(settings_of(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
  const Peer peer = bed.connect();
  const std::string first = patterned(3000, 1);
  const std::string second = patterned(2500, 2);
  const std::string bytes = framed(first) + framed(second);
  uint64_t sent = 0;
  for (const size_t cut : {size_t{3}, size_t{5}, size_t{2900}, size_t{3004}, size_t{3005},
                           size_t{5000}, bytes.size()}) {
    peer.write_all(std::string_view(bytes).substr(sent, cut - sent));
    sent = cut;
    ASSERT_TRUE(bed.run_until_read(peer, sent));
  }
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), (std::vector<std::string>{first, second}));
}

// 4096 bytes fit in front of the read buffer; one more does not.
TEST(ConnRead, JoinsATailAroundTheSizeOfTheRoomInFront) {
  for (const size_t kept : {size_t{4095}, size_t{4096}, size_t{4097}, size_t{4098}}) {
    HostBed bed(settings_of(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
    const Peer peer = bed.connect();
    const std::string packet = patterned(9000);
    const std::string bytes = framed(packet) + framed("next");
    peer.write_all(std::string_view(bytes).substr(0, kept));
    ASSERT_TRUE(bed.run_until_read(peer, kept));
    peer.write_all(std::string_view(bytes).substr(kept));
    ASSERT_TRUE(bed.run_until_read(peer, bytes.size()));
    EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), (std::vector<std::string>{packet, "next"}))
        << kept;
  }
}

void deliver_in_pieces(HostBed& bed, const Peer& peer, const std::string& bytes, size_t piece) {
  for (size_t sent = 0; sent < bytes.size();) {
    const size_t written = peer.write_some(std::string_view(bytes).substr(sent, piece));
    sent += written;
    if (written < piece) bed.run_turns(1);
  }
  ASSERT_TRUE(bed.run_until_read(peer, bytes.size()));
}

TEST(ConnRead, AssemblesAMebibyteInManyReads) {
  for (const size_t read_buffer_size : {size_t{1024}, size_t{10'000}, size_t{512u << 10}}) {
    HostBed bed(settings_of(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN), read_buffer_size));
    const Peer peer = bed.connect();
    const std::string packet = patterned(1u << 20);
    const std::string bytes = framed("before") + framed(packet) + framed("after");
    deliver_in_pieces(bed, peer, bytes, 30'000);
    EXPECT_EQ(bed.seen.texts_of(peer.conn_id()),
              (std::vector<std::string>{"before", packet, "after"}))
        << read_buffer_size;
  }
}

TEST(ConnRead, AssemblesALargePacketOfUnknownSize) {
  HostBed bed(settings_of(tcpkit_framing_line(), 4096));
  const Peer peer = bed.connect();
  const std::string line(300'000, 'x');
  deliver_in_pieces(bed, peer, "a\n" + line + "\nb\nc", 7'000);
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), (std::vector<std::string>{"a", line, "b"}));
}

TEST(ConnRead, GoesOnWithSmallPacketsBehindALargeOne) {
  HostBed bed(settings_of(tcpkit_framing_length(2, TCPKIT_BIG_ENDIAN), 1024));
  const Peer peer = bed.connect();
  std::vector<std::string> packets;
  std::string bytes;
  for (unsigned i = 0; i < 40; ++i) {
    packets.push_back(patterned(i % 4 == 0 ? 20'000 : i * 37, i));
    bytes += framed(packets.back(), 2);
  }
  deliver_in_pieces(bed, peer, bytes, 5'003);
  EXPECT_EQ(bed.seen.texts_of(peer.conn_id()), packets);
}

TEST(ConnRead, HoldsMemoryForATailOnlyUntilThePacketIsWhole) {
  HostBed bed(settings_of(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
  const Peer peer = bed.connect();
  PoolProbe probe(bed.host().blocks());
  ASSERT_EQ(probe.lent_blocks(), 0u);
  for (const size_t size : {size_t{20}, size_t{1500}, size_t{20'000}, size_t{100'000}}) {
    const std::string bytes = framed(patterned(size));
    const uint64_t before = peer.conn().total_read();
    peer.write_all(std::string_view(bytes).substr(0, size / 2));
    ASSERT_TRUE(bed.run_until_read(peer, before + size / 2));
    EXPECT_EQ(probe.lent_blocks(), 1u) << size;
    peer.write_all(std::string_view(bytes).substr(size / 2));
    ASSERT_TRUE(bed.run_until_read(peer, before + bytes.size()));
    EXPECT_EQ(probe.lent_blocks(), 0u) << size;
  }
  EXPECT_EQ(bed.seen.packets.size(), 4u);
}

TEST(ConnRead, HoldsNoMemoryForWhatItAnswered) {
  HostBed bed(settings_of(tcpkit_framing_line()));
  bed.seen.at_packet = [](Conn& conn) {
    ASSERT_EQ(conn.send_packet({reinterpret_cast<const uint8_t*>("yes"), 3}), TCPKIT_OK);
    EXPECT_GT(conn.queued_bytes(), 0u);
  };
  const Peer peer = bed.connect();
  PoolProbe probe(bed.host().blocks());
  peer.write_all("a\nb\nc\n");
  ASSERT_TRUE(bed.run_until_read(peer, 6));
  EXPECT_EQ(peer.conn().queued_bytes(), 0u);
  EXPECT_EQ(probe.lent_blocks(), 0u);
  EXPECT_EQ(peer.read_all(), "yes\nyes\nyes\n");
}

TEST(ConnRead, GivesMemoryBackWhenThePeerTakesWhatWasQueued) {
  HostBed bed(settings_of(tcpkit_framing_line()));
  const Peer peer = bed.connect();
  PoolProbe probe(bed.host().blocks());
  const std::string large = patterned(3u << 20);
  const ByteView view{reinterpret_cast<const uint8_t*>(large.data()), large.size()};
  ASSERT_EQ(peer.conn().send({&view, 1}), TCPKIT_OK);
  bed.run_turns(2);
  EXPECT_GT(peer.conn().queued_bytes(), 0u);
  std::string got;
  ASSERT_TRUE(bed.run_until([&] {
    got += peer.read_all();
    return got.size() == large.size();
  }));
  EXPECT_EQ(got, large);
  EXPECT_EQ(peer.conn().queued_bytes(), 0u);
  EXPECT_EQ(probe.lent_blocks(), 0u);
}

TEST(ConnRead, GivesTheTailBackWhenTheConnectionEnds) {
  HostBed bed(settings_of(tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN)));
  Peer peer = bed.connect();
  PoolProbe probe(bed.host().blocks());
  peer.write_all(framed(patterned(6000)).substr(0, 5000));
  ASSERT_TRUE(bed.run_until_read(peer, 5000));
  peer.close_end();
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  EXPECT_EQ(probe.lent_blocks(), 0u);
  EXPECT_EQ(bed.seen.ends[0].info.reason, TCPKIT_CLOSE_PEER_FIN);
  EXPECT_EQ(bed.seen.ends[0].info.partial_bytes, 5000u);
  EXPECT_EQ(bed.counters().tails.get(), 1u);
  EXPECT_EQ(bed.counters().tail_bytes.get(), 5000u);
}

}  // namespace
}  // namespace tcpkit::test
