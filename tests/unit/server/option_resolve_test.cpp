// Defaults and ranges of the options of a server, as they come in a struct.
#include <gtest/gtest.h>
#include <sched.h>

#include <cstring>
#include <string>

#include "server/option_table.h"

namespace tcpkit::test {
namespace {

bool has_number(const OptionRow& row) {
  return row.type != OptionType::kText && row.type != OptionType::kFraming;
}

void put(tcpkit_server_options& options, const OptionRow& row, uint64_t value) {
  auto* field = reinterpret_cast<unsigned char*>(&options) + row.offset;
  const auto narrow = static_cast<uint32_t>(value);
  if (is_32_bit(row.type)) {
    std::memcpy(field, &narrow, sizeof narrow);
  } else {
    std::memcpy(field, &value, sizeof value);
  }
}

uint64_t get(const tcpkit_server_options& options, const OptionRow& row) {
  const auto* field = reinterpret_cast<const unsigned char*>(&options) + row.offset;
  uint32_t narrow = 0;
  uint64_t wide = 0;
  if (is_32_bit(row.type)) {
    std::memcpy(&narrow, field, sizeof narrow);
    return narrow;
  }
  std::memcpy(&wide, field, sizeof wide);
  return wide;
}

Status resolved_with(const OptionRow& row, uint64_t value) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.high_watermark = TCPKIT_UNLIMITED_SIZE;  // the low one must not be above it
  put(options, row, value);
  return resolve_options(options);
}

TEST(ResolveOptions, GivesEveryFieldItsDocumentedDefault) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  ASSERT_EQ(resolve_options(options), TCPKIT_OK);
  EXPECT_EQ(options.max_packet_size, 1u << 20);
  EXPECT_EQ(options.oversize, TCPKIT_OVERSIZE_CLOSE);
  EXPECT_EQ(options.high_watermark, 1u << 20);
  EXPECT_EQ(options.low_watermark, 256u << 10);
  EXPECT_EQ(options.max_queued_bytes, 64u << 20);
  EXPECT_EQ(options.max_buffered_bytes, 1u << 30);
  EXPECT_EQ(options.pause_above_high, TCPKIT_ON);
  EXPECT_EQ(options.idle_timeout_ms, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.read_timeout_ms, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.write_timeout_ms, 60'000u);
  EXPECT_EQ(options.drain_timeout_ms, 10'000u);
  EXPECT_EQ(options.proxy_protocol, TCPKIT_PROXY_OFF);
  EXPECT_EQ(options.proxy_timeout_ms, 5000u);
  EXPECT_EQ(options.max_connections_per_address, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.max_connections_per_prefix, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.max_accepts_per_second, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.prefix_v4, 24u);
  EXPECT_EQ(options.prefix_v6, 64u);
  EXPECT_EQ(options.at_limit, TCPKIT_AT_LIMIT_RESET);
  EXPECT_EQ(options.deliver_tail, TCPKIT_OFF);
  EXPECT_EQ(options.read_buffer_size, 512u << 10);
  EXPECT_EQ(options.pool_size, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.read_quantum_ms, 10u);
  EXPECT_EQ(options.max_connections, TCPKIT_UNLIMITED);
  EXPECT_EQ(options.tick_interval_ms, 1000u);
  EXPECT_EQ(options.close_timeout_ms, 5000u);
  EXPECT_EQ(options.keep_alive_ms, 300'000u);
  EXPECT_EQ(options.backlog, 4096u);
  EXPECT_EQ(options.reuse_port, TCPKIT_OFF);
  EXPECT_EQ(options.dual_stack, TCPKIT_ON);
  EXPECT_EQ(options.no_delay, TCPKIT_ON);
  EXPECT_EQ(options.min_receive_rate, 0u) << "none";
  EXPECT_EQ(options.receive_rate_grace_ms, 5000u);
  EXPECT_EQ(options.receive_buffer_size, 0u) << "0 stands for the system's";
  EXPECT_EQ(options.send_buffer_size, 0u) << "0 stands for the system's";
  EXPECT_EQ(options.handle_signals, TCPKIT_ON);
  EXPECT_EQ(options.log_level, TCPKIT_LOG_WARNING);
}

TEST(ResolveOptions, LeavesNoFieldOfTheTableAtItsZero) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  ASSERT_EQ(resolve_options(options), TCPKIT_OK);
  for (const OptionRow& row : option_table()) {
    if (!has_number(row) || std::strcmp(row.default_text, "system") == 0) continue;
    if (std::strcmp(row.default_text, "0") == 0) continue;
    EXPECT_NE(get(options, row), 0u) << row.key;
  }
}

TEST(ResolveOptions, KeepsWhatItResolvedBefore) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  ASSERT_EQ(resolve_options(options), TCPKIT_OK);
  tcpkit_server_options again = options;
  ASSERT_EQ(resolve_options(again), TCPKIT_OK);
  for (const OptionRow& row : option_table()) {
    if (!has_number(row)) continue;
    EXPECT_EQ(get(again, row), get(options, row)) << row.key;
  }
}

TEST(ResolveOptions, StartsAsManyLoopsAsThereAreUsableProcessors) {
  cpu_set_t usable;
  ASSERT_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  ASSERT_EQ(resolve_options(options), TCPKIT_OK);
  EXPECT_EQ(options.loops, static_cast<uint32_t>(CPU_COUNT(&usable)));
}

TEST(ResolveOptions, CountsOnlyTheProcessorsThisThreadMayUse) {
  cpu_set_t usable;
  ASSERT_EQ(sched_getaffinity(0, sizeof usable, &usable), 0);
  int processor = 0;
  while (!CPU_ISSET(processor, &usable)) ++processor;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  const Status status = resolve_options(options);
  ASSERT_EQ(sched_setaffinity(0, sizeof usable, &usable), 0);
  EXPECT_EQ(status, TCPKIT_OK);
  EXPECT_EQ(options.loops, 1u);
}

TEST(ResolveOptions, TakesBothEndsOfEveryRange) {
  for (const OptionRow& row : option_table()) {
    if (!has_number(row)) continue;
    EXPECT_EQ(resolved_with(row, row.largest), TCPKIT_OK) << row.key;
    EXPECT_EQ(resolved_with(row, row.smallest), TCPKIT_OK) << row.key;
  }
}

TEST(ResolveOptions, RefusesWhatIsAboveTheRangeByName) {
  for (const OptionRow& row : option_table()) {
    if (!has_number(row)) continue;
    if (row.may_be_unlimited && row.largest == UINT64_MAX - 1) continue;  // then it is unlimited
    EXPECT_EQ(resolved_with(row, row.largest + 1), TCPKIT_E_INVALID_ARGUMENT) << row.key;
    EXPECT_NE(std::string(last_error().message).find(row.key), std::string::npos) << row.key;
  }
}

TEST(ResolveOptions, RefusesWhatIsBelowTheRangeByName) {
  for (const OptionRow& row : option_table()) {
    if (!has_number(row) || row.smallest < 2) continue;  // zero is the default
    EXPECT_EQ(resolved_with(row, row.smallest - 1), TCPKIT_E_INVALID_ARGUMENT) << row.key;
    EXPECT_NE(std::string(last_error().message).find(row.key), std::string::npos) << row.key;
  }
}

TEST(ResolveOptions, RefusesANegativeChoiceByName) {
  for (const OptionRow& row : option_table()) {
    if (!is_choice(row.type)) continue;
    EXPECT_EQ(resolved_with(row, UINT32_MAX), TCPKIT_E_INVALID_ARGUMENT) << row.key;
    EXPECT_NE(std::string(last_error().message).find(row.key), std::string::npos) << row.key;
    EXPECT_NE(std::string(last_error().message).find("-1"), std::string::npos) << row.key;
  }
}

TEST(ResolveOptions, TakesUnlimitedExactlyWhereTheTableSaysSo) {
  for (const OptionRow& row : option_table()) {
    if (!has_number(row) || is_32_bit(row.type)) continue;
    const Status expected = row.may_be_unlimited ? TCPKIT_OK : TCPKIT_E_INVALID_ARGUMENT;
    EXPECT_EQ(resolved_with(row, UINT64_MAX), expected) << row.key;
  }
}

TEST(ResolveOptions, TakesAQuarterOfTheHighWatermarkForTheLowOne) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.high_watermark = 4000;
  ASSERT_EQ(resolve_options(options), TCPKIT_OK);
  EXPECT_EQ(options.low_watermark, 1000u);
}

