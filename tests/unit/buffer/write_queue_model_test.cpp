// The write queue against a string, with random calls from a fixed seed.
#include <gtest/gtest.h>

#include <cstring>
#include <random>

#include "unit/buffer/queue_support.h"

namespace tcpkit::test {
namespace {

class Model {
 public:
  explicit Model(unsigned seed) : random_(seed) {}

  void do_something() {
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
        return append(below(40));
      case 3:
        return append(below(40'000));
      case 4:
        return append_pieces();
      case 5:
        return append_shared(below(3000));
      case 6:
        return claim(below(100));
      case 7:
        return queue_.settle();
      case 8:
        return below(50) == 0 ? clear() : consume(0);
      default:
        return consume(below(std::min<size_t>(expected_.size(), 30'000) + 1));
    }
  }

  bool agrees_in_size() const {
    return queue_.queue.bytes() == expected_.size() && queue_.queue.empty() == expected_.empty();
  }
  bool agrees_in_bytes() const { return queue_.text() == expected_; }

 private:
  size_t below(size_t limit) { return limit == 0 ? 0 : random_() % limit; }
  std::string some_text(size_t size) { return patterned_text(size, below(251)); }

  void append(size_t size) {
    const std::string text = some_text(size);
    ASSERT_TRUE(queue_.append(text));
    expected_ += text;
  }
  void append_pieces() {
    const std::string first = some_text(below(20));
    const std::string second = some_text(below(20'000));
    const ByteView pieces[] = {bytes_of(first), bytes_of(second), bytes_of(first)};
    const size_t total = 2 * first.size() + second.size();
    ASSERT_TRUE(queue_.queue.append(queue_.pool, pieces, total));
    expected_ += first + second + first;
  }
  void append_shared(size_t size) {
    const std::string text = some_text(size);
    ASSERT_TRUE(queue_.append_shared(text));
    expected_ += text;
  }
  void claim(size_t size) {
    uint8_t* place = queue_.queue.claim(size);
    if (place == nullptr) return;
    const std::string text = some_text(size);
    std::memcpy(place, text.data(), text.size());
    expected_ += text;
  }
  void consume(size_t bytes) {
    queue_.consume(bytes);
    expected_.erase(0, bytes);
  }
  void clear() {
    queue_.clear();
    expected_.clear();
  }

  std::mt19937 random_;
  Queue queue_;
  std::string expected_;
};

TEST(WriteQueueModel, HoldsWhatAStringHolds) {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    Model model(seed);
    for (int step = 0; step < 1500; ++step) {
      model.do_something();
      ASSERT_TRUE(model.agrees_in_size()) << "seed " << seed << ", step " << step;
      if (step % 10 != 0) continue;  // a compare of all bytes takes most of the time
      ASSERT_TRUE(model.agrees_in_bytes()) << "seed " << seed << ", step " << step;
    }
  }
}

}  // namespace
}  // namespace tcpkit::test
