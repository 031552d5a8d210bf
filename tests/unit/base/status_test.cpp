// The status table against the public header, and the last error of each thread.
#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <thread>

namespace tcpkit::test {
namespace {

constexpr Status kLowestStatus = -999;
constexpr Status kNoStatus = 2;

// Every TCPKIT_OK and TCPKIT_E_ constant as the header spells it.
std::map<std::string, Status> statuses_of_header() {
  std::ifstream header(TCPKIT_HEADER);
  std::map<std::string, Status> statuses;
  std::string name;
  for (std::string word; header >> word; name = word) {
    const bool is_status = name.starts_with("TCPKIT_OK") || name.starts_with("TCPKIT_E_");
    if (!is_status || word != "=") continue;
    header >> statuses[name];
  }
  return statuses;
}

TEST(StatusTable, HasEveryConstantOfTheHeaderUnderItsName) {
  const auto statuses = statuses_of_header();
  ASSERT_GE(statuses.size(), 32u);
  for (const auto& [name, status] : statuses) EXPECT_EQ(status_name(status), name);
}

TEST(StatusTable, HasNothingThatTheHeaderDoesNotHave) {
  size_t known = 0;
  for (Status status = kLowestStatus; status < kNoStatus; ++status) {
    if (status_text(status) != status_text(kNoStatus)) ++known;
  }
  EXPECT_EQ(known, statuses_of_header().size());
}

TEST(StatusTable, HasEachNameAndEachTextOnce) {
  std::set<std::string> names;
  std::set<std::string> texts;
  for (const auto& [name, status] : statuses_of_header()) {
    EXPECT_TRUE(names.insert(status_name(status)).second) << name;
    EXPECT_TRUE(texts.insert(status_text(status)).second) << name;
    EXPECT_STRNE(status_text(status), "") << name;
  }
}

TEST(StatusTable, GivesTheClassByHundreds) {
  for (const auto& [name, status] : statuses_of_header()) {
    EXPECT_EQ(tcpkit_status_class_of(status), -status / 100) << name;
  }
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_OK), TCPKIT_CLASS_OK);
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_E_BAD_VALUE), TCPKIT_CLASS_USAGE);
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_E_CLOSED), TCPKIT_CLASS_STATE);
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_E_LIMIT), TCPKIT_CLASS_RESOURCE);
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_E_IO), TCPKIT_CLASS_NETWORK);
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_E_BAD_FRAME), TCPKIT_CLASS_PROTOCOL);
  EXPECT_EQ(tcpkit_status_class_of(TCPKIT_E_INTERNAL), TCPKIT_CLASS_INTERNAL);
}

TEST(StatusTable, CallsANumberThatIsNoneUnknown) {
  for (const Status status : {2, -1, -100, -199, -498, -1000, INT32_MIN, INT32_MAX}) {
    EXPECT_STREQ(status_name(status), "TCPKIT_E_UNKNOWN") << status;
    EXPECT_EQ(tcpkit_status_class_of(status), TCPKIT_CLASS_INTERNAL) << status;
  }
}

TEST(StatusFromErrno, MapsWhatHasAStatusOfItsOwn) {
  const std::pair<int, Status> rows[] = {{0, TCPKIT_OK},
                                         {EADDRINUSE, TCPKIT_E_ADDRESS_IN_USE},
                                         {EADDRNOTAVAIL, TCPKIT_E_ADDRESS_NOT_AVAILABLE},
                                         {EACCES, TCPKIT_E_PERMISSION},
                                         {EPERM, TCPKIT_E_PERMISSION},
                                         {ENOENT, TCPKIT_E_NO_SUCH_FILE},
                                         {ENOTDIR, TCPKIT_E_NO_SUCH_FILE},
                                         {ECONNRESET, TCPKIT_E_RESET},
                                         {EPIPE, TCPKIT_E_RESET},
                                         {ETIMEDOUT, TCPKIT_E_TIMED_OUT},
                                         {EHOSTUNREACH, TCPKIT_E_UNREACHABLE},
                                         {ENETUNREACH, TCPKIT_E_UNREACHABLE},
                                         {EMFILE, TCPKIT_E_TOO_MANY_FILES},
                                         {ENFILE, TCPKIT_E_TOO_MANY_FILES},
                                         {ENOMEM, TCPKIT_E_NO_MEMORY},
                                         {ENOBUFS, TCPKIT_E_NO_MEMORY},
                                         {EIO, TCPKIT_E_IO},
                                         {EINVAL, TCPKIT_E_IO},
                                         {123456, TCPKIT_E_IO}};
  for (const auto& [error_number, status] : rows) {
    EXPECT_EQ(status_from_errno(error_number), status) << error_number;
  }
}

