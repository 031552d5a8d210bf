// A frame that counts what became of it.
#pragma once

#include <string>
#include <utility>

#include "buffer/shared_frame.h"
#include "unit/buffer/queue_support.h"

namespace tcpkit::test {

class CountedFrame final : public SharedFrame {
 public:
  explicit CountedFrame(std::string text, uint64_t frame_key = 0) : text_(std::move(text)) {
    bytes = bytes_of(text_);
    key = frame_key;
  }
  void left_queue(Fate fate) noexcept override {
    if (fate == Fate::kSent) ++sent;
    if (fate == Fate::kDropped) ++dropped;
    if (fate == Fate::kLost) ++lost;
  }
  const std::string& text() const { return text_; }
  int left() const { return sent + dropped + lost; }

  int sent = 0;
  int dropped = 0;
  int lost = 0;

 private:
  const std::string text_;
};

}  // namespace tcpkit::test
