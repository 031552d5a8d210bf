// Writers whose memory cannot grow: nothing is lost, nothing is half written, and it is reported.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "faults/faults.h"
#include "tcpkit.h"

using namespace faults;

namespace {

template <typename Call>
tcpkit_status without_memory(Call call) {
  begin(Plan{}.with(Site::kMalloc, 1000));
  const tcpkit_status status = exposed(call);
  EXPECT_EQ(1u, end()) << "the call asked for memory once";
  return status;
}

class WriterWithoutMemory : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(TCPKIT_OK, tcpkit_write_string(&writer_, "kept")); }
  void TearDown() override {
    tcpkit_writer_free(&writer_);
    EXPECT_EQ(blocks_before_, live_blocks());
  }

  std::string_view written() const {
    return {reinterpret_cast<const char*>(writer_.data), writer_.size};
  }

  const int64_t blocks_before_ = live_blocks();
  tcpkit_writer writer_ = TCPKIT_WRITER_INIT;
};

TEST_F(WriterWithoutMemory, KeepsWhatItHoldsWhenItCannotGrow) {
  const std::string large(1000, 'x');
  const auto write = [&] { return tcpkit_write_string(&writer_, large.c_str()); };
  EXPECT_EQ(TCPKIT_E_NO_MEMORY, without_memory(write));
  EXPECT_EQ(TCPKIT_E_NO_MEMORY, writer_.status);
  EXPECT_EQ("\4kept", written());
  writer_.status = TCPKIT_OK;
  EXPECT_EQ(TCPKIT_OK, write());
  EXPECT_EQ(1007u, writer_.size);
}

TEST_F(WriterWithoutMemory, KeepsWhatItHoldsWhenThereIsNoneForABuffer) {
  tcpkit_buffer* buffer = nullptr;
  const auto take = [&] { return tcpkit_writer_take_buffer(&writer_, &buffer); };
  EXPECT_EQ(TCPKIT_E_NO_MEMORY, without_memory(take));
  EXPECT_EQ(nullptr, buffer);
  EXPECT_EQ("\4kept", written());
  EXPECT_EQ(TCPKIT_OK, take());
  tcpkit_buffer_release(buffer);
}

TEST_F(WriterWithoutMemory, WritesNothingToAStreamRatherThanAPart) {
  int writes = 0;
  tcpkit_writer stream = tcpkit_writer_over_stream(
      [](const void*, size_t, void* user_data) -> tcpkit_status {
        ++*static_cast<int*>(user_data);
        return TCPKIT_OK;
      },
      &writes);
  const std::string large(5000, 'x');
  EXPECT_EQ(TCPKIT_E_NO_MEMORY,
            without_memory([&] { return tcpkit_write_string(&stream, large.c_str()); }));
  EXPECT_EQ(0, writes);
}

}  // namespace
