// Places and ids of connections, and who is found under an id.
#include "conn/conn_slab.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>
#include <thread>

#include "unit/conn/host_bed.h"

namespace tcpkit::test {
namespace {

TEST(ConnSlab, GivesPlacesAndIdsThatAreUnique) {
  ConnSlab slab(7);
  std::set<uint64_t> ids;
  std::vector<uintptr_t> places;
  for (int i = 0; i < 1000; ++i) {  // many chunks
    const ConnSlab::Place place = slab.take();
    ASSERT_NE(place.memory, nullptr);
    std::memset(place.memory, 0xA5, sizeof(Conn));  // all of it is ours
    places.push_back(reinterpret_cast<uintptr_t>(place.memory));
    EXPECT_NE(place.id, 0u);
    EXPECT_TRUE(ids.insert(place.id).second) << place.id;
  }
  std::sort(places.begin(), places.end());
  for (size_t i = 0; i < places.size(); ++i) {
    EXPECT_EQ(places[i] % alignof(Conn), 0u);
    if (i > 0) {
      EXPECT_GE(places[i] - places[i - 1], sizeof(Conn));
    }
  }
}

TEST(ConnSlab, PutsTheLoopIntoTheId) {
  for (const uint32_t loop : {0u, 1u, 7u, 254u}) {
    ConnSlab slab(loop);
    for (int i = 0; i < 100; ++i) EXPECT_EQ(ConnSlab::loop_of(slab.take().id), loop);
  }
}

TEST(ConnSlab, NeverGivesTheIdZero) {
  ConnSlab slab(0);  // loop 0, slot 0: only the generation is left
  EXPECT_NE(slab.take().id, 0u);
}

TEST(ConnSlab, UsesAPlaceAgainUnderAnIdOfTheNextGeneration) {
  ConnSlab slab(2);
  const ConnSlab::Place first = slab.take();
  slab.give_back(first.id);
  const ConnSlab::Place second = slab.take();
  EXPECT_EQ(second.memory, first.memory);
  EXPECT_EQ(second.id >> 32, (first.id >> 32) + 1);
  EXPECT_EQ(static_cast<uint32_t>(second.id), static_cast<uint32_t>(first.id));
}

TEST(ConnSlab, NeverGivesAnIdTwice) {
  ConnSlab slab(1);
  std::set<uint64_t> ids;
  std::vector<uint64_t> taken;
  for (int round = 0; round < 200; ++round) {
    for (int i = 0; i < 10; ++i) {
      taken.push_back(slab.take().id);
      EXPECT_TRUE(ids.insert(taken.back()).second);
    }
    while (taken.size() > static_cast<size_t>(round % 7)) {
      slab.give_back(taken.front());
      taken.erase(taken.begin());
    }
  }
}

TEST(ConnSlab, GivesDistinctIdsToThreadsThatTakeAtOnce) {
  ConnSlab slab(1);
  std::vector<std::vector<uint64_t>> taken(4);
  std::vector<std::thread> threads;
  for (std::vector<uint64_t>& ids : taken) {
    threads.emplace_back([&slab, &ids] {
      for (int i = 0; i < 500; ++i) {
        ids.push_back(slab.take().id);
        if (i % 3 == 0) slab.give_back(ids.back());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<uint64_t> all;
  for (const std::vector<uint64_t>& ids : taken) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), 4u * 500u);
}

TEST(ConnSlab, FindsNothingUnderIdsThatAreNobodys) {
  ConnSlab slab(3);
  const uint64_t id = slab.take().id;  // taken, but not listed
  for (const uint64_t stranger :
       {uint64_t{0}, uint64_t{3}, id, id + (uint64_t{1} << 32), id + 256, UINT64_MAX}) {
    EXPECT_FALSE(slab.find(stranger)) << stranger;
  }
}

TEST(ConnSlab, FindsAConnectionFromOpenToClose) {
  HostBed bed({});
  const Peer peer = bed.connect();
  Ref<Conn> found = bed.host().slab().find(peer.conn_id());
  ASSERT_TRUE(found);
  EXPECT_EQ(found.get(), &peer.conn());
  EXPECT_EQ(ConnSlab::loop_of(found->id()), bed.host().index());
  ASSERT_EQ(found->request(Conn::Control::kAbort), TCPKIT_OK);
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  // Still held, but not open any more.
  EXPECT_FALSE(bed.host().slab().find(peer.conn_id()));
}

TEST(ConnSlab, FindsNotTheNextConnectionUnderTheIdOfTheOneBefore) {
  HostBed bed({});
  Peer first = bed.connect();
  const Conn* const place = &first.conn();
  const uint64_t old_id = first.conn_id();
  first.close_end();
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  const Peer second = bed.connect();
  EXPECT_EQ(&second.conn(), place);
  EXPECT_GT(second.conn_id(), old_id);
  EXPECT_FALSE(bed.host().slab().find(old_id));
  EXPECT_TRUE(bed.host().slab().find(second.conn_id()));
}

TEST(ConnSlab, KeepsThePlaceOfAConnectionThatIsStillHeld) {
  HostBed bed({});
  Peer first = bed.connect();
  const Ref<Conn> held = bed.host().slab().find(first.conn_id());
  first.close_end();
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 1; }));
  const Peer second = bed.connect();
  EXPECT_NE(&second.conn(), held.get());
  EXPECT_EQ(held->id(), first.conn_id());
}

TEST(ConnSlab, CollectsExactlyTheOpenConnections) {
  HostBed bed({});
  std::vector<Peer> peers;
  for (int i = 0; i < 70; ++i) peers.push_back(bed.connect());  // more than one chunk
  for (int i = 0; i < 70; i += 2) peers[static_cast<size_t>(i)].close_end();
  ASSERT_TRUE(bed.run_until([&] { return bed.seen.ends.size() == 35; }));
  std::vector<Ref<Conn>> found;
  bed.host().slab().collect(found);
  std::set<uint64_t> ids;
  for (const Ref<Conn>& conn : found) ids.insert(conn->id());
  std::set<uint64_t> expected;
  for (size_t i = 1; i < peers.size(); i += 2) expected.insert(peers[i].conn_id());
  EXPECT_EQ(ids, expected);
  EXPECT_EQ(found.size(), expected.size());
}

TEST(ConnSlab, CollectAddsToWhatIsThere) {
  HostBed one({});
  HostBed other({});
  const Peer a = one.connect();
  const Peer b = other.connect();
  std::vector<Ref<Conn>> found;
  one.host().slab().collect(found);
  other.host().slab().collect(found);
  EXPECT_EQ(found.size(), 2u);
}

}  // namespace
}  // namespace tcpkit::test
