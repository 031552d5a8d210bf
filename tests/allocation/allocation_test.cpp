// Counts the heap allocations of the whole process: none per message once a connection is warm.
// An executable of its own, since it replaces malloc; through the public interface only.
#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>

#include "integration/child_process.h"
#include "integration/server_fixture.h"
#include "tcpkit.hpp"

namespace {

std::atomic<bool> counting{false};
std::atomic<uint64_t> allocations{0};

[[maybe_unused]] void count_one() {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

// Sanitizers have a malloc of their own.
#if !defined(__SANITIZE_THREAD__) && !defined(__SANITIZE_ADDRESS__)
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) {
  count_one();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  count_one();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  count_one();
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  count_one();
  return __libc_memalign(alignment, size);
}
int posix_memalign(void** out_memory, size_t alignment, size_t size) {
  count_one();
  *out_memory = __libc_memalign(alignment, size);
  return *out_memory == nullptr ? ENOMEM : 0;
}
}
#endif

using namespace testkit;

namespace {

constexpr int kWarmUp = 2000;
constexpr int kMeasured = 20'000;
constexpr int kMeasuredSleeps = 300;  // a millisecond each, or two

// A server without the recording fixture, which allocates.
ServerOwner echo_server(const tcpkit_framing& framing) {
  tcpkit_server_options options = with_loops(1);
  options.framing = framing;
  tcpkit_handlers handlers = TCPKIT_HANDLERS_INIT;
  handlers.on_data = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void*) {
    tcpkit_conn_send(conn, data, size);
  };
  handlers.on_packet = [](tcpkit_conn* conn, const uint8_t* data, size_t size, void*) {
    tcpkit_conn_send_packet(conn, data, size);
  };
  tcpkit_server* server = nullptr;
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_create(&options, &handlers, &server));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_listen(server, "tcp://127.0.0.1:0", nullptr));
  EXPECT_EQ(TCPKIT_OK, tcpkit_server_start(server));
  return ServerOwner(server);
}

// Sends stream in pieces and takes its echo, without allocating.
void exchange(const RawClient& client, std::string_view stream, size_t piece_size) {
  char answer[4096];
  for (size_t i = 0; i < stream.size(); i += piece_size) {
    const std::string_view piece = stream.substr(i, piece_size);
    ASSERT_EQ(static_cast<ssize_t>(piece.size()),
              send(client.fd(), piece.data(), piece.size(), MSG_NOSIGNAL));
  }
  ASSERT_EQ(static_cast<ssize_t>(stream.size()),
            recv(client.fd(), answer, stream.size(), MSG_WAITALL));
}

uint64_t allocations_of_echoes(const tcpkit_framing& framing, std::string_view stream,
                               size_t piece_size) {
  const ServerOwner server = echo_server(framing);
  const RawClient client(listener_address(server.get()));
  for (int i = 0; i < kWarmUp; ++i) exchange(client, stream, piece_size);
  allocations = 0;
  counting = true;
  for (int i = 0; i < kMeasured; ++i) exchange(client, stream, piece_size);
  counting = false;
  return allocations;
}

// Exchanges with a server that has a coroutine for each connection.
uint64_t allocations_of_coroutines(const tcpkit_framing& framing, std::string_view stream,
                                   tcpkit::Task<> (*body)(tcpkit::CoConn conn),
                                   int measured = kMeasured) {
  tcpkit::ServerOptions options;
  options.loops = 1;
  options.framing = framing;
  tcpkit::Server server{options};
  server.on_connection(body);
  server.listen("tcp://127.0.0.1:0");
  server.start();
  const RawClient client(server.listener_address());
  for (int i = 0; i < measured / 10; ++i) exchange(client, stream, stream.size());
  allocations = 0;
  counting = true;
  for (int i = 0; i < measured; ++i) exchange(client, stream, stream.size());
  counting = false;
  return allocations;
}

tcpkit::Task<> echo_bytes(tcpkit::CoConn conn) {
  std::array<char, 8> buffer;
  while (auto got = co_await conn.read(buffer)) co_await conn.write(*got);
}

tcpkit::Task<> echo_packets(tcpkit::CoConn conn) {
  while (auto packet = co_await conn.read_packet()) co_await conn.write_packet(*packet);
}

// Waits for a timer between packets, so each second one comes while nobody reads.
tcpkit::Task<> echo_after_sleep(tcpkit::CoConn conn) {
  while (auto packet = co_await conn.read_packet()) {
    if (!(co_await conn.sleep_for(std::chrono::milliseconds(0))).ok()) co_return;
    co_await conn.write_packet(*packet);
  }
}

class Allocations : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kThreadSanitizer || kAddressSanitizer) GTEST_SKIP() << "a sanitizer owns malloc";
    counting = true;
    allocations = 0;
    const std::string longer_than_any_inline_buffer(100, 'x');
    counting = false;
    ASSERT_GT(allocations, 0u) << "malloc is not ours";
  }
};

