// Cutting of PEM texts into blocks, and the host name in a client hello.
#include "tls/pem.h"

#include <gtest/gtest.h>

#include "tls/client_hello.h"

namespace tcpkit::test {
namespace {

struct Cut {
  Status status;
  std::vector<PemBlock> blocks;
  std::string message;
};

Cut cut(std::string_view text) {
  Cut result{};
  result.status = split_pem("the text", text, result.blocks);
  if (result.status != TCPKIT_OK) result.message = last_error().message;
  return result;
}

TEST(SplitPem, GivesTheBlocksInOrderWithTheirLines) {
  const Cut result =
      cut("comment\n-----BEGIN A-----\nabc\n-----END A-----\n\n-----BEGIN PRIVATE KEY-----\n"
          "-----END PRIVATE KEY-----\n");
  ASSERT_EQ(result.blocks.size(), 2u);
  EXPECT_EQ(result.blocks[0].label, "A");
  EXPECT_EQ(result.blocks[0].line, 2u);
  EXPECT_EQ(result.blocks[0].text, "-----BEGIN A-----\nabc\n-----END A-----\n");
  EXPECT_EQ(result.blocks[1].line, 6u);
  EXPECT_TRUE(result.blocks[1].is_private_key());
}

TEST(SplitPem, TakesLinesThatEndAsOnWindowsAndALastOneWithoutEnd) {
  const Cut result = cut("-----BEGIN A-----\r\nabc\r\n-----END A-----");
  ASSERT_EQ(result.blocks.size(), 1u);
  EXPECT_EQ(result.blocks[0].label, "A");
  EXPECT_TRUE(result.blocks[0].text.ends_with("-----END A-----"));
}

TEST(SplitPem, FindsNothingWhereNothingIs) {
  for (const char* text : {"", "\n", "text", "-----BEGIN -----\n", "----BEGIN A----\n", "-----"}) {
    const Cut result = cut(text);
    EXPECT_EQ(result.status, TCPKIT_OK) << text;
    EXPECT_TRUE(result.blocks.empty()) << text;
  }
}

TEST(SplitPem, NamesTheLineOfABlockThatDoesNotEnd) {
  for (const char* text :
       {"\n-----BEGIN A-----\nabc\n", "\n-----BEGIN A-----\n-----BEGIN B-----\n-----END B-----\n",
        "\n-----BEGIN A-----\n-----END B-----\n", "\n-----BEGIN A-----"}) {
    const Cut result = cut(text);
    EXPECT_EQ(result.status, TCPKIT_E_TLS_CREDENTIALS) << text;
    EXPECT_NE(result.message.find("the text: line 2"), std::string::npos) << result.message;
    EXPECT_NE(result.message.find(" A,"), std::string::npos) << result.message;
  }
}

TEST(SplitPem, NamesTheLineOfAnEndWithoutItsBegin) {
  const Cut result = cut("\n\n-----END A-----\n");
  EXPECT_EQ(result.status, TCPKIT_E_TLS_CREDENTIALS);
  EXPECT_NE(result.message.find("line 3"), std::string::npos) << result.message;
}

// ---- server_name ----

std::string parse(const std::string& extension) {
  // A block of just that size, so that a sanitizer sees every step beyond it.
  const std::vector<uint8_t> bytes(extension.begin(), extension.end());
  return parse_server_name(bytes);
}

std::string two_bytes(size_t number) {
  return {static_cast<char>(number >> 8), static_cast<char>(number & 255)};
}

std::string entry(char type, const std::string& name) {
  return std::string(1, type) + two_bytes(name.size()) + name;
}

std::string list(const std::string& entries) {
  return two_bytes(entries.size()) + entries;
}

TEST(ParseServerName, GivesTheHostName) {
  EXPECT_EQ(parse(list(entry(0, "a.example"))), "a.example");
  EXPECT_EQ(parse(list(entry(7, "other") + entry(0, "a.example"))), "a.example");
  EXPECT_EQ(parse(list(entry(0, std::string(255, 'a')))), std::string(255, 'a'));
}

TEST(ParseServerName, GivesNothingForWhatIsMalformed) {
  const std::string good = list(entry(0, "a.example"));
  for (size_t size = 0; size < good.size(); ++size) EXPECT_EQ(parse(good.substr(0, size)), "");
  EXPECT_EQ(parse(good + "x"), "");
  EXPECT_EQ(parse(list("")), "");
  EXPECT_EQ(parse(list(std::string("\0\0\x09short", 8))), "");
  EXPECT_EQ(parse(list(entry(7, "other"))), "");
  EXPECT_EQ(parse(list(entry(0, std::string(256, 'a')))), "");
  EXPECT_EQ(parse(list(entry(0, std::string("a\0b", 3)))), "");
}

}  // namespace
}  // namespace tcpkit::test
