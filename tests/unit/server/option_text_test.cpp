// The options of a server as text: keys, values, and what is said about a wrong one.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "server/option_table.h"

namespace tcpkit::test {
namespace {

using enum OptionType;

struct Expected {
  const char* key;
  size_t offset;
  OptionType type;
};

#define TCPKIT_EXPECTED(name, type) \
  { #name, offsetof(tcpkit_server_options, name), type }

// Every field of tcpkit_server_options that text can set: all but struct_size and strategy.
constexpr Expected kSettable[] = {
    TCPKIT_EXPECTED(loops, kCount32),
    TCPKIT_EXPECTED(listen, kText),
    TCPKIT_EXPECTED(framing, kFraming),
    TCPKIT_EXPECTED(max_packet_size, kSize),
    TCPKIT_EXPECTED(oversize, kChoice),
    TCPKIT_EXPECTED(deliver_tail, kSwitch),
    TCPKIT_EXPECTED(read_buffer_size, kSize),
    TCPKIT_EXPECTED(pool_size, kCount64),
    TCPKIT_EXPECTED(read_quantum_ms, kMilliseconds),
    TCPKIT_EXPECTED(max_connections, kCount64),
    TCPKIT_EXPECTED(tick_interval_ms, kMilliseconds),
    TCPKIT_EXPECTED(close_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(keep_alive_ms, kMilliseconds),
    TCPKIT_EXPECTED(backlog, kCount32),
    TCPKIT_EXPECTED(reuse_port, kSwitch),
    TCPKIT_EXPECTED(dual_stack, kSwitch),
    TCPKIT_EXPECTED(no_delay, kSwitch),
    TCPKIT_EXPECTED(receive_buffer_size, kSize),
    TCPKIT_EXPECTED(send_buffer_size, kSize),
    TCPKIT_EXPECTED(handle_signals, kSwitch),
    TCPKIT_EXPECTED(log_level, kChoice),
    TCPKIT_EXPECTED(proxy_protocol, kChoice),
    TCPKIT_EXPECTED(proxy_trusted, kText),
    TCPKIT_EXPECTED(proxy_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(max_connections_per_address, kCount64),
    TCPKIT_EXPECTED(max_connections_per_prefix, kCount64),
    TCPKIT_EXPECTED(max_accepts_per_second, kCount64),
    TCPKIT_EXPECTED(prefix_v4, kCount32),
    TCPKIT_EXPECTED(prefix_v6, kCount32),
    TCPKIT_EXPECTED(at_limit, kChoice),
    TCPKIT_EXPECTED(high_watermark, kSize),
    TCPKIT_EXPECTED(low_watermark, kSize),
    TCPKIT_EXPECTED(max_queued_bytes, kSize),
    TCPKIT_EXPECTED(max_buffered_bytes, kSize),
    TCPKIT_EXPECTED(pause_above_high, kSwitch),
    TCPKIT_EXPECTED(idle_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(read_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(min_receive_rate, kSize),
    TCPKIT_EXPECTED(tls_or_plain, kSwitch),
    TCPKIT_EXPECTED(handshake_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(max_handshakes, kCount64),
    TCPKIT_EXPECTED(handshake_quantum_ms, kMilliseconds),
    TCPKIT_EXPECTED(receive_rate_grace_ms, kMilliseconds),
    TCPKIT_EXPECTED(write_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(drain_timeout_ms, kMilliseconds),
    TCPKIT_EXPECTED(max_handler_threads, kCount64),
    TCPKIT_EXPECTED(max_waiting_connections, kCount64),
    TCPKIT_EXPECTED(handler_stack_size, kSize),
    TCPKIT_EXPECTED(workers, kCount32),
    TCPKIT_EXPECTED(worker_queue_bytes, kSize),
};

#undef TCPKIT_EXPECTED

const OptionRow* row_of(const char* key) {
  for (const OptionRow& row : option_table()) {
    if (std::strcmp(row.key, key) == 0) return &row;
  }
  return nullptr;
}

bool is_number(OptionType type) {
  return type == kCount32 || type == kCount64 || type == kMilliseconds || type == kSize;
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

struct Outcome {
  Status status;
  uint64_t value;
  std::string message;
};

Outcome outcome_of(const char* key, const std::string& text) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  const Status status = set_option_from_text(options, key, text.c_str());
  const OptionRow* row = row_of(key);
  const bool has_value = row != nullptr && row->type != kText && row->type != kFraming;
  return {status, has_value ? get(options, *row) : 0,
          status == TCPKIT_OK ? std::string() : std::string(last_error().message)};
}

void expect_refused(const char* key, const std::string& text) {
  const Outcome outcome = outcome_of(key, text);
  EXPECT_EQ(outcome.status, TCPKIT_E_BAD_VALUE) << key << " = \"" << text << "\"";
  EXPECT_EQ(outcome.value, 0u) << key << ": a failed call changes nothing";
  EXPECT_NE(outcome.message.find(key), std::string::npos) << outcome.message;
  EXPECT_NE(outcome.message.find("\"" + text + "\""), std::string::npos) << outcome.message;
}

TEST(OptionTable, HasExactlyTheFieldsThatTextCanSet) {
  EXPECT_EQ(option_table().size(), std::size(kSettable));
  for (const Expected& expected : kSettable) {
    const OptionRow* row = row_of(expected.key);
    ASSERT_NE(row, nullptr) << expected.key;
    EXPECT_EQ(row->offset, expected.offset) << expected.key;
    EXPECT_EQ(row->type, expected.type) << expected.key;
  }
}

TEST(OptionTable, DescribesEveryRow) {
  for (const OptionRow& row : option_table()) {
    EXPECT_STRNE(row.value_syntax, "") << row.key;
    EXPECT_STRNE(row.default_text, "") << row.key;
    const std::string help = row.help;
    ASSERT_FALSE(help.empty()) << row.key;
    EXPECT_EQ(help.back(), '.') << row.key << ": one sentence";
  }
}

TEST(OptionTable, NamesADefaultThatTextGivesToo) {
  const std::vector<std::string> no_value = {"processors", "system", "high/4"};
  for (const OptionRow& row : option_table()) {
    const std::string text = row.default_text;
    if (row.type == kText || row.type == kFraming || text == no_value[0] || text == no_value[1] ||
        text == no_value[2])
      continue;
    const Outcome outcome = outcome_of(row.key, text);
    EXPECT_EQ(outcome.status, TCPKIT_OK) << row.key << ": " << outcome.message;
    EXPECT_EQ(outcome.value, row.fallback) << row.key;
  }
}

TEST(OptionTable, NamesTheDefaultOfTheFraming) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  options.framing.kind = TCPKIT_FRAMING_VARINT;
  const char* text = row_of("framing")->default_text;
  ASSERT_EQ(set_option_from_text(options, "framing", text), TCPKIT_OK);
  EXPECT_EQ(options.framing.kind, TCPKIT_FRAMING_NONE);
}

TEST(OptionText, ChangesNoOtherField) {
  for (const OptionRow& row : option_table()) {
    if (row.type == kText || row.type == kFraming) continue;
    const std::string text =
        is_number(row.type) ? std::to_string(row.smallest) : std::string(row.names.back().name);
    tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
    ASSERT_EQ(set_option_from_text(options, row.key, text.c_str()), TCPKIT_OK) << row.key;
    for (const OptionRow& other : option_table()) {
      if (other.type == kText || other.type == kFraming || other.key == row.key) continue;
      EXPECT_EQ(get(options, other), 0u) << row.key << " changed " << other.key;
    }
    EXPECT_EQ(options.listen, nullptr);
    EXPECT_EQ(options.strategy, nullptr);
    EXPECT_EQ(options.struct_size, sizeof options);
  }
}

TEST(OptionText, TakesADashForAnUnderscore) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  EXPECT_EQ(set_option_from_text(options, "max-packet-size", "7"), TCPKIT_OK);
  EXPECT_EQ(options.max_packet_size, 7u);
  EXPECT_EQ(set_option_from_text(options, "read-quantum_ms", "8"), TCPKIT_OK);
  EXPECT_EQ(options.read_quantum_ms, 8u);
}

TEST(OptionText, RefusesKeysThatAreNoneByName) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  for (const char* key : {"", "loop", "loopss", "LOOPS", "max__packet_size", "struct_size",
                          "strategy", "loops ", "_loops"}) {
    EXPECT_EQ(set_option_from_text(options, key, "1"), TCPKIT_E_UNKNOWN_OPTION) << key;
    const std::string quoted = "\"" + std::string(key) + "\"";
    EXPECT_NE(std::string(last_error().message).find(quoted), std::string::npos)
        << last_error().message;
  }
}

TEST(OptionText, TakesBothEndsOfEveryRange) {
  for (const OptionRow& row : option_table()) {
    if (!is_number(row.type)) continue;
    EXPECT_EQ(outcome_of(row.key, std::to_string(row.smallest)).value, row.smallest) << row.key;
    EXPECT_EQ(outcome_of(row.key, std::to_string(row.largest)).value, row.largest) << row.key;
  }
}

TEST(OptionText, RefusesNumbersOutsideTheRangeByKeyAndText) {
  for (const OptionRow& row : option_table()) {
    if (!is_number(row.type)) continue;
    expect_refused(row.key, std::to_string(row.smallest - 1));
    expect_refused(row.key, std::to_string(row.largest + 1));
    expect_refused(row.key, "18446744073709551615");
  }
}

TEST(OptionText, RefusesWhatIsNoNumberByKeyAndText) {
  for (const OptionRow& row : option_table()) {
    if (!is_number(row.type)) continue;
    for (const char* text :
         {"", " ", "x", "-1", "+1", " 1", "1 ", "1.5", "0x10", "1e3", "k", "1kk", "1kb", "1t",
          "1,5", "Unlimited", "unlimited ", "18446744073709551616", "99999999999999999999999"}) {
      expect_refused(row.key, text);
    }
  }
}

TEST(OptionText, TakesUnlimitedExactlyWhereTheTableSaysSo) {
  for (const OptionRow& row : option_table()) {
    if (!is_number(row.type)) continue;
    if (row.may_be_unlimited) {
      EXPECT_EQ(outcome_of(row.key, "unlimited").value, UINT64_MAX) << row.key;
    } else {
      expect_refused(row.key, "unlimited");
    }
  }
}

TEST(OptionText, TellsHowToWriteNoLimit) {
  for (const char* text : {"0", "many"}) {
    EXPECT_NE(outcome_of("max_connections", text).message.find("\"unlimited\""), std::string::npos);
    EXPECT_EQ(outcome_of("tick_interval_ms", text).message.find("unlimited"), std::string::npos);
  }
}

TEST(OptionText, TakesTheSuffixesOfSizes) {
  EXPECT_EQ(outcome_of("max_packet_size", "3").value, 3u);
  EXPECT_EQ(outcome_of("max_packet_size", "3k").value, 3u << 10);
  EXPECT_EQ(outcome_of("max_packet_size", "3K").value, 3u << 10);
  EXPECT_EQ(outcome_of("max_packet_size", "5m").value, 5u << 20);
  EXPECT_EQ(outcome_of("max_packet_size", "5M").value, 5u << 20);
  EXPECT_EQ(outcome_of("max_packet_size", "2g").value, uint64_t{2} << 30);
  EXPECT_EQ(outcome_of("max_packet_size", "2G").value, uint64_t{2} << 30);
}

TEST(OptionText, RefusesSuffixesOfWhatIsNoSize) {
  for (const char* key : {"loops", "pool_size", "max_connections", "backlog", "tick_interval_ms"}) {
    for (const char* text : {"1k", "1m", "1g"}) expect_refused(key, text);
  }
}

TEST(OptionText, RefusesSizesThatOverflowWithTheirSuffix) {
  // 2^54 k, 2^44 m and 2^34 g are 2^64: cut to 64 bits they would be 0, one more would be a size.
  for (const char* text :
       {"18014398509481984k", "17592186044416m", "17179869184g", "18014398509481985k",
        "17592186044417m", "17179869185g", "18446744073709551615g"}) {
    expect_refused("max_packet_size", text);
    expect_refused("receive_buffer_size", text);
  }
}

TEST(OptionText, TakesEveryNameOfAChoice) {
  EXPECT_EQ(outcome_of("no_delay", "on").value, uint64_t{TCPKIT_ON});
  EXPECT_EQ(outcome_of("no_delay", "off").value, uint64_t{TCPKIT_OFF});
  EXPECT_EQ(outcome_of("oversize", "close").value, uint64_t{TCPKIT_OVERSIZE_CLOSE});
  EXPECT_EQ(outcome_of("oversize", "discard").value, uint64_t{TCPKIT_OVERSIZE_DISCARD});
  EXPECT_EQ(outcome_of("log_level", "off").value, uint64_t{TCPKIT_LOG_OFF});
  EXPECT_EQ(outcome_of("log_level", "error").value, uint64_t{TCPKIT_LOG_ERROR});
  EXPECT_EQ(outcome_of("log_level", "warning").value, uint64_t{TCPKIT_LOG_WARNING});
  EXPECT_EQ(outcome_of("log_level", "info").value, uint64_t{TCPKIT_LOG_INFO});
  EXPECT_EQ(outcome_of("log_level", "debug").value, uint64_t{TCPKIT_LOG_DEBUG});
}

TEST(OptionText, RefusesOtherNamesByKeyAndTextAndTellsTheChoices) {
  for (const OptionRow& row : option_table()) {
    if (is_number(row.type) || row.type == kText || row.type == kFraming) continue;
    for (const char* text : {"", "yes", "On", "on ", "1", "warnings", "clos", "default"}) {
      expect_refused(row.key, text);
      EXPECT_NE(outcome_of(row.key, text).message.find(row.value_syntax), std::string::npos);
    }
  }
}

TEST(OptionText, RefusesAFramingByKeyAndText) {
  for (const char* text : {"", "lines", "fixed:", "fixed:x", "separator:", "len5be"}) {
    expect_refused("framing", text);
  }
}

TEST(OptionText, KeepsTheFramingBeforeWhenTheNextOneIsWrong) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  ASSERT_EQ(set_option_from_text(options, "framing", "fixed:12"), TCPKIT_OK);
  EXPECT_EQ(set_option_from_text(options, "framing", "fixed:x"), TCPKIT_E_BAD_VALUE);
  EXPECT_EQ(options.framing.kind, TCPKIT_FRAMING_FIXED);
  EXPECT_EQ(options.framing.fixed_size, 12u);
}

TEST(OptionText, BorrowsTheTextOfListen) {
  tcpkit_server_options options = TCPKIT_SERVER_OPTIONS_INIT;
  const char* text = "tcp://127.0.0.1:0,unix://@x";
  ASSERT_EQ(set_option_from_text(options, "listen", text), TCPKIT_OK);
  EXPECT_EQ(options.listen, text);
}

}  // namespace
}  // namespace tcpkit::test
