// Shared buffers: what they show, and when the owner's memory is freed.
#include "buffer/shared_buffer.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "unit/buffer/queue_support.h"

namespace tcpkit::test {
namespace {

std::string text_of(const SharedBuffer& buffer) {
  return {reinterpret_cast<const char*>(buffer.view().data()), buffer.view().size()};
}

void count_free(void* user_data) {
  ++*static_cast<int*>(user_data);
}

TEST(SharedBuffer, CopiesTheBytes) {
  std::string text = "hello";
  const Ref<SharedBuffer> buffer = SharedBuffer::copy(bytes_of(text));
  text = "jelly";
  EXPECT_EQ(text_of(*buffer), "hello");
}

TEST(SharedBuffer, MayBeEmpty) {
  EXPECT_TRUE(SharedBuffer::copy({})->view().empty());
  EXPECT_TRUE(SharedBuffer::with_size(0)->view().empty());
  EXPECT_TRUE(SharedBuffer::wrap({}, UserData())->view().empty());
}

TEST(SharedBuffer, ShowsWhatTheCallerFilledIn) {
  const Ref<SharedBuffer> buffer = SharedBuffer::with_size(1000);
  ASSERT_EQ(buffer->view().size(), 1000u);
  std::memset(buffer->writable_bytes(), 'q', 1000);
  EXPECT_EQ(text_of(*buffer), std::string(1000, 'q'));
}

TEST(SharedBuffer, IsNullIfTheSizeCannotBeHad) {
  EXPECT_FALSE(SharedBuffer::with_size(std::numeric_limits<size_t>::max()));
}

TEST(SharedBuffer, WrapsTheUsersBytesWithoutACopy) {
  const std::string text = "borrowed";
  const Ref<SharedBuffer> buffer = SharedBuffer::wrap(bytes_of(text), UserData());
  EXPECT_EQ(buffer->view().data(), bytes_of(text).data());
}

TEST(SharedBuffer, FreesTheOwnerWithTheLastReference) {
  int freed = 0;
  const std::string text = "owned";
  Ref<SharedBuffer> first = SharedBuffer::wrap(bytes_of(text), UserData(&freed, count_free));
  Ref<SharedBuffer> second = first;
  first = {};
  EXPECT_EQ(freed, 0);
  second = {};
  EXPECT_EQ(freed, 1);
}

TEST(SharedBuffer, FreesTheOwnerOnceWhenThreadsShareIt) {
  int freed = 0;
  const std::string text = "shared";
  Ref<SharedBuffer> buffer = SharedBuffer::wrap(bytes_of(text), UserData(&freed, count_free));
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([mine = buffer]() mutable {
      for (int round = 0; round < 1000; ++round)
        EXPECT_EQ(text_of(*Ref<SharedBuffer>(mine)), "shared");
      mine = {};
    });
  }
  buffer = {};
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(freed, 1);
}

}  // namespace
}  // namespace tcpkit::test
