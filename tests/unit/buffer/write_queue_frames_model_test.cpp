// A write queue with the frames of three groups against a list, with random calls from a fixed
// seed.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>
#include <memory>
#include <random>

#include "unit/buffer/counted_frame.h"

namespace tcpkit::test {
namespace {

// One entry as it should be: bytes that are not sent yet, and whose they are.
struct Entry {
  std::string text;
  int group = -1;  // -1: plain bytes
  CountedFrame* frame = nullptr;
  bool is_whole = true;
};

class FramesModel {
 public:
  explicit FramesModel(unsigned seed) : random_(seed) {}

  void do_something() {
    switch (below(8)) {
      case 0:
        return append_plain();
      case 1:
      case 2:
      case 3:
        return append_frame();
      case 4:
        return drop_oldest();
      case 5:
        return replace();
      case 6:
        return below(60) == 0 ? clear() : queue_.settle();
      default:
        return consume(below(std::min<size_t>(queue_.queue.bytes(), 400) + 1));
    }
  }

  std::string expected_text() const {
    std::string text;
    for (const Entry& entry : entries_) text += entry.text;
    return text;
  }
  void expect_equal() const {
    ASSERT_EQ(expected_text(), queue_.text());
    ASSERT_EQ(expected_text().size(), queue_.queue.bytes());
    for (int group = 0; group < kGroups; ++group) {
      FrameBacklog counted;
      for (const Entry& entry : entries_) {
        if (entry.group != group) continue;
        ++counted.frames;
        counted.bytes += entry.frame->text().size();
      }
      ASSERT_EQ(counted.frames, backlogs_[static_cast<size_t>(group)].frames);
      ASSERT_EQ(counted.bytes, backlogs_[static_cast<size_t>(group)].bytes);
    }
    ASSERT_EQ(sent_, total(&CountedFrame::sent));
    ASSERT_EQ(dropped_, total(&CountedFrame::dropped));
    ASSERT_EQ(lost_, total(&CountedFrame::lost));
  }

 private:
  static constexpr int kGroups = 3;
  using Place = std::list<Entry>::iterator;

  size_t below(size_t limit) { return random_() % limit; }
  FrameBacklog& backlog(int group) { return backlogs_[static_cast<size_t>(group)]; }
  CountedFrame& new_frame() {
    frames_.push_back(
        std::make_unique<CountedFrame>(patterned_text(1 + below(120), below(251)), below(4)));
    return *frames_.back();
  }
  int total(int CountedFrame::*counter) const {
    int sum = 0;
    for (const auto& frame : frames_) sum += (*frame).*counter;
    return sum;
  }

  void append_plain() {
    const std::string text = patterned_text(1 + below(60), below(251));
    ASSERT_TRUE(below(2) == 0 ? queue_.append(text) : queue_.append_shared(text));
    entries_.push_back({.text = text});
  }
  void append_frame() {
    CountedFrame& frame = new_frame();
    const int group = static_cast<int>(below(kGroups));
    ASSERT_TRUE(queue_.queue.append_frame(queue_.pool, frame, backlog(group)));
    entries_.push_back({frame.text(), group, &frame});
  }
  void drop_oldest() {
    const int group = static_cast<int>(below(kGroups));
    const Place found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.group == group && entry.is_whole;
    });
    const bool is_there = found != entries_.end();
    ASSERT_EQ(is_there, queue_.queue.drop_oldest(queue_.pool, backlog(group)));
    if (!is_there) return;
    entries_.erase(found);
    ++dropped_;
  }
  void replace() {
    CountedFrame& frame = new_frame();
    const int group = static_cast<int>(below(kGroups));
    std::vector<Place> matches;
    for (Place place = entries_.begin(); place != entries_.end(); ++place) {
      const bool matches_here =
          place->group == group && place->is_whole && place->frame->key == frame.key;
      if (matches_here) matches.push_back(place);
    }
    ASSERT_EQ(!matches.empty(),
              queue_.queue.replace_frame(queue_.pool, frame, backlog(group), SIZE_MAX));
    if (matches.empty()) return;
    *matches.back() = {frame.text(), group, &frame};
    matches.pop_back();
    ++dropped_;
    for (const Place place : matches) {
      entries_.erase(place);
      ++dropped_;
    }
  }
  void consume(size_t bytes) {
    queue_.consume(bytes);
    while (bytes > 0 && bytes >= entries_.front().text.size()) {
      bytes -= entries_.front().text.size();
      if (entries_.front().frame != nullptr) ++sent_;
      entries_.pop_front();
    }
    if (bytes == 0) return;
    entries_.front().text.erase(0, bytes);
    entries_.front().is_whole = false;
  }
  void clear() {
    queue_.clear();
    for (const Entry& entry : entries_) lost_ += entry.frame != nullptr ? 1 : 0;
    entries_.clear();
  }

  std::mt19937 random_;
  std::vector<std::unique_ptr<CountedFrame>> frames_;
  std::array<FrameBacklog, kGroups> backlogs_{};
  Queue queue_;
  std::list<Entry> entries_;
  int sent_ = 0;
  int dropped_ = 0;
  int lost_ = 0;
};

TEST(WriteQueueFramesModel, HoldsWhatAListHolds) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    FramesModel model(seed);
    for (int step = 0; step < 1000; ++step) {
      model.do_something();
      if (step % 5 == 0) model.expect_equal();
      if (::testing::Test::HasFatalFailure()) FAIL() << "seed " << seed << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace tcpkit::test