TEST_F(Allocations, AreNonePerMessageOfAPlainEcho) {
  EXPECT_EQ(0u, allocations_of_echoes(TCPKIT_FRAMING_INIT, "sixteen bytes...", 16));
}

TEST_F(Allocations, AreNonePerMessageOfALineEcho) {
  EXPECT_EQ(0u, allocations_of_echoes(tcpkit_framing_line(), "one line\nand another\n", 21));
}

TEST_F(Allocations, AreNonePerMessageThatComesInThreeReads) {
  EXPECT_EQ(0u, allocations_of_echoes(tcpkit_framing_line(), "a line that comes in parts\n", 9));
}

TEST_F(Allocations, AreNonePerMessageOfALengthPrefixedEcho) {
  using namespace std::string_view_literals;
  const tcpkit_framing framing = tcpkit_framing_length(4, TCPKIT_BIG_ENDIAN);
  EXPECT_EQ(0u, allocations_of_echoes(framing, "\0\0\0\5hello\0\0\0\0\0\0\0\1x"sv, 18));
}

TEST_F(Allocations, AreNonePerMessageOfAVarintEcho) {
  EXPECT_EQ(0u, allocations_of_echoes(tcpkit_framing_varint(), "\5hello\1x", 8));
}

// A packet with a value of each kind, read again and again; the sum keeps the reads alive.
uint64_t read_packet(tcpkit_reader reader) {
  int16_t small = 0;
  int32_t middle = 0, varint = 0;
  int64_t large = 0, varlong = 0;
  double real = 0;
  char name[16];
  size_t length = 0;
  tcpkit_read_int16(&reader, &small);
  tcpkit_read_int32(&reader, &middle);
  tcpkit_read_int64(&reader, &large);
  tcpkit_read_float64(&reader, &real);
  tcpkit_read_var_int(&reader, &varint);
  tcpkit_read_var_long(&reader, &varlong);
  tcpkit_read_string(&reader, name, sizeof name, &length);
  EXPECT_EQ(TCPKIT_OK, reader.status);
  return length + static_cast<uint64_t>(varint + varlong);
}

void write_packet(tcpkit_writer& writer) {
  tcpkit_write_int16(&writer, 1);
  tcpkit_write_int32(&writer, 2);
  tcpkit_write_int64(&writer, 3);
  tcpkit_write_float64(&writer, 4);
  tcpkit_write_var_int(&writer, 300);
  tcpkit_write_var_long(&writer, 70'000);
  tcpkit_write_string(&writer, "seven.7");
  EXPECT_EQ(TCPKIT_OK, writer.status);
}

constexpr uint64_t kSumOfPacket = 7 + 300 + 70'000;

// Gives the bytes of a slice one by one.
tcpkit_status read_slice(void* buffer, size_t, size_t* out_size, void* user_data) {
  auto* rest = static_cast<std::string_view*>(user_data);
  if (rest->empty()) return TCPKIT_E_END;
  *static_cast<char*>(buffer) = rest->front();
  rest->remove_prefix(1);
  *out_size = 1;
  return TCPKIT_OK;
}

TEST_F(Allocations, AreNoneToReadValuesAndToWriteThemToMemoryThatIsThere) {
  uint8_t packet[64];
  uint64_t sum = 0;
  tcpkit_writer growing = TCPKIT_WRITER_INIT;
  write_packet(growing);
  allocations = 0;
  counting = true;
  for (int i = 0; i < kMeasured; ++i) {
    tcpkit_writer writer = tcpkit_writer_over_memory(packet, sizeof packet);
    write_packet(writer);
    growing.size = 0;
    write_packet(growing);
    std::string_view rest(reinterpret_cast<const char*>(packet), writer.size);
    sum += read_packet(tcpkit_reader_over_memory(packet, writer.size));
    sum += read_packet(tcpkit_reader_over_stream(read_slice, &rest));
  }
  counting = false;
  tcpkit_writer_free(&growing);
  EXPECT_EQ(2 * kMeasured * kSumOfPacket, sum);
  EXPECT_EQ(0u, allocations);
}

TEST_F(Allocations, AreNonePerMessageThatACoroutineEchoes) {
  EXPECT_EQ(0u, allocations_of_coroutines(TCPKIT_FRAMING_INIT, "sixteen bytes...", echo_bytes));
}

TEST_F(Allocations, AreNonePerPacketThatACoroutineEchoes) {
  EXPECT_EQ(0u, allocations_of_coroutines(tcpkit_framing_line(), "one line\nand another\n",
                                          echo_packets));
}

TEST_F(Allocations, AreNonePerSleepOfACoroutine) {
  EXPECT_EQ(0u, allocations_of_coroutines(tcpkit_framing_line(), "one line\nand another\n",
                                          echo_after_sleep, kMeasuredSleeps));
}

}  // namespace
