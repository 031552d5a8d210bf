// The gate of the C interface: exceptions become statuses, structs are read as far as they go.
#include "api/guard.h"

#include <gtest/gtest.h>

#include <stdexcept>

namespace tcpkit::test {
namespace {

TEST(Guard, PassesOnTheStatusOfTheBody) {
  EXPECT_EQ(guarded([] { return TCPKIT_OK; }), TCPKIT_OK);
  EXPECT_EQ(guarded([] { return fail(TCPKIT_E_CLOSED, "shut"); }), TCPKIT_E_CLOSED);
  EXPECT_STREQ(last_error().message, "shut");
}

TEST(Guard, TurnsExceptionsIntoStatuses) {
  EXPECT_EQ(guarded([]() -> Status { throw std::bad_alloc(); }), TCPKIT_E_NO_MEMORY);
  EXPECT_EQ(guarded([]() -> Status { throw std::length_error("big"); }), TCPKIT_E_NO_MEMORY);
  EXPECT_EQ(guarded([]() -> Status { throw 1; }), TCPKIT_E_INTERNAL);
  EXPECT_EQ(guarded([]() -> Status { throw std::runtime_error("odd"); }), TCPKIT_E_INTERNAL);
  EXPECT_STREQ(last_error().message, "unexpected exception: odd");
}

struct Sample {
  uint32_t struct_size;
  uint32_t first;
  uint64_t appended;
};

TEST(CopyStruct, ReadsNoFieldThatIsNotCovered) {
  Sample given{8, 1, 2};
  Sample copy{sizeof(Sample), 10, 20};
  EXPECT_EQ(copy_struct(&given, copy, "sample", 8), TCPKIT_OK);
  EXPECT_EQ(copy.struct_size, sizeof(Sample));
  EXPECT_EQ(copy.first, 1u);
  EXPECT_EQ(copy.appended, 20u);
}

TEST(CopyStruct, TakesALargerStruct) {
  Sample given{1000, 1, 2};
  Sample copy{sizeof(Sample), 10, 20};
  EXPECT_EQ(copy_struct(&given, copy, "sample"), TCPKIT_OK);
  EXPECT_EQ(copy.appended, 2u);
}

TEST(CopyStruct, RefusesNullAndASmallStructByName) {
  Sample copy{};
  EXPECT_EQ(copy_struct<Sample>(nullptr, copy, "sample"), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_STREQ(last_error().message, "sample is NULL");
  Sample given{7, 0, 0};
  EXPECT_EQ(copy_struct(&given, copy, "sample", 8), TCPKIT_E_STRUCT_SIZE);
  EXPECT_NE(std::string(last_error().message).find("sample"), std::string::npos);
}

}  // namespace
}  // namespace tcpkit::test
