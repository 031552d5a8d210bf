// The table of a connection's life, cell by cell, each with the reason for it.
#include "conn/conn_state.h"

#include <gtest/gtest.h>

namespace tcpkit::test {
namespace {

constexpr ConnState kEveryState[] = {ConnState::kOpen, ConnState::kFlushing, ConnState::kLingering,
                                     ConnState::kClosed};
constexpr ConnStep kEveryStep[] = {ConnStep::kClose, ConnStep::kFlushed, ConnStep::kPeerEnded,
                                   ConnStep::kFail};

struct Cell {
  ConnState from;
  ConnStep step;
  ConnState to;
  const char* reason;
};

using enum ConnState;

constexpr Cell kCells[] = {
    {kOpen, ConnStep::kClose, kFlushing, "what was sent before a close still has to leave"},
    {kOpen, ConnStep::kFlushed, kOpen, "an empty queue is the normal case"},
    {kOpen, ConnStep::kPeerEnded, kOpen, "a half-closed connection still sends"},
    {kOpen, ConnStep::kFail, kClosed, "nothing can be saved"},

    {kFlushing, ConnStep::kClose, kFlushing, "a second close changes nothing"},
    {kFlushing, ConnStep::kFlushed, kLingering, "all has left; the peer has not ended yet"},
    {kFlushing, ConnStep::kPeerEnded, kFlushing, "the peer may still read what is queued"},
    {kFlushing, ConnStep::kFail, kClosed, "a timeout or a reset ends the wait"},

    {kLingering, ConnStep::kClose, kLingering, "it is closing already"},
    {kLingering, ConnStep::kFlushed, kLingering, "there is nothing left to flush"},
    {kLingering, ConnStep::kPeerEnded, kClosed, "both streams have ended"},
    {kLingering, ConnStep::kFail, kClosed, "nothing is lost: all has left"},

    {kClosed, ConnStep::kClose, kClosed, "closed is for ever"},
    {kClosed, ConnStep::kFlushed, kClosed, "closed is for ever"},
    {kClosed, ConnStep::kPeerEnded, kClosed, "closed is for ever"},
    {kClosed, ConnStep::kFail, kClosed, "closed is for ever"},
};

TEST(ConnStateTable, HoldsWhatEachReasonSays) {
  for (const Cell& cell : kCells) {
    EXPECT_EQ(next_state(cell.from, cell.step), cell.to) << cell.reason;
  }
}

TEST(ConnStateTable, IsCoveredCellByCell) {
  for (const ConnState from : kEveryState) {
    for (const ConnStep step : kEveryStep) {
      int cells = 0;
      for (const Cell& cell : kCells) cells += cell.from == from && cell.step == step ? 1 : 0;
      EXPECT_EQ(cells, 1) << "state " << static_cast<int>(from) << " step "
                          << static_cast<int>(step);
    }
  }
}

TEST(ConnStateTable, NeverGoesBack) {
  for (const ConnState from : kEveryState) {
    for (const ConnStep step : kEveryStep) EXPECT_GE(next_state(from, step), from);
  }
}

}  // namespace
}  // namespace tcpkit::test
