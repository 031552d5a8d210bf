// The gate of the C interface: exceptions become statuses, structs are read as far as they go.
#include "api/guard.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

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

TEST(CopyStruct, LeavesTheCopyAloneWhenItFails) {
  Sample given{7, 1, 2};
  Sample copy{sizeof(Sample), 10, 20};
  ASSERT_EQ(copy_struct(&given, copy, "sample", 8), TCPKIT_E_STRUCT_SIZE);
  EXPECT_EQ(copy.struct_size, sizeof(Sample));
  EXPECT_EQ(copy.first, 10u);
  EXPECT_EQ(copy.appended, 20u);
}

TEST(CopyStruct, TellsBothSizesOfASmallStruct) {
  Sample given{7, 0, 0};
  Sample copy{};
  ASSERT_EQ(copy_struct(&given, copy, "sample", 8), TCPKIT_E_STRUCT_SIZE);
  const std::string message = last_error().message;
  EXPECT_NE(message.find("7"), std::string::npos) << message;
  EXPECT_NE(message.find("8"), std::string::npos) << message;
}

TEST(FillStruct, WritesNoFieldThatIsNotCovered) {
  Sample filled{8, 1, 2};
  fill_struct(filled, Sample{sizeof(Sample), 10, 20});
  EXPECT_EQ(filled.struct_size, 8u) << "it tells what the caller has";
  EXPECT_EQ(filled.first, 10u);
  EXPECT_EQ(filled.appended, 2u);
}

TEST(FillStruct, WritesHalfAFieldIfThatIsAllThatIsCovered) {
  Sample filled{12, 1, 0};
  fill_struct(filled, Sample{sizeof(Sample), 10, UINT64_MAX});
  EXPECT_EQ(filled.appended, 0xFFFFFFFFu);
}

TEST(FillStruct, LeavesAloneWhatALaterVersionAppended) {
  struct Later {
    Sample known;
    uint64_t appended_later;
  };
  Later filled{{sizeof(Later), 1, 2}, 3};
  fill_struct(filled.known, Sample{sizeof(Sample), 10, 20});
  EXPECT_EQ(filled.known.struct_size, sizeof(Later));
  EXPECT_EQ(filled.known.appended, 20u);
  EXPECT_EQ(filled.appended_later, 3u);
}

// Every struct that the gate takes, with the size of its first release as the header froze it.
template <typename StructType, uint32_t size>
struct Frozen {
  using Struct = StructType;
  static constexpr uint32_t kSize = size;
};

template <typename>
class FrozenSizes : public ::testing::Test {};

using EveryStruct =
    ::testing::Types<Frozen<tcpkit_address, 272>, Frozen<tcpkit_framer_options, 168>,
                     Frozen<tcpkit_handlers, 80>, Frozen<tcpkit_strategy, 56>,
                     Frozen<tcpkit_server_options, 280>, Frozen<tcpkit_option_info, 40>,
                     Frozen<tcpkit_listen_options, 16>, Frozen<tcpkit_timer_options, 48>,
                     Frozen<tcpkit_metrics, 168>>;
TYPED_TEST_SUITE(FrozenSizes, EveryStruct);

TYPED_TEST(FrozenSizes, AreThoseOfTheFirstRelease) {
  using Struct = typename TypeParam::Struct;
  EXPECT_EQ(kFrozenSize<Struct>, TypeParam::kSize);
  EXPECT_LE(kFrozenSize<Struct>, sizeof(Struct)) << "a struct only grows";
  EXPECT_EQ(offsetof(Struct, struct_size), 0u);
}

TYPED_TEST(FrozenSizes, AreTheLeastThatIsTaken) {
  using Struct = typename TypeParam::Struct;
  Struct given{};
  Struct copy{};
  for (const uint32_t too_small : {0u, 4u, TypeParam::kSize - 1}) {
    given.struct_size = too_small;
    EXPECT_EQ(copy_struct(&given, copy, "given"), TCPKIT_E_STRUCT_SIZE) << too_small;
  }
  given.struct_size = TypeParam::kSize;
  EXPECT_EQ(copy_struct(&given, copy, "given"), TCPKIT_OK);
  EXPECT_EQ(copy.struct_size, sizeof(Struct));
}

TYPED_TEST(FrozenSizes, BoundWhatIsReadAndWritten) {
  using Struct = typename TypeParam::Struct;
  // The caller's memory ends where its struct ends: one more byte would be outside.
  std::vector<unsigned char> exact(TypeParam::kSize, 0);
  auto* given = static_cast<Struct*>(static_cast<void*>(exact.data()));
  const uint32_t struct_size = TypeParam::kSize;
  std::memcpy(exact.data(), &struct_size, sizeof struct_size);
  Struct copy{};
  ASSERT_EQ(copy_struct(given, copy, "given"), TCPKIT_OK);
  std::memset(&copy, 0x5A, sizeof copy);
  fill_struct(*given, copy);
  EXPECT_EQ(std::count(exact.begin() + 4, exact.end(), 0x5A), TypeParam::kSize - 4);
}

}  // namespace
}  // namespace tcpkit::test
