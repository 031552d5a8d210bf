// The chain without any I/O: order, ends, failures, limits.
#include "filters/filter_chain.h"

#include <gtest/gtest.h>

#include <functional>
#include <stdexcept>
#include <string>

namespace tcpkit::test {
namespace {

using Direction = FilterChain::Direction;

// A filter that writes its mark before each piece, in both directions, and at each of its ends.
struct Marked {
  std::string mark;
  std::function<Status(tcpkit_filter_output*)> decode = {};
  int freed = 0;
};

Status write(tcpkit_filter_output* output, std::string_view text) {
  const ByteView bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return output->chain.pass(output->direction, output->next, bytes);
}

Status write_marked(void* state, const uint8_t* data, size_t size, tcpkit_filter_output* output) {
  const Marked& self = *static_cast<Marked*>(state);
  if (self.decode && output->direction == Direction::kDecode) return self.decode(output);
  return write(output, self.mark + std::string(reinterpret_cast<const char*>(data), size));
}

template <char sign>
Status write_sign(void* state, tcpkit_filter_output* output) {
  return write(output, static_cast<Marked*>(state)->mark + sign);
}

tcpkit_filter table_of(Marked& marked) {
  tcpkit_filter table = TCPKIT_FILTER_INIT;
  table.name = "marked";
  table.user_data = &marked;
  table.decode = table.encode = write_marked;
  table.decode_end = write_sign<'$'>;
  table.flush = write_sign<'!'>;
  table.encode_end = write_sign<'.'>;
  return table;
}

class Chain : public ::testing::Test {
 protected:
  void add(Marked& marked) { add(table_of(marked)); }
  void add(const tcpkit_filter& table) {
    std::unique_ptr<const FilterSpec> spec;
    ASSERT_EQ(TCPKIT_OK, FilterSpec::create(&table, "filter", spec));
    ASSERT_EQ(TCPKIT_OK, chain_.add(spec));
  }
  bool decode(std::string_view text, size_t first = 0) {
    return chain_.decode(first, {reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out_);
  }
  bool encode(std::string_view text) {
    return chain_.encode({reinterpret_cast<const uint8_t*>(text.data()), text.size()}, out_);
  }
  std::string take() {
    std::string text(reinterpret_cast<const char*>(out_.data()), out_.size());
    out_.clear();
    return text;
  }

  Marked a_{"a"};
  Marked b_{"b"};
  FilterBuffer out_{16};
  FilterChain chain_{1000};
};

TEST_F(Chain, WithoutFiltersIsTransparent) {
  EXPECT_TRUE(decode("in"));
  EXPECT_TRUE(encode("out"));
  EXPECT_TRUE(chain_.flush(out_));
  EXPECT_EQ("inout", take());
}

TEST_F(Chain, DecodesFromTheNetworkAndEncodesTowardsIt) {
  add(a_);
  add(b_);
  EXPECT_TRUE(decode("x"));
  EXPECT_EQ("bax", take());
  EXPECT_TRUE(encode("x"));
  EXPECT_EQ("abx", take());
}

TEST_F(Chain, CanBeEnteredInTheMiddle) {
  add(a_);
  add(b_);
  EXPECT_TRUE(decode("x", 1));
  EXPECT_EQ("bx", take());
  EXPECT_TRUE(decode("x", 2));
  EXPECT_EQ("x", take());
}

TEST_F(Chain, NothingIsNoCall) {
  add(a_);
  EXPECT_TRUE(decode(""));
  EXPECT_TRUE(encode(""));
  EXPECT_EQ("", take());
}

TEST_F(Chain, EndsGoThroughTheFiltersBehindThemBeforeThoseEnd) {
  add(a_);
  add(b_);
  EXPECT_TRUE(chain_.decode_end(out_));
  EXPECT_EQ("ba$b$", take());
  EXPECT_TRUE(chain_.flush(out_));
  EXPECT_EQ("ab!a!", take());
  EXPECT_TRUE(chain_.encode_end(out_));
  EXPECT_EQ("ab.a.", take());
}

TEST_F(Chain, ADirectionThatAFilterLeavesOutPassesIt) {
  tcpkit_filter table = table_of(a_);
  table.encode = nullptr;
  add(table);
  add(b_);
  EXPECT_TRUE(encode("x"));
  EXPECT_EQ("bx", take());
}

TEST_F(Chain, AFailureStaysAndIsOfOneDirection) {
  add(a_);
  a_.decode = [](tcpkit_filter_output*) { return TCPKIT_E_FILTER; };
  EXPECT_FALSE(decode("x"));
  a_.decode = nullptr;
  EXPECT_FALSE(decode("x"));
  EXPECT_FALSE(chain_.decode_end(out_));
  EXPECT_EQ("", take());
  EXPECT_STREQ("marked", chain_.failure(Direction::kDecode).filter);
  EXPECT_STREQ("decode", chain_.failure(Direction::kDecode).step);
  EXPECT_TRUE(encode("x"));
}

TEST_F(Chain, APositiveStatusIsAFailureToo) {
  add(a_);
  a_.decode = [](tcpkit_filter_output*) { return TCPKIT_OK_ABOVE_HIGH; };
  EXPECT_FALSE(decode("x"));
  EXPECT_EQ(TCPKIT_E_FILTER, chain_.failure(Direction::kDecode).status);
}

TEST_F(Chain, WhatTheSecondThrowsDoesNotGoThroughTheFirst) {
  add(a_);
  add(b_);
  Status heard = TCPKIT_OK;
  a_.decode = [&](tcpkit_filter_output* output) {
    heard = write(output, "x");
    return TCPKIT_OK;
  };
  b_.decode = [](tcpkit_filter_output*) -> Status { throw std::runtime_error("no"); };
  EXPECT_FALSE(decode("x"));
  EXPECT_EQ(TCPKIT_E_CALLBACK, heard);
  EXPECT_TRUE(chain_.failure(Direction::kDecode).threw);
  EXPECT_FALSE(chain_.is_running());
}

TEST_F(Chain, OneCallMayMakeAsMuchAsTheLimit) {
  add(a_);
  a_.decode = [](tcpkit_filter_output* output) { return write(output, std::string(1000, 'x')); };
  EXPECT_TRUE(decode("x"));
  EXPECT_TRUE(decode("x"));
  EXPECT_EQ(2000u, take().size());
}

TEST_F(Chain, OneByteMoreFailsTheFilterThatWritesIt) {
  add(a_);
  a_.decode = [](tcpkit_filter_output* output) {
    (void)write(output, std::string(1000, 'x'));
    EXPECT_EQ(TCPKIT_E_LIMIT, write(output, "y"));
    return TCPKIT_OK;
  };
  EXPECT_FALSE(decode("x"));
  EXPECT_EQ(TCPKIT_E_LIMIT, chain_.failure(Direction::kDecode).status);
  EXPECT_EQ(1000u, take().size());
}

TEST_F(Chain, DecodingMayEncode) {
  add(a_);
  FilterBuffer sent(0);
  a_.decode = [&](tcpkit_filter_output* output) {
    EXPECT_TRUE(chain_.encode({reinterpret_cast<const uint8_t*>("re"), 2}, sent));
    return write(output, "x");
  };
  EXPECT_TRUE(decode("?"));
  EXPECT_EQ("x", take());
  EXPECT_EQ(3u, sent.size());
}

TEST_F(Chain, FreesStatesOnceAndOnlyThoseThatWereMade) {
  tcpkit_filter table = table_of(a_);
  table.state_create = [](void* user_data) { return user_data; };
  table.state_free = [](void* state) { ++static_cast<Marked*>(state)->freed; };
  add(table);
  table.user_data = &b_;
  table.state_create = nullptr;
  add(table);
  chain_.end();
  chain_.end();
  EXPECT_EQ(1, a_.freed);
  EXPECT_EQ(0, b_.freed);
}

TEST_F(Chain, AFilterThatGetsNoStateIsNotAddedAndStaysTheCallers) {
  tcpkit_filter table = table_of(a_);
  table.state_create = [](void*) -> void* { throw std::runtime_error("no"); };
  std::unique_ptr<const FilterSpec> spec;
  ASSERT_EQ(TCPKIT_OK, FilterSpec::create(&table, "filter", spec));
  EXPECT_EQ(TCPKIT_E_CALLBACK, chain_.add(spec));
  EXPECT_NE(nullptr, spec);
  EXPECT_EQ(0u, chain_.size());
}

TEST(FilterBufferTest, GivesBackWhatABurstTookAndKeepsWhatIsUsual) {
  FilterBuffer buffer(8);
  const std::string usual(1000, 'x');
  EXPECT_EQ(TCPKIT_OK, buffer.append({reinterpret_cast<const uint8_t*>(usual.data()), 1000}, 4000));
  const uint8_t* memory = buffer.data();
  buffer.clear();
  EXPECT_EQ(memory, buffer.data());
  EXPECT_EQ(TCPKIT_E_LIMIT,
            buffer.append({reinterpret_cast<const uint8_t*>(usual.data()), 1000}, 999));
  const std::string burst(FilterBuffer::kKeptBytes + 1, 'x');
  EXPECT_EQ(TCPKIT_OK, buffer.append({reinterpret_cast<const uint8_t*>(burst.data()), burst.size()},
                                     burst.size()));
  buffer.clear();
  EXPECT_TRUE(buffer.empty());
}

}  // namespace
}  // namespace tcpkit::test