TEST(Fail, KeepsStatusAndText) {
  EXPECT_EQ(fail(TCPKIT_E_LIMIT, "limit of %d", 7), TCPKIT_E_LIMIT);
  EXPECT_EQ(last_error().status, TCPKIT_E_LIMIT);
  EXPECT_EQ(last_error().error_number, 0);
  EXPECT_STREQ(last_error().message, "limit of 7");
}

TEST(Fail, ForgetsTheErrnoOfTheFailureBefore) {
  (void)fail_errno(EACCES, "first");
  (void)fail(TCPKIT_E_CLOSED, "second");
  EXPECT_EQ(last_error().error_number, 0);
  EXPECT_STREQ(last_error().message, "second");
}

TEST(Fail, CutsALongTextAtTheBuffer) {
  for (const size_t length : {510u, 511u, 512u, 5000u}) {
    const std::string text(length, 'x');
    EXPECT_EQ(fail(TCPKIT_E_LIMIT, "%s", text.c_str()), TCPKIT_E_LIMIT);
    EXPECT_EQ(last_error().message, text.substr(0, sizeof(LastError::message) - 1)) << length;
  }
}

TEST(FailErrno, AppendsTheCause) {
  EXPECT_EQ(fail_errno(EADDRINUSE, "cannot listen on \"%s\"", "a"), TCPKIT_E_ADDRESS_IN_USE);
  EXPECT_EQ(last_error().error_number, EADDRINUSE);
  EXPECT_STREQ(last_error().message, "cannot listen on \"a\": Address already in use");
}

TEST(FailErrno, CutsALongTextAtTheBuffer) {
  for (const size_t length : {500u, 509u, 510u, 511u, 512u, 5000u}) {
    const std::string text(length, 'x');
    EXPECT_EQ(fail_errno(EPIPE, "%s", text.c_str()), TCPKIT_E_RESET);
    const std::string whole = text + ": Broken pipe";
    EXPECT_EQ(last_error().message, whole.substr(0, sizeof(LastError::message) - 1)) << length;
  }
}

TEST(LastErrorOfThread, IsNotThatOfAnotherThread) {
  (void)fail(TCPKIT_E_LIMIT, "mine");
  std::thread other([] {
    EXPECT_EQ(last_error().status, TCPKIT_OK);
    EXPECT_STREQ(last_error().message, "");
    (void)fail_errno(EPIPE, "theirs");
    EXPECT_EQ(tcpkit_last_error_errno(), EPIPE);
  });
  other.join();
  EXPECT_EQ(tcpkit_last_error_status(), TCPKIT_E_LIMIT);
  EXPECT_STREQ(tcpkit_last_error_message(), "mine");
}

TEST(LastErrorOfThread, CanBePutBack) {
  (void)fail_errno(EPIPE, "kept");
  const LastError kept = last_error();
  (void)fail(TCPKIT_E_LIMIT, "written over it");
  restore_last_error(kept);
  EXPECT_EQ(last_error().status, TCPKIT_E_RESET);
  EXPECT_EQ(last_error().error_number, EPIPE);
  EXPECT_STREQ(last_error().message, "kept: Broken pipe");
}

}  // namespace
}  // namespace tcpkit::test