TEST(ResolveOptions, RefusesALowWatermarkAboveTheHighOneByName) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.high_watermark = 4000;
  options.low_watermark = 4001;
  EXPECT_EQ(resolve_options(options), TCPKIT_E_INVALID_ARGUMENT);
  EXPECT_NE(std::string(last_error().message).find("low_watermark"), std::string::npos);
}

TEST(ResolveOptions, RefusesPoolSizeTogetherWithReusePort) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.pool_size = 100;
  options.reuse_port = TCPKIT_ON;
  EXPECT_EQ(resolve_options(options), TCPKIT_E_INVALID_ARGUMENT);
  const std::string message = last_error().message;
  EXPECT_NE(message.find("pool_size"), std::string::npos) << message;
  EXPECT_NE(message.find("reuse_port"), std::string::npos) << message;
}

TEST(ResolveOptions, TakesPoolSizeOrReusePortAlone) {
  tcpkit_server_options growing = TCPKIT_SERVER_OPTIONS_INIT;
  growing.pool_size = 100;
  growing.reuse_port = TCPKIT_OFF;
  EXPECT_EQ(resolve_options(growing), TCPKIT_OK);
  tcpkit_server_options spread = TCPKIT_SERVER_OPTIONS_INIT;
  spread.pool_size = TCPKIT_UNLIMITED;
  spread.reuse_port = TCPKIT_ON;
  EXPECT_EQ(resolve_options(spread), TCPKIT_OK);
}

}  // namespace
}  // namespace tcpkit::test
